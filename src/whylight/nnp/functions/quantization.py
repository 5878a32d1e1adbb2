"""nnabla's category "quantization"."""
