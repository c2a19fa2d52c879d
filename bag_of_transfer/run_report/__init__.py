"""How a single run went: what each class reached, as plots, pictures and a page."""
