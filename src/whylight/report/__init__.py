"""A result CSV of a batch in -> a page to look through: one HTML file, thumbnails beside it."""
