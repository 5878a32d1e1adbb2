"""nnabla's category "arithmetic"."""
