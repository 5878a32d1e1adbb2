"""What the installed versions of other packages can do: the lowest that the project allows have faults of their own."""

from importlib.metadata import version

import onnx
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument


def release(package: str) -> tuple[int, int]:
    """Its major and minor version."""
    major, minor, *_ = version(package).split(".")
    return int(major), int(minor)


def runtime_runs(model: onnx.ModelProto) -> bool:
    """Whether this ONNX Runtime knows the model's operator set and file version."""
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except (Fail, InvalidArgument):
        return False
    return True
