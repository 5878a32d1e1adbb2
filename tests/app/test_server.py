"""Each call, compared with what the library, numpy or the table itself says."""

from __future__ import annotations

import base64
import csv
import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import whylight

pytest.importorskip("fastapi")

if TYPE_CHECKING:
    from starlette.testclient import TestClient

TABLE, MODEL = "output_result.csv", "results.nnp"
QUESTION: dict[str, Any] = {"model": MODEL, "image": {"table": TABLE, "row": 1}}


def rows_of(folder: Path, table: str = TABLE) -> list[dict[str, str]]:
    with (folder / table).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def map_of(answer: dict[str, Any]) -> np.ndarray[Any, Any]:
    held = answer["map"]
    return np.frombuffer(base64.b64decode(held["values"]), "<f4").reshape(held["rows"], held["columns"])


def finished(client: TestClient, name: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while (state := client.get(f"/api/batch/{name}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < end, state
        time.sleep(0.02)
    return dict(state)


def test_the_folder_says_what_to_begin_with(client: TestClient, folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "other.onnx").touch()
    (folder / "labels.txt").write_text("zero\n")
    found = client.get("/api/folder").json()
    assert (found["model"], found["table"], found["name"]) == (MODEL, TABLE, "mnist")
    assert found["models"] == [MODEL, "more/other.onnx"]
    assert found["labels"] == ["labels.txt"]
    assert found["has_images"]


def test_rows_are_those_of_the_table(client: TestClient, folder: Path) -> None:
    answer = client.get("/api/rows", params={"table": TABLE, "count": 1000}).json()
    expected = rows_of(folder)
    assert answer["total"] == len(expected)
    names = [name for name in expected[0] if name.startswith("x")]
    assert [row["name"] for row in answer["rows"]] == [row[names[0]].removeprefix("./") for row in expected]
    shown = client.get(answer["rows"][3]["image"])
    assert shown.content == (folder / answer["rows"][3]["name"]).read_bytes()
    assert shown.headers["content-type"] == "image/png"


def test_a_table_without_maps_says_what_is_right(client: TestClient, folder: Path) -> None:
    while (answer := client.get("/api/table", params={"table": TABLE})).status_code == 202:
        time.sleep(0.02)
    facts = answer.json()
    rows = rows_of(folder)
    label = next(name for name in rows[0] if name.partition(":")[0] == "y")
    outputs = [name for name in rows[0] if name.startswith("y'")]
    right = sum(int(row[label]) == int(np.argmax([float(row[name]) for name in outputs])) for row in rows)
    assert (facts["right"], facts["wrong"], facts["rows"]) == (right, len(rows) - right, len(rows))
    assert facts["explained"] == 0


def test_images_without_a_table_are_a_dataset(client: TestClient, folder: Path) -> None:
    answer = client.get("/api/rows", params={"count": 1000}).json()
    assert [row["name"] for row in answer["rows"]] == sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*.png")
    )
    explained = client.post("/api/explain", json={"model": MODEL, "image": {"row": 5}}).json()
    expected = whylight.explain(folder / MODEL, folder / answer["rows"][4]["name"])
    assert isinstance(expected, whylight.Explanation)
    np.testing.assert_allclose(map_of(explained), expected.cam, atol=1e-6)


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"class_index": 4},
        {"class_index": 4, "against": 9},
        {"method": "layercam"},
        {"method": "score-cam", "class_index": 2},
        {"layer": "@MainRuntime/Convolution"},
    ],
    ids=str,
)
def test_an_explanation_is_the_librarys(client: TestClient, folder: Path, question: dict[str, Any]) -> None:
    answer = client.post("/api/explain", json={**QUESTION, **question}).json()
    name = client.get("/api/row", params={"table": TABLE, "number": 1}).json()["row"]["name"]
    options = {key: value for key, value in question.items() if key in ("layer", "against")}
    class_index, method = question.get("class_index", "predicted"), question.get("method", "gradcam")
    expected = whylight.explain(folder / MODEL, folder / name, class_index, method=method, **options)
    assert isinstance(expected, whylight.Explanation)
    np.testing.assert_allclose(map_of(answer), expected.cam, atol=1e-6)
    for key, value in expected.to_dict().items():
        assert answer[key] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), key


