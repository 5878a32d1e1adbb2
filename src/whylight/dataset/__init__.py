"""Dataset CSVs: a table in -> rows with an image and a class; rows and results in -> a table."""
