"""Evaluation of a dataset against the metrics of each row, computed alone."""

import csv
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samples import BUNDLED, evaluation, pixels
from whylight import load
from whylight.batch.options import BatchOptions
from whylight.batch.run import explain_dataset
from whylight.cli.tables import evaluation_table
from whylight.errors import Cancelled, WhylightError
from whylight.running import opened_graph, session
from whylight.running.explainer import Explainer
from whylight.trust.evaluation import Evaluation, evaluate_dataset
from whylight.trust.metrics import metrics
from whylight.trust.options import EvaluationOptions
from whylight.trust.precomputed import MapSource
from whylight.trust.tally import Tally

FOLDER = BUNDLED / "cluttered_digits"
TABLE = FOLDER / "output_result.csv"


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return load(FOLDER / "results.nnp").explainer()


def evaluated(explainer: Explainer, table: Path = TABLE, **options: Any) -> Evaluation:
    return evaluate_dataset({"gradcam": explainer}, table, EvaluationOptions(**options))


def test_means_errors_and_values_of_rows(explainer: Explainer, tmp_path: Path) -> None:
    per_image = tmp_path / "rows.csv"
    names = ("average-drop", "energy-in-box", "pointing-game", "deletion")
    explainer = Explainer(explainer.graph, batch_size=3)
    result = evaluated(explainer, metrics=names, limit=7, steps=4, tolerance=0, per_image=per_image)
    with per_image.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == list("1234567")
    assert rows[0]["x"] == "./images/0000.png"
    for name in names:
        values = np.array([float(row[name]) for row in rows])
        score = result.scores["gradcam"][name]
        assert score.mean == pytest.approx(values.mean(), abs=1e-5)
        assert score.error == pytest.approx(values.std(ddof=1) / np.sqrt(7), abs=1e-5)
        assert score.count == 7
    with TABLE.open(newline="") as file:
        boxes = [[int(row[f"box__{i}:{side}"]) for i, side in enumerate(("left", "top", "right", "bottom"))]
                 for row in csv.DictReader(file)]  # fmt: skip
    positions, curve = result.curves["gradcam"]["deletion"]
    files, labels, _ = evaluation(TABLE)
    images = np.stack([pixels(file) for file in files[:7]])
    probabilities = [explainer.probabilities(one)[np.arange(7), labels[:7]] for one in (images, 0 * images)]
    np.testing.assert_allclose(positions, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve[[0, -1]], np.mean(probabilities, 1), atol=1e-5)
    for i, row in enumerate(rows):
        explanation = explainer(files[i], int(labels[i]))
        left, top, right, bottom = boxes[i]
        # the map's eight by eight cells lie over eight by eight pixels each
        y, x = np.unravel_index(explanation.cam.argmax(), explanation.cam.shape)
        middle = (8 * x + 4, 8 * y + 4)
        inside = left < middle[0] < right and top < middle[1] < bottom
        if min(abs(middle[0] - left), abs(middle[0] - right), abs(middle[1] - top), abs(middle[1] - bottom)) > 4:
            assert float(row["pointing-game"]) == inside


def test_the_result_depends_on_neither_batches_nor_threads(explainer: Explainer) -> None:
    results = [
        evaluated(Explainer(explainer.graph, batch_size=size, threads=threads), limit=4, steps=3)
        for size, threads in ((3, 3), (4, 1))
    ]
    assert [metric.name for metric in results[0].metrics] == list(metrics())
    for name in metrics():
        means = [result.scores["gradcam"][name].mean for result in results]
        np.testing.assert_allclose(means, means[0], rtol=1e-3, atol=1e-5)


def test_predicted_classes_and_tables_without_boxes(explainer: Explainer, tmp_path: Path) -> None:
    files, labels, outputs = evaluation(TABLE)
    wrong = int(np.flatnonzero(outputs.argmax(1) != labels)[0])
    table = tmp_path / "data.csv"
    table.write_text(f"x,y\n{files[wrong].resolve()},{labels[wrong]}\n")
    label = evaluated(explainer, table, steps=2)
    assert not {"pointing-game", "box-iou"} & set(label.scores["gradcam"])
    predicted = evaluated(explainer, table, predicted=True, steps=2)
    probability = [result.curves["gradcam"]["deletion"][1][0] for result in (label, predicted)]
    row = outputs[wrong]
    np.testing.assert_allclose(probability, [row[labels[wrong]], row.max()], atol=1e-3)


