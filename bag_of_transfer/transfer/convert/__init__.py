"""Weights of other libraries into our files, and ours into theirs."""
