"""Options: values are parsed and checked where they are made, whoever gives them."""

import re
from pathlib import Path

import pytest

import whylight
from whylight.errors import WhylightError
from whylight.options import Chosen, Execution, ModelOptions, Question, Rendering


@pytest.mark.parametrize("given", ["255", 255, 255.0])
def test_a_range_is_taken_as_text_and_as_a_number(given: str | float) -> None:
    assert ModelOptions(input_range=given).input_range == "255"  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "expected"), [("0.5,0.25", (0.5, 0.25)), (0.5, (0.5,)), ([1, 2], (1.0, 2.0))])
def test_means_are_taken_as_text_numbers_and_lists(given: object, expected: tuple[float, ...]) -> None:
    assert ModelOptions(mean=given).mean == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "expected"), [("64x32", (64, 32)), (128, (128,)), ((8, 9, 10), (8, 9, 10))])
def test_sizes_are_taken_as_text_numbers_and_tuples(given: object, expected: tuple[int, ...]) -> None:
    assert ModelOptions(input_size=given).input_size == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "expected"), [("1024", 1024), (512, 512), ("input", "input"), (None, "original")])
def test_overlays_have_a_size_by_name_or_in_pixels(given: object, expected: str | int) -> None:
    assert Rendering(size=given).size == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (ModelOptions, {"input_range": "7"}, "no input range '7': expected one of auto, 1, 255"),
        (ModelOptions, {"layout": "NWHC"}, "no layout 'NWHC': expected one of auto, NCHW"),
        (ModelOptions, {"mean": "a"}, "mean 'a': expected numbers with commas between them"),
        (ModelOptions, {"input_size": (0, 4)}, "input size .0, 4.: expected whole numbers above 0"),
        (ModelOptions, {"input_size": 1.5}, "input size 1.5: expected whole numbers above 0"),
        (Question, {"score": "loss"}, "no score 'loss': expected one of logit, output"),
        (Question, {"against": " "}, "against ' ': expected a whole number, a class's name or 'predicted'"),
        (ModelOptions, {"labels": [1, 2]}, "expected a file with one class name a line, 'imagenet', or the names"),
        (Question, {"layer": object}, "layer <class 'object'>: expected a name or several, found type"),
        (Question, {"layer": []}, r"layer \[\]: expected a name or several"),
        (Rendering, {"alpha": 1.5}, "alpha 1.5: expected a number from 0 to 1"),
        (Rendering, {"colormap": "pink"}, "no colormap 'pink': expected one of jet"),
        (Rendering, {"size": "large"}, "size 'large': expected original, input, or pixels from 1 to 16384"),
        (Rendering, {"size": 0}, "size 0: expected original, input, or pixels from 1 to 16384"),
        (Rendering, {"size": "20000"}, "size 20000: expected original, input, or pixels from 1 to 16384"),
        (Execution, {"device": "tpu"}, "no device 'tpu': expected one of auto, cuda"),
        (Execution, {"threads": 0}, "threads 0: expected 1 or more"),
        (Execution, {"batch_size": "many"}, "batch size 'many': expected 1 or more"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(kind: type, values: dict[str, object], message: str) -> None:
    with pytest.raises(WhylightError, match=message) as caught:
        kind(**values)
    assert "\n" not in str(caught.value)


def test_objects_and_fields_are_sorted_by_kind() -> None:
    chosen = Chosen((Question(layer="conv5"),), {"device": "cpu", "smooth": True}, Question, Execution)
    assert chosen[Question] == Question(layer="conv5", smooth=True)
    assert chosen[Execution] == Execution(device="cpu")


def test_an_option_that_is_not_taken_is_refused_with_the_nearest() -> None:
    with pytest.raises(WhylightError, match="no option 'colourmap'; the nearest are 'colormap'"):
        Chosen((), {"colourmap": "jet"}, Rendering)
    with pytest.raises(WhylightError, match="found Execution among the options: expected Question, or fields"):
        Chosen((Execution(),), {}, Question)


def test_messages_name_options_as_python_and_the_command_line_both_do() -> None:
    source = Path(whylight.__file__ or "").parent
    for path in source.rglob("*.py"):
        if "cli" not in path.parts and path.name not in ("options.py", "command_line.py"):
            said = [line for line in path.read_text("utf-8").splitlines() if re.search(r"[\"' (]--[a-z{]", line)]
            assert not [line for line in said if "``" not in line], f"{path}: {said}"
