"""How other libraries name the tensors of a network; one file per library."""
