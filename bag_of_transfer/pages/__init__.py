"""What pages have in common: their frame, look and script, plots as SVG, pictures as JPEG."""
