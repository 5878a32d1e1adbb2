"""Reading models of Neural Network Console and nnabla, without either."""

from pathlib import Path

import onnx

from whylight.nnp.archive import read
from whylight.nnp.convert import convert
from whylight.nnp.network import executor_network


def to_onnx(path: str | Path, parameters: str | Path | None = None) -> onnx.ModelProto:
    """Convert the executor's network of a model file to ONNX.

    Args:
        path: a .nnp file, or a loose network (.nntxt, .prototxt, .protobuf).
        parameters: the parameter file (.h5 or .protobuf) of a loose network that does not hold its own.

    Returns:
        A model whose graph inputs and outputs are named as the network's variables, with the parameters as
        initializers, and a dynamic batch axis `N` where the network allows it.

    Raises:
        WhylightError: the file cannot be read, or the network cannot be converted; the message says why.
    """
    contents = read(Path(path), Path(parameters) if parameters else None)
    return convert(executor_network(contents.proto, contents.path), contents.parameters)
