"""Compiling: a classifier, methods and a question in -> the explainer graph, one ONNX model."""
