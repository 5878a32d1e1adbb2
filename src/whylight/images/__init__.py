"""Images: files and arrays in -> what a model takes: pictures, signals, volumes."""
