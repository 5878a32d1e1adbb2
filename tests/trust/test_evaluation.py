"""Evaluation of a dataset against the metrics of each row, computed alone."""

import csv
from pathlib import Path

import numpy as np
import pytest

from samples import BUNDLED, evaluation, pixels
from whylight import load
from whylight.errors import WhylightError
from whylight.running.explainer import Explainer
from whylight.trust.evaluation import Evaluation, EvaluationPlan, evaluate_dataset
from whylight.trust.metrics import metrics
from whylight.trust.tally import Tally

FOLDER = BUNDLED / "cluttered_digits"
TABLE = FOLDER / "output_result.csv"


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return load(FOLDER / "results.nnp").explainer()


def evaluated(explainer: Explainer, plan: EvaluationPlan) -> Evaluation:
    return evaluate_dataset({"gradcam": explainer}, plan)


def test_means_errors_and_values_of_rows(explainer: Explainer, tmp_path: Path) -> None:
    per_image = tmp_path / "rows.csv"
    names = ("average-drop", "energy-in-box", "pointing-game", "deletion")
    plan = EvaluationPlan(TABLE, names, limit=7, batch_size=3, steps=4, tolerance=0, per_image=per_image)
    result = evaluated(explainer, plan)
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
        evaluated(explainer, EvaluationPlan(TABLE, limit=4, steps=3, batch_size=size, threads=threads))
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
    label = evaluated(explainer, EvaluationPlan(table, steps=2))
    assert not {"pointing-game", "box-iou"} & set(label.scores["gradcam"])
    predicted = evaluated(explainer, EvaluationPlan(table, label_variable=None, steps=2))
    probability = [result.curves["gradcam"]["deletion"][1][0] for result in (label, predicted)]
    row = outputs[wrong]
    np.testing.assert_allclose(probability, [row[labels[wrong]], row.max()], atol=1e-3)


def test_a_metric_that_needs_boxes_says_so(explainer: Explainer, tmp_path: Path) -> None:
    table = tmp_path / "data.csv"
    table.write_text("x,y\na.png,0\n")
    with pytest.raises(WhylightError, match="'box-iou' needs to know where the object is"):
        evaluated(explainer, EvaluationPlan(table, ("box-iou",)))
    with pytest.raises(WhylightError, match="no metric 'insertoin'; the nearest are 'insertion'"):
        evaluated(explainer, EvaluationPlan(table, ("insertoin",)))
    with pytest.raises(WhylightError, match="row 1"):
        evaluated(explainer, EvaluationPlan(table, ("deletion",)))
    with pytest.raises(WhylightError, match="expected 1 or more"):
        evaluated(explainer, EvaluationPlan(table, limit=0))


def test_a_tally_leaves_out_what_is_not_known() -> None:
    tally = Tally()
    for batch in (np.array([1.0, np.nan, 4.0]), np.array([7.0])):
        tally.add(batch)
    assert tally.score.count == 3
    assert tally.score.mean == pytest.approx(4)
    assert tally.score.error == pytest.approx(3 / np.sqrt(3))
    assert np.isnan(Tally().score.mean)
