"""What a page is made of, and what is refused before anything is written."""

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import whylight
from onnx_samples import cnn
from samples import BUNDLED
from whylight.cli import main
from whylight.web.runtime import Runtime

MODEL = BUNDLED / "cluttered_digits" / "results.nnp"
IMAGE = BUNDLED / "cluttered_digits" / "images" / "0000.png"
KEPT = b"kept"


@pytest.fixture(autouse=True)
def _runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for ONNX Runtime Web: its files hold their names."""

    def files(*runtimes: Runtime) -> dict[str, bytes]:
        return {name: name.encode() for runtime in runtimes for name in (runtime.module, runtime.binary)}

    monkeypatch.setattr("whylight.web.page.runtime_files", files)


def facts_of(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="page">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_folder_holds_all_that_a_server_gives(tmp_path: Path) -> None:
    summary = whylight.write_page(MODEL, tmp_path / "page", "gradcam,layercam", image=str(IMAGE))
    files = {
        path.relative_to(tmp_path / "page").as_posix() for path in (tmp_path / "page").rglob("*") if path.is_file()
    }
    assert {"index.html", "explainer.onnx", "images/0001.png", "runtime/LICENSE"} <= files
    assert (tmp_path / "page" / "images" / "0001.png").read_bytes() == IMAGE.read_bytes()
    assert "Copyright (c) Microsoft" in (tmp_path / "page" / "runtime" / "LICENSE").read_text()
    facts = facts_of((tmp_path / "page" / "index.html").read_text("utf-8"))
    for part in (facts["parts"]["explainer"], *facts["parts"]["wasm"].values(), facts["parts"]["webgpu"]["module"]):
        assert part in files
    outputs = [one.name for one in onnx.load(tmp_path / "page" / "explainer.onnx").graph.output]
    assert [one["output"] in outputs for one in facts["explainer"]["maps"]] == [True, True]
    assert [method for method, _ in summary.maps] == ["gradcam", "layercam"]


def test_a_single_file_has_the_same_inside(tmp_path: Path) -> None:
    whylight.write_page(MODEL, tmp_path / "page", "layercam")
    whylight.write_page(MODEL, tmp_path / "page.html", "layercam", single=True)
    html = (tmp_path / "page.html").read_text("utf-8")
    found = re.search(r'id="explainer.onnx">(.*?)</script>', html)
    assert found
    assert gzip.decompress(b64decode(found[1])) == (tmp_path / "page" / "explainer.onnx").read_bytes()
    assert facts_of(html)["parts"]["webgpu"] is None
    assert "'self'" not in html.split("<title>")[0]


def test_names_of_classes_are_text(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>"
    whylight.write_page(MODEL, tmp_path / "page.html", single=True, labels=[hostile] * 10)
    html = (tmp_path / "page.html").read_text("utf-8")
    assert hostile not in html
    assert facts_of(html)["model"]["names"] == [hostile] * 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"methods": "scorecam"}, "method 'scorecam' takes several passes"),
        ({"methods": "gradcam,rise"}, "method 'rise' takes several passes"),
        ({"smooth": True}, "a smoothed map takes several passes"),
        ({"methods": "nothing"}, "nothing"),
        ({"layer": "nowhere"}, "nowhere"),
        ({"image": "missing.png"}, "missing.png"),
    ],
)
def test_what_a_page_cannot_do_is_refused_in_one_line(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(whylight.WhylightError, match=re.escape(said)) as caught:
        whylight.write_page(MODEL, tmp_path / "page", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_other_channels_is_refused(tmp_path: Path) -> None:
    image = onnx.helper.make_tensor_value_info("x", 1, ["N", 5, 8, 8])
    scores = onnx.helper.make_tensor_value_info("y", 1, ["N", 3])
    nodes = [
        onnx.helper.make_node("Conv", ["x", "kernel"], ["maps"]),
        onnx.helper.make_node("ReduceMean", ["maps"], ["y"], axes=[2, 3], keepdims=0),
    ]
    kernel = onnx.numpy_helper.from_array(np.ones((3, 5, 3, 3), np.float32), "kernel")
    graph = onnx.helper.make_graph(nodes, "five", [image], [scores], [kernel])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "five.onnx")
    with pytest.raises(whylight.WhylightError, match="pictures of 5 channels"):
        whylight.write_page(tmp_path / "five.onnx", tmp_path / "page")


def test_images_that_browsers_do_not_show_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "image.tif")
    with pytest.raises(whylight.WhylightError, match=r"image\.tif: a TIFF image: expected one that browsers show"):
        whylight.write_page(MODEL, tmp_path / "page", image=str(tmp_path / "image.tif"))


def test_a_page_is_replaced_by_the_next_and_nothing_else_is(tmp_path: Path) -> None:
    page = tmp_path / "page"
    whylight.write_page(MODEL, page, image=str(IMAGE))
    whylight.write_page(MODEL, page)
    assert not (page / "images").exists()
    (page / "own.txt").write_bytes(KEPT)
    with pytest.raises(whylight.WhylightError, match=r"'own\.txt' was added"):
        whylight.write_page(MODEL, page, overwrite=True)
    assert (page / "own.txt").read_bytes() == KEPT
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_bytes(KEPT)
    with pytest.raises(whylight.WhylightError, match="that whylight did not make"):
        whylight.write_page(MODEL, other, overwrite=True)
    assert (other / "index.html").read_bytes() == KEPT
    (tmp_path / "own.html").write_bytes(KEPT)
    with pytest.raises(whylight.WhylightError, match="did not make"):
        whylight.write_page(MODEL, tmp_path / "own.html", single=True)
    assert (tmp_path / "own.html").read_bytes() == KEPT


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(cnn(), tmp_path / "model.onnx")
    arguments = ["--method", "gradcam,layercam", "--input-range", "1", "--json", "-q"]
    assert main(["page", str(tmp_path / "model.onnx"), "-o", str(tmp_path / "page"), *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["method"] for one in said["maps"]] == ["gradcam", "layercam"]
    assert said["bytes"] == sum(
        path.stat().st_size for path in (tmp_path / "page").rglob("*") if path.is_file() and path.name != ".whylight"
    )
    assert main(["page", str(tmp_path / "model.onnx"), "-o", str(tmp_path / "page.html")]) == 2
    assert "the option 'single'" in capsys.readouterr().err
