"""Whether each trick is at work, read from live objects: the evidence of tricks.json."""
