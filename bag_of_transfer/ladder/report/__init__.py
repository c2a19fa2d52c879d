"""What a ladder found: results, tables, plots and the page.  Nothing here trains."""
