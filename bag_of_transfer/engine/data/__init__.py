"""Images, masks and splits: how they are read, checked, held out and judged."""
