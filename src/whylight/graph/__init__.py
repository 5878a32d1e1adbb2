"""ONNX graphs: operators and tensors in -> a graph, and walks over its nodes."""
