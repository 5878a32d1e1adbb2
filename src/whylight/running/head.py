"""The part of an explainer graph above its layer, cut out and opened: the one thing here that needs ``onnx``.

Methods that alter the layer's activation many times an image run it: ablation-cam, shap-cam, recipro-cam.
"""

from pathlib import Path
from typing import Any

import onnx

from whylight.contract import ALTERED_SCORE
from whylight.graph.walks import part_of
from whylight.running.session import open_session


def open_head(graph: bytes | Path, device: str, threads: int | None, memory: int | None = None) -> Any:
    """A session on a device with the network above the layer.

    Raises:
        WhylightError: ONNX Runtime cannot load it.
    """
    whole = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(graph)
    return open_session(part_of(whole, [ALTERED_SCORE]).SerializeToString(), device, threads, memory=memory)[0]


def whole_model(path: Path) -> bytes:
    """The content of an ONNX file, with the weights that lie in files beside it.

    Raises:
        OSError: it cannot be read.
    """
    return onnx.load(path).SerializeToString()
