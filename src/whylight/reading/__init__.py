"""Reading: a model file in -> a `Classifier`, a description, or an ONNX model; one reader a format."""
