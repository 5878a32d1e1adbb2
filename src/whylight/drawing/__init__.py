"""Drawing: maps and images in -> pictures for people."""