def test_a_metric_that_needs_boxes_says_so(explainer: Explainer, tmp_path: Path) -> None:
    table = tmp_path / "data.csv"
    table.write_text("x,y\na.png,0\n")
    with pytest.raises(WhylightError, match="'box-iou' needs to know where the object is"):
        evaluated(explainer, table, metrics=("box-iou",))
    with pytest.raises(WhylightError, match="no metric 'insertoin'; the nearest are 'insertion'"):
        evaluated(explainer, table, metrics=("insertoin",))
    with pytest.raises(WhylightError, match="row 1"):
        evaluated(explainer, table, metrics=("deletion",))
    with pytest.raises(WhylightError, match="expected 1 or more"):
        evaluated(explainer, table, limit=0)


def test_values_of_rows_come_row_by_row_whatever_the_batches(explainer: Explainer, tmp_path: Path) -> None:
    tables = []
    for size in (2, 5):
        options = EvaluationOptions(metrics=("sparsity",), limit=5, per_image=tmp_path / f"{size}.csv")
        one = Explainer(explainer.graph, batch_size=size)
        evaluate_dataset({"first": one, "second": one}, TABLE, options)
        tables.append([line.split(",")[:3] for line in (tmp_path / f"{size}.csv").read_text().splitlines()[1:]])
    assert tables[0] == tables[1]
    assert [(row, name) for row, _, name in tables[0]] == [
        (str(i), n) for i in range(1, 6) for n in ("first", "second")
    ]


def batch_of_maps(explainer: Explainer, folder: Path, **options: Any) -> Path:
    """The folder of maps that a batch over the first 9 rows writes."""
    lines = TABLE.read_text().splitlines()[:10]
    (folder / "images").symlink_to(FOLDER / "images")
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    explain_dataset(explainer, folder / "data.csv", folder / "gradcam.csv", BatchOptions(cam_type="float32", **options))
    return folder / "gradcam" / "cam"


def assert_alike(one: Evaluation, name: str, other: Evaluation, other_name: str) -> None:
    for metric, score in one.scores[name].items():
        again = other.scores[other_name][metric]
        assert (again.mean, again.error) == pytest.approx((score.mean, score.error), rel=1e-4, abs=1e-6)
        assert again.count == score.count


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_maps_of_an_earlier_run_are_judged_as_the_explainer_is(explainer: Explainer, tmp_path: Path, kind: str) -> None:
    folder = batch_of_maps(Explainer(explainer.graph, batch_size=4), tmp_path, save_cam=kind)
    metrics = ("average-drop", "deletion", "pointing-game", "sparsity")
    options = EvaluationOptions(metrics=metrics, limit=9, steps=3)
    result = evaluate_dataset({"gradcam": explainer, "kept": folder}, TABLE, options)
    assert_alike(result, "gradcam", result, "kept")
    files, labels = first_rows(9)
    stack = np.stack([explanation.cam for explanation in explainer(files, labels)])
    np.save(tmp_path / "maps.npy", stack)
    np.savez(tmp_path / "maps.npz", **{str(i): cam for i, cam in enumerate(stack)})
    sources: dict[str, MapSource] = {"array": stack, "npy": tmp_path / "maps.npy", "npz": str(tmp_path / "maps.npz")}
    again = evaluate_dataset(sources, TABLE, options, model=explainer)
    for name in sources:
        assert_alike(result, "gradcam", again, name)


def first_rows(count: int) -> tuple[list[Path], list[int]]:
    files, labels, _ = evaluation(TABLE)
    return files[:count], [int(label) for label in labels[:count]]


def test_maps_of_the_inputs_size_cover_all_of_it(explainer: Explainer) -> None:
    files, labels = first_rows(3)
    inside = np.zeros((3, 64, 64))
    with TABLE.open(newline="") as file:
        for cam, row in zip(inside, csv.DictReader(file), strict=False):
            left, top, right, bottom = (int(row[f"box__{i}:{side}"]) for i, side in enumerate(
                ("left", "top", "right", "bottom")))  # fmt: skip
            cam[top:bottom, left:right] = 7
    table = [
        {"x": path, "y": label, **{f"box__{i}": value for i, value in enumerate(box)}}
        for path, label, box in zip(files, labels, boxes_of(inside), strict=True)
    ]
    options = EvaluationOptions(metrics=("energy-in-box", "pointing-game"), tolerance=0)
    scores = evaluate_dataset({"mine": inside}, table, options, model=explainer).scores["mine"]
    assert (scores["energy-in-box"].mean, scores["pointing-game"].mean) == pytest.approx((1, 1))


