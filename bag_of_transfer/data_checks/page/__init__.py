"""The page of the data doctor: findings, pictures with their labels, tables, histograms."""
