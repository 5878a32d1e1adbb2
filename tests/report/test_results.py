"""What a row says: its classes, its confidence, its files, its error; and what all rows count."""

from pathlib import Path

import numpy as np
import pytest

import whylight
from report.tables import digits_result, state_facts, write_table
from samples import BUNDLED, evaluation
from whylight.contract import Origin
from whylight.errors import WhylightError, WhylightWarning
from whylight.report.page import write_report
from whylight.report.results import Entry, Results, open_results


def results(path: Path, labels: list[str] | None = None) -> Results:
    return open_results(path, "x", "y", labels)


def entries(path: Path) -> list[Entry]:
    return list(results(path).entries())


def decisions(path: Path) -> list[tuple[int | None, float | None]]:
    return [(entry.predicted, entry.confidence) for entry in entries(path)]


# ---- predictions and counts


def test_digits_are_judged_as_numpy_judges_them(tmp_path: Path) -> None:
    _, labels, outputs = evaluation(BUNDLED / "mnist" / "output_result.csv")
    found = entries(digits_result(tmp_path))
    assert [entry.truth for entry in found] == labels.tolist()
    assert [entry.predicted for entry in found] == outputs.argmax(1).tolist()
    np.testing.assert_allclose([entry.confidence or 0 for entry in found], outputs.max(1))


def test_counts_and_confusions(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    truths, outputs = random.integers(0, 4, 200), random.dirichlet(np.ones(4), 200)
    rows = [["overlay.png", "x.png", truth, *values] for truth, values in zip(truths, outputs, strict=True)]
    rows[3][0] = ""
    table = write_table(tmp_path, "gradcam,x,y,y'__0,y'__1,y'__2,y'__3", rows)
    summary = write_report(table, tmp_path / "report.html")
    predicted = outputs.argmax(1)
    matrix = np.zeros((4, 4), int)
    np.add.at(matrix, (truths, predicted), 1)
    assert summary.confusions == {place: matrix[place] for place in np.ndindex(4, 4) if matrix[place]}
    assert (summary.rows, summary.explained, summary.errors) == (200, 199, 0)
    assert (summary.right, summary.wrong) == (np.trace(matrix), 200 - np.trace(matrix))
    assert summary.accuracy == pytest.approx((truths == predicted).mean())


def test_one_output_tells_two_classes_apart(tmp_path: Path) -> None:
    table = write_table(tmp_path, "gradcam,x,y,y'", [["", "", 0, 0.25], ["", "", 1, 0.75], ["", "", 1, 0.5]])
    assert decisions(table) == [(0, 0.75), (1, 0.75), (0, 0.5)]


def test_predicted_and_probability_where_there_are_no_outputs(tmp_path: Path) -> None:
    table = write_table(tmp_path, "gradcam,x,y,predicted,probability", [["", "", 3, 3, 0.5], ["", "", 0, "", ""]])
    assert decisions(table) == [(3, 0.5), (None, None)]
    assert decisions(write_table(tmp_path, "gradcam,x,y,predicted", [["", "", 0, 3]])) == [(3, None)]


def test_a_probability_of_another_class_is_no_confidence(tmp_path: Path) -> None:
    rows = [["", "", 3, 3, 0.4, 1], ["", "", 0, 3, 0.4, 1], ["", "", 0, 3, 0.4, 2]]
    table = write_table(tmp_path, "gradcam,x,y,predicted,probability,rank", rows)
    assert decisions(table) == [(3, 0.4), (3, 0.4), (3, None)]
    rows = [["", "", 3, 3, 0.4], ["", "", 0, 3, 0.6], ["", "", 0, 3, 0.4], ["", "", "", 3, 0.4]]
    table = write_table(tmp_path, "gradcam,x,y,predicted,probability", rows)
    assert decisions(table) == [(3, 0.4), (3, 0.6), (3, None), (3, 0.4)]


def test_the_output_may_have_another_name(tmp_path: Path) -> None:
    header = "gradcam,x,y,box__0,box__1,box__2,box__3,out__0,out__1"
    assert decisions(write_table(tmp_path, header, [["", "", 0, 10, 20, 30, 40, 0.2, 0.8]])) == [(1, 0.8)]


def test_a_vector_that_is_no_softmax_is_no_output(tmp_path: Path) -> None:
    table = write_table(tmp_path, "gradcam,x,y,box__0,box__1", [["", "", 0, 10, 20]])
    assert decisions(table) == [(None, None)]
    summary = write_report(table, tmp_path / "report.html")
    assert summary.accuracy is None
    assert (summary.right, summary.wrong) == (0, 0)


def test_the_output_has_as_many_columns_as_classes(tmp_path: Path) -> None:
    header = "gradcam,x,y__0,y__1,long__0,long__1,long__2,out__0,out__1"
    table = write_table(tmp_path, header, [["", "", 1, 0, 0.2, 0.2, 0.6, 0.9, 0.1]])
    assert decisions(table) == [(0, 0.9)]


@pytest.mark.parametrize("value", ["nan", "inf", "", "many"])
def test_outputs_that_are_no_numbers_predict_nothing(tmp_path: Path, value: str) -> None:
    table = write_table(tmp_path, "gradcam,x,y,y'__0,y'__1", [["", "", 0, 0.5, value]])
    assert decisions(table) == [(None, None)]


# ---- truth, names, files, errors


def test_truth_from_an_index_a_vector_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "label.csv").write_text("0,0,1\n")
    table = write_table(tmp_path, "gradcam,x,y", [["", "", 7], ["", "", "label.csv"], ["", "", ""]])
    assert [entry.truth for entry in entries(table)] == [7, 2, None]
    table = write_table(tmp_path, "gradcam,x,y__0,y__1", [["", "", 0, 1], ["", "", "", ""]])
    assert [entry.truth for entry in entries(table)] == [1, None]


