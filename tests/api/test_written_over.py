"""What Python writes takes the place of earlier results alone, whatever their format."""

from collections.abc import Callable
from pathlib import Path

import pytest

import whylight
from samples import BUNDLED
from whylight.errors import WhylightError

MNIST = BUNDLED / "mnist"
IMAGE = MNIST / "images" / "0000.png"
SAVING: dict[str, Callable[[Path], None]] = {
    **{
        f"explanation.{ending}": lambda path: whylight.explainer(MNIST / "results.nnp", device="cpu")(IMAGE).save(path)
        for ending in ("png", "jpg", "webp", "svg", "pdf")
    },
    "comparison.png": lambda path: whylight.compare(MNIST / "results.nnp", IMAGE, methods="gradcam").save(path),
    "model.onnx": lambda path: whylight.save_model(whylight.convert(MNIST / "results.nnp"), path),
    "explainer.onnx": lambda path: whylight.save_model(whylight.compile(MNIST / "results.nnp"), path),
}


@pytest.mark.parametrize("name", SAVING)
def test_only_results_are_written_over(name: str, tmp_path: Path) -> None:
    path, content = tmp_path / name, IMAGE.read_bytes()
    path.write_bytes(content)
    with pytest.raises(WhylightError, match="whylight did not make"):
        SAVING[name](path)
    assert path.read_bytes() == content
    path.unlink()
    SAVING[name](path)
    begin = path.read_bytes()[:4]
    path.write_bytes(b"")
    SAVING[name](path)
    SAVING[name](path)
    assert path.read_bytes()[:4] == begin