def boxes_of(masks: np.ndarray[Any, Any]) -> list[tuple[int, int, int, int]]:
    places = [np.argwhere(mask) for mask in masks]
    return [(*map(int, place.min(0)[::-1]), *map(int, place.max(0)[::-1] + 1)) for place in places]  # type: ignore[misc]


def test_what_asks_for_more_maps_has_no_value_for_maps_from_elsewhere(explainer: Explainer) -> None:
    maps = np.random.default_rng(0).random((2, 8, 8), np.float32)
    predicted = evaluate_dataset(
        {"mine": maps}, TABLE, EvaluationOptions(limit=2, steps=2, predicted=True), model=explainer
    )
    unknown = {name for name, score in predicted.scores["mine"].items() if not score.count}
    assert unknown == {"adcc", "sensitivity"}
    found = json.loads(json.dumps(predicted.to_dict(), allow_nan=False))
    assert found["rows"] == 2
    assert found["scores"]["mine"]["adcc"] == {"mean": None, "error": None, "count": 0}
    assert found["scores"]["mine"]["deletion"]["mean"] == predicted.scores["mine"]["deletion"].mean
    (_, (row,)) = evaluation_table(predicted)
    assert row[1 + [metric.name for metric in predicted.metrics].index("adcc")] == "-"
    options = EvaluationOptions(metrics=("sensitivity",), limit=2)
    with pytest.raises(
        WhylightError, match="'sensitivity' asks for maps of changed images, which 'mine' does not have"
    ):
        evaluate_dataset({"mine": maps}, TABLE, options, model=explainer)


def test_maps_that_do_not_fit_are_said(explainer: Explainer) -> None:
    for maps, message in (
        (np.zeros((2, 8, 8)), "row 3 (line 4): the maps: no map of this row: expected one named '2'"),
        (
            np.zeros((3, 65, 8)),
            "row 1 (line 2): the maps: map '0': 65 x 8: expected at most 64 x 64, the size of the mo",
        ),
        (np.full((3, 8, 8), np.nan), "row 1 (line 2): the maps: map '0': holds NaN"),
    ):
        with pytest.raises(WhylightError) as error:
            evaluate_dataset({"mine": maps}, TABLE, EvaluationOptions(limit=3), model=explainer)
        assert message in str(error.value)
    with pytest.raises(WhylightError, match="expected an explainer of the model too"):
        evaluate_dataset({"mine": np.zeros((2, 8, 8))}, TABLE)


def test_images_and_masks_in_memory(explainer: Explainer) -> None:
    files, labels = first_rows(3)
    masks = np.zeros((3, 64, 64), bool)
    masks[:, 10:30, 20:50] = True
    named = [(path, label, 20, 10, 50, 30) for path, label in zip(files, labels, strict=True)]
    columns = ("x", "y", "box__0", "box__1", "box__2", "box__3")
    held = [
        {"x": Image.open(path), "y": label, "mask": mask}
        for path, label, mask in zip(files, labels, masks, strict=True)
    ]
    options = EvaluationOptions(metrics=("energy-in-box", "pointing-game", "average-drop"))
    results = [
        evaluate_dataset({"gradcam": explainer}, table, options)
        for table in ([dict(zip(columns, row, strict=True)) for row in named], held)
    ]
    assert_alike(results[0], "gradcam", results[1], "gradcam")


def test_stopped_between_batches_nothing_is_left(explainer: Explainer, tmp_path: Path) -> None:
    done: list[int] = []

    def advance(count: int) -> None:
        done.append(count)
        if len(done) == 2:
            raise Cancelled("enough")

    threads = threading.active_count()
    options = EvaluationOptions(metrics=("sparsity",), per_image=tmp_path / "rows.csv")
    with pytest.raises(Cancelled):
        evaluate_dataset({"gradcam": Explainer(explainer.graph, batch_size=4)}, TABLE, options, advance)
    assert done == [4, 4]
    assert threading.active_count() <= threads
    assert list(tmp_path.iterdir()) == []


def test_the_network_is_opened_once(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    open_session = session.open_session

    def counted(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return open_session(*arguments, **options)

    monkeypatch.setattr(opened_graph, "open_session", counted)
    evaluated(Explainer(explainer.graph), metrics=("sparsity",), limit=3)
    assert len(opened) == 1


def test_a_tally_leaves_out_what_is_not_known() -> None:
    tally = Tally()
    for batch in (np.array([1.0, np.nan, 4.0]), np.array([7.0])):
        tally.add(batch)
    assert tally.score.count == 3
    assert tally.score.mean == pytest.approx(4)
    assert tally.score.error == pytest.approx(3 / np.sqrt(3))
    assert np.isnan(Tally().score.mean)