def test_names_are_given_or_stated_by_headers(tmp_path: Path) -> None:
    table = write_table(tmp_path, "gradcam,x,y,y'__0:cat,y'__1:dog", [])
    assert results(table).names == ["cat", "dog"]
    assert results(table, ["a", "b"]).names == ["a", "b"]
    assert results(write_table(tmp_path, "gradcam,x,y__0:owl,y__1:elk,y'__0,y'__1", [])).names == ["owl", "elk"]
    assert results(write_table(tmp_path, "gradcam,x,y,y'__0:label,y'__1:label", [])).names == []


def test_a_name_that_occurs_twice_gets_its_index(tmp_path: Path) -> None:
    table = write_table(tmp_path, "gradcam,x,y", [])
    assert results(table, ["crane", "owl", "crane"]).names == ["crane (0)", "owl", "crane (2)"]


def test_files_are_relative_to_the_csv(tmp_path: Path) -> None:
    (entry,) = entries(write_table(tmp_path, "gradcam,x,y", [["gradcam/0000/0.png", r"images\a.png", 0]]))
    assert (entry.overlay, entry.image) == (tmp_path / "gradcam/0000/0.png", tmp_path / "images/a.png")
    (entry,) = entries(write_table(tmp_path, "gradcam,x,y", [["", " ", 0]]))
    assert (entry.overlay, entry.image) == (None, None)


def test_errors_are_the_csvs_own_or_say_what_cannot_be_read(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["", "x.png", 1, "no such file"],
        ["", "x.png", "cat", ""],
        ["", "x.png"],
        ["o.png", "x.png", 1, ""],
    ]
    told, unreadable, cut, good = entries(write_table(tmp_path, "gradcam,x,y,error", rows))
    assert (told.error, told.truth) == ("no such file", 1)
    assert "row 2 (line 3), column 'y': 'cat' is not a class index" in unreadable.error
    assert cut == Entry(error="row 3 (line 4): 2 cells, the header has 4")
    assert good.error == ""


# ---- what is refused


