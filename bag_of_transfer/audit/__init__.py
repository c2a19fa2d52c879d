"""Whether each trick is at work, read from the built objects: the evidence in tricks.json."""