def test_the_command_line_makes_the_same_picture(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shlex

    from whylight.cli import main

    question = {**QUESTION, "class_index": 3, "method": "layercam", "layer": "@MainRuntime/Convolution"}
    words = shlex.split(client.post("/api/explain", json=question).json()["command"])
    drawn = client.post("/api/file", json=question).content
    monkeypatch.chdir(folder)
    assert main([*words[1:], "--output", "again.png"]) == 0
    assert words[0] == "whylight"
    np.testing.assert_array_equal(np.asarray(Image.open("again.png")), np.asarray(Image.open(io.BytesIO(drawn))))


def test_a_covered_rectangle_changes_what_it_changes(client: TestClient, folder: Path) -> None:
    name = client.get("/api/row", params={"table": TABLE, "number": 1}).json()["row"]["name"]
    pixels = np.array(Image.open(folder / name))
    rectangle = [0.25, 0.5, 0.75, 1.0]  # left, top, right, bottom of 28 pixels
    covered = pixels.copy()
    covered[14:28, 7:21] = round(float(pixels.mean()))
    expected = whylight.explain(folder / MODEL, covered)
    assert isinstance(expected, whylight.Explanation)
    body = {**QUESTION, "rectangle": rectangle, "classes": [expected.predicted]}
    answer = client.post("/api/cover", json=body).json()
    assert answer["probabilities"][0]["probability"] == pytest.approx(expected.probability, abs=1e-5)
    assert [one["class_index"] for one in answer["top"]] == [index for index, _ in expected.top]
    none = client.post("/api/cover", json={**body, "rectangle": [0, 0, 0, 0]}).json()
    before = client.post("/api/explain", json=QUESTION).json()
    assert none["top"][0]["probability"] == pytest.approx(before["probability"], abs=1e-5)


def test_a_class_out_of_range_is_said(client: TestClient) -> None:
    answer = client.post("/api/cover", json={**QUESTION, "rectangle": [0, 0, 1, 1], "classes": [10]})
    assert answer.status_code == 400
    assert "class 10" in answer.json()["error"]


def test_the_mean_map_is_the_mean(client: TestClient, folder: Path) -> None:
    found = client.get("/api/rows", params={"table": TABLE, "truth": 7, "count": 3}).json()["rows"]
    maps = []
    for row in found:
        one = whylight.explain(folder / MODEL, folder / row["name"], 7)
        assert isinstance(one, whylight.Explanation)
        maps.append(one.cam)
    answer = client.post("/api/mean", json={"model": MODEL, "table": TABLE, "truth": 7, "count": 3}).json()
    assert answer["images"] == 3
    np.testing.assert_allclose(map_of(answer), np.mean(maps, 0), atol=1e-6)


def test_files_to_download(client: TestClient) -> None:
    cam = np.load(io.BytesIO(client.post("/api/file", json={**QUESTION, "format": "npy"}).content))
    np.testing.assert_array_equal(cam, map_of(client.post("/api/explain", json=QUESTION).json()))


def test_an_overlay_is_saved_and_nothing_else_is_written_over(client: TestClient, folder: Path) -> None:
    name = client.get("/api/row", params={"table": TABLE, "number": 1}).json()["row"]["name"]
    before = (folder / name).read_bytes()
    assert client.post("/api/save", json={**QUESTION, "output": "new/grad_cam.png"}).json() == {
        "output": "new/grad_cam.png"
    }
    drawn = Image.open(io.BytesIO(client.post("/api/file", json=QUESTION).content))
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "new/grad_cam.png")), np.asarray(drawn))
    refused = client.post("/api/save", json={**QUESTION, "output": name})
    assert refused.status_code == 400
    assert "written over" in refused.json()["error"]
    assert (folder / name).read_bytes() == before


def test_a_batch_to_its_end_and_its_report(client: TestClient, folder: Path) -> None:
    started = client.post("/api/batch", json={"model": MODEL, "input": TABLE, "output": "gradcam.csv"}).json()
    state = finished(client, started["batch"])
    assert (state["state"], state["done"], state["rows"]) == ("done", 36, 36), state
    assert all((folder / row["gradcam"]).is_file() for row in rows_of(folder, "gradcam.csv"))
    row = client.get("/api/rows", params={"table": "gradcam.csv", "count": 1}).json()["rows"][0]
    assert client.get(row["overlay"]).content == (folder / row["overlay_name"]).read_bytes()
    found = client.post("/api/report", json={"table": "gradcam.csv"}).json()
    page = client.get(found["address"])
    assert page.content == (folder / found["output"]).read_bytes()
    assert "connect-src" not in page.headers["content-security-policy"]
    assert client.get("/api/batches").json()["batches"][0]["batch"] == started["batch"]


def test_a_batch_that_is_cancelled_goes_on(client: TestClient, folder: Path) -> None:
    header, *lines = (folder / TABLE).read_text("utf-8").splitlines()
    (folder / "many.csv").write_text("\n".join([header, *lines * 200]) + "\n", encoding="utf-8")
    asked = {"model": MODEL, "input": "many.csv", "output": "many_gradcam.csv"}
    first = client.post("/api/batch", json=asked).json()
    end = time.monotonic() + 60
    while client.get(f"/api/batch/{first['batch']}").json()["done"] < 1000:
        assert time.monotonic() < end
    refused = client.post("/api/batch", json=asked)
    assert refused.status_code == 400
    assert "is writing it" in refused.json()["error"]
    client.post(f"/api/batch/{first['batch']}/cancel")
    stopped = finished(client, first["batch"])
    assert stopped["state"] == "cancelled"
    assert not (folder / "many_gradcam.csv").exists()
    second = finished(client, client.post("/api/batch", json=asked).json()["batch"])
    assert second["state"] == "done", second
    assert second["summary"]["continued"] > 0
    assert len(rows_of(folder, "many_gradcam.csv")) == 7200


