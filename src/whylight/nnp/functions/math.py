"""nnabla's category "math"."""
