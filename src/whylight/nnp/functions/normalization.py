"""nnabla's category "normalization"."""
