"""Running: an explainer graph and images in -> explanations. Nothing here needs ``onnx``, ``protobuf`` or ``h5py``."""
