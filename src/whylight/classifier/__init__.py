"""Classifiers: an ONNX graph and what ONNX does not hold in -> a `Classifier`, its layers, how its image goes in."""
