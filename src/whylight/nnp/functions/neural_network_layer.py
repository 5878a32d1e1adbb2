"""nnabla's category "neural_network_layer"."""
