"""Files: paths, URLs and bytes in -> bytes, numbers and whole files out."""
