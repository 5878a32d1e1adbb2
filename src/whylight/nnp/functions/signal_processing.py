"""nnabla's category "signal_processing"."""
