"""Datasets: a CSV or a table in memory in -> rows with an image and a class; rows and results in -> a CSV."""
