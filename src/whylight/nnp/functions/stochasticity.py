"""nnabla's category "stochasticity"."""