def test_it_must_be_a_result_of_gradcam_batch(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"no column 'gradcam': expected the CSV that 'whylight gradcam-batch'"):
        results(write_table(tmp_path, "x,y", []))
    with pytest.raises(WhylightError, match="no such file"):
        results(tmp_path / "missing.csv")


def test_it_must_have_the_image_in_one_column(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"no variable 'x'; it has: gradcam, z, y"):
        results(write_table(tmp_path, "gradcam,z,y", []))
    with pytest.raises(WhylightError, match=r"variable 'x' has 2 columns: expected one image column"):
        results(write_table(tmp_path, "gradcam,x__0,x__1,y", []))


def test_without_labels_it_warns_and_goes_on(tmp_path: Path) -> None:
    table = write_table(tmp_path, "gradcam,x,y'", [["", "", 0.9]])
    with pytest.warns(WhylightWarning, match="no variable 'y'"):
        (entry,) = entries(table)
    assert (entry.truth, entry.predicted) == (None, 1)


# ---- which class is explained


ROWS = [["o/0/0.png", "a.png", 3, 9, ""], ["o/0/1.png", "a.png", 9, 9, "2"], ["o/0/2.png", "a.png", "", 9, "predicted"]]


@pytest.mark.parametrize(
    ("origin", "variable", "expected"),
    [("label", "y", [3, 9, 9]), ("predicted", None, [9, 9, 9]), ("asked", "class", [9, 2, 9])],
)
def test_the_explained_class_is_what_the_run_says(
    tmp_path: Path, origin: Origin, variable: str | None, expected: list[int]
) -> None:
    path = write_table(tmp_path, "gradcam,x,y,predicted,class", ROWS)
    assert [entry.explained for entry in entries(path)] == [None] * 3
    (tmp_path / "o").mkdir()
    state_facts(tmp_path / "o", origin, variable, ["zero", "one"])
    assert [entry.explained for entry in entries(path)] == expected
    assert results(path).names == ["zero", "one"]
    assert results(path, ["none", "eins"]).names == ["none", "eins"]


def test_no_warning_where_the_run_knew_of_no_labels(tmp_path: Path) -> None:
    path = write_table(tmp_path, "gradcam,x,predicted", [["o/0/0.png", "a.png", 9]])
    with pytest.warns(WhylightWarning, match="no variable 'y'"):
        entries(path)
    (tmp_path / "o").mkdir()
    state_facts(tmp_path / "o", "predicted", None)
    assert [entry.explained for entry in entries(path)] == [9]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"origin": "me"}'])
def test_facts_that_are_damaged_are_said(tmp_path: Path, text: str) -> None:
    path = write_table(tmp_path, "gradcam,x,y,predicted,class", ROWS)
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "explained.json").write_text(text)
    with pytest.raises(WhylightError, match=r"explained\.json: damaged: run gradcam-batch again, or remove it"):
        entries(path)


@pytest.mark.parametrize("predicted", [False, True])
def test_a_run_says_what_it_explains(tmp_path: Path, predicted: bool) -> None:
    """The bundled digits with a wrong label: the overlay of the label, or that of the predicted class."""
    images, labels, _ = evaluation(BUNDLED / "mnist" / "output_result.csv")
    table = [(images[0], int(labels[0])), (images[1], (int(labels[1]) + 1) % 10)]
    whylight.explain_dataset(
        BUNDLED / "mnist" / "results.nnp",
        table,
        tmp_path / "gradcam.csv",
        predicted=predicted,
        columns="predicted",
        cache=False,
    )
    found = results(tmp_path / "gradcam.csv")
    assert found.facts is not None
    assert (found.facts.origin, found.facts.method, found.facts.model) == (
        "predicted" if predicted else "label",
        "gradcam",
        "results.nnp",
    )
    second = [*found.entries()][1]
    assert (second.truth, second.predicted) == (table[1][1], labels[1])
    assert second.explained == (labels[1] if predicted else table[1][1])
