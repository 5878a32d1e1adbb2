"""nnabla's category "array_manipulation"."""
