"""nnabla's category "reduction"."""