def test_a_batch_that_fails_says_why(client: TestClient) -> None:
    started = client.post("/api/batch", json={"model": MODEL, "input": TABLE, "label_variable": "nothing"}).json()
    state = finished(client, started["batch"])
    assert state["state"] == "failed"
    assert "nothing" in state["message"]


def test_an_upload_is_explained(client: TestClient, folder: Path) -> None:
    row = client.get("/api/row", params={"table": TABLE, "number": 9}).json()["row"]
    content = (folder / row["name"]).read_bytes()
    given = client.post(
        "/api/upload", params={"name": "photo.png"}, content=content, headers={"Content-Type": "image/png"}
    ).json()
    assert (given["name"], given["width"], given["height"]) == ("photo.png", 28, 28)
    answers = [
        client.post("/api/explain", json={"model": MODEL, "image": image}).json()
        for image in ({"upload": given["upload"]}, {"table": TABLE, "row": 9})
    ]
    assert answers[0]["map"] == answers[1]["map"]
    assert client.get("/api/image", params={"upload": given["upload"]}).status_code == 200


def test_a_photograph_is_shown_and_explained_upright(client: TestClient, folder: Path) -> None:
    turned = Image.new("RGB", (40, 20), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", exif=exif)
    given = client.post(
        "/api/upload", content=buffer.getvalue(), headers={"Content-Type": "application/octet-stream"}
    ).json()
    assert (given["width"], given["height"]) == (20, 40)
    shown = client.get("/api/image", params={"upload": given["upload"]}).content
    assert Image.open(io.BytesIO(shown)).size == (20, 40)


def test_a_model_says_what_may_be_asked(client: TestClient, folder: Path) -> None:
    facts = client.get("/api/model", params={"model": MODEL}).json()
    expected = whylight.inspect(folder / MODEL)
    assert [layer["name"] for layer in facts["layers"]] == [layer["name"] for layer in expected.layers]
    assert [layer["name"] for layer in facts["layers"] if layer["is_default"]] == list(expected.default_layers)
    assert {method["name"] for method in facts["methods"]} == set(whylight.methods())
    costs = {method["name"]: method["passes"] for method in facts["methods"]}
    assert (costs["gradcam"], costs["rise"]) == (1, 4000)
    assert base64.b64decode(facts["colormaps"]["gray"])[:6] == bytes([0, 0, 0, 1, 1, 1])


def test_a_compiled_file_has_its_own_maps_alone(client: TestClient, folder: Path) -> None:
    whylight.save_model(whylight.compile(folder / MODEL, "layercam"), folder / "compiled.onnx")
    facts = client.get("/api/model", params={"model": "compiled.onnx"}).json()
    assert not facts["is_free"]
    assert [method["name"] for method in facts["methods"]] == ["layercam"]
    asked = {**QUESTION, "model": "compiled.onnx", "method": "layercam"}
    fresh = client.post("/api/explain", json={**QUESTION, "method": "layercam"}).json()
    np.testing.assert_allclose(map_of(client.post("/api/explain", json=asked).json()), map_of(fresh), atol=1e-6)
    refused = client.post("/api/explain", json={**asked, "method": "gradcam"})
    assert refused.status_code == 400


def test_a_changed_table_is_read_again(client: TestClient, folder: Path) -> None:
    assert client.get("/api/rows", params={"table": TABLE}).json()["total"] == 36
    text = (folder / TABLE).read_text("utf-8").splitlines()
    (folder / TABLE).write_text("\n".join(text[:6]) + "\n", encoding="utf-8")
    while (answer := client.get("/api/table", params={"table": TABLE})).status_code == 202:
        time.sleep(0.02)
    assert answer.json()["rows"] == 5


@pytest.mark.parametrize(
    ("path", "values", "said"),
    [
        ("/api/rows", {"table": "nothing.csv"}, "nothing.csv"),
        ("/api/table", {"table": MODEL}, "UTF-8"),
        ("/api/model", {"model": TABLE}, TABLE),
        ("/api/row", {"table": TABLE, "number": "x"}, "number"),
        ("/api/rows", {"table": TABLE, "input_variable": "z"}, "no variable 'z'"),
        ("/api/image", {"table": TABLE, "row": 999}, "36 rows"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(client: TestClient, path: str, values: dict[str, Any], said: str) -> None:
    answer = client.get(path, params=values)
    while answer.status_code == 202:
        answer = client.get(path, params=values)
    assert answer.status_code in (400, 422), answer.text
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error


def test_every_call_is_documented(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    page = client.get("/docs").text
    for path, ways in described["paths"].items():
        assert path in page
        assert all(call["description"] for call in ways.values()), path
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert json.dumps(described)
