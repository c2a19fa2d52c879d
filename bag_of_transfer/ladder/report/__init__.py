"""Report on a ladder: results, tables, plots and the page.  Nothing in this package trains."""
