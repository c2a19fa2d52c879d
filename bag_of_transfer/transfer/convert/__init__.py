"""Convert weights of other libraries to backbone files, and backbone files to their layouts."""
