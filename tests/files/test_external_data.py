"""The files beside an ONNX model that hold its weights."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from whylight.files.external_data import data_files


@pytest.mark.parametrize("length", [1, 20, 127, 128, 200, 250])
def test_files_of_any_name_are_found(tmp_path: Path, length: int) -> None:
    name = "w" * length
    weights = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [1, 4]) for each in "xy"]
    model = helper.make_model(helper.make_graph([node], "m", ends[:1], ends[1:], [weights]))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location=name, size_threshold=0)
    assert list(data_files(tmp_path / "m.onnx")) == [tmp_path / name]
