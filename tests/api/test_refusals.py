"""Whatever a program gives to the front desk is taken, or refused by one `WhylightError` of one line."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import whylight
from samples import BUNDLED

MNIST = BUNDLED / "mnist"
MODEL, TABLE, IMAGE = MNIST / "results.nnp", MNIST / "output_result.csv", MNIST / "images" / "0000.png"
CLASSIFIER = whylight.load(MODEL)
EXPLAINER = whylight.explainer(CLASSIFIER, device="cpu")
EVALUATED: dict[str, Any] = {"metrics": "sparsity", "limit": 1, "methods": "gradcam"}

ODD: list[Any] = [
    *(None, True, 3, -1, 1.5, float("nan"), "", "none", b"", b"bytes", "a\0b", Path("none"), Path("a\0b"), Path("/")),
    *([], (), {}, {"a": 1}, ("x",), [None], [[1]], object(), int, len, np.zeros(3), np.zeros((0, 0)), np.float32(2)),
]

TAKING: dict[str, Callable[[Any], Any]] = {
    "load": whylight.load,
    "load, parameters": lambda odd: whylight.load(MODEL, odd),
    "load, options": lambda odd: whylight.load(MODEL, None, odd),
    **{
        f"load, {name}": lambda odd, name=name: whylight.load(MODEL, **{name: odd})  # type: ignore[misc]
        for name in whylight.ModelOptions.arguments()
    },
    "inspect": whylight.inspect,
    "convert": whylight.convert,
    "save_model": lambda odd: whylight.save_model(whylight.convert(MODEL), odd),
    "compile": whylight.compile,
    "compile, method": lambda odd: whylight.compile(CLASSIFIER, odd),
    **{
        f"compile, {name}": lambda odd, name=name: whylight.compile(CLASSIFIER, **{name: odd})  # type: ignore[misc]
        for name in whylight.Question.arguments()
    },
    "explainer, method": lambda odd: whylight.explainer(MODEL, odd),
    **{
        f"explainer, {name}": lambda odd, name=name: whylight.explainer(CLASSIFIER, **{name: odd})  # type: ignore[misc]
        for name in whylight.Execution.arguments()
    },
    "Explainer": whylight.Explainer,
    "explain, image": EXPLAINER,
    "explain, class index": lambda odd: EXPLAINER(IMAGE, odd),
    "explain, images": lambda odd: EXPLAINER([IMAGE, odd]),
    "explain, class indices": lambda odd: EXPLAINER([IMAGE, IMAGE], odd),
    "stream": lambda odd: list(EXPLAINER.stream(odd)),
    "stream, row": lambda odd: list(EXPLAINER.stream([odd])),
    "overlay": lambda odd: EXPLAINER(IMAGE).overlay(odd),
    **{
        f"overlay, {name}": lambda odd, name=name: EXPLAINER(IMAGE).overlay(**{name: odd})  # type: ignore[misc]
        for name in whylight.Rendering.arguments()
    },
    "save": lambda odd: EXPLAINER(IMAGE).save(odd),
    "compare, image": lambda odd: whylight.compare(CLASSIFIER, odd, methods="gradcam"),
    "compare, methods": lambda odd: whylight.compare(CLASSIFIER, IMAGE, methods=odd),
    "open_dataset": lambda odd: list(whylight.open_dataset(odd).rows()),
    "explain_dataset, table": lambda odd: whylight.explain_dataset(EXPLAINER, odd, "gradcam.csv"),
    "explain_dataset, output": lambda odd: whylight.explain_dataset(EXPLAINER, TABLE, odd),
    **{
        f"explain_dataset, {name}": lambda odd, name=name: whylight.explain_dataset(  # type: ignore[misc]
            EXPLAINER, TABLE, "gradcam.csv", **{name: odd}
        )
        for name in whylight.BatchOptions.arguments()
        if name not in ("engine", "workers")  # which would start processes
    },
    "evaluate_dataset, table": lambda odd: whylight.evaluate_dataset(MODEL, odd, **EVALUATED),
    "evaluate_dataset, maps": lambda odd: whylight.evaluate_dataset(MODEL, TABLE, **EVALUATED, maps={"mine": odd}),
    "evaluate_dataset, output": lambda odd: whylight.evaluate_dataset(MODEL, TABLE, **EVALUATED, output=odd),
    **{
        f"evaluate_dataset, {name}": lambda odd, name=name: whylight.evaluate_dataset(  # type: ignore[misc]
            MODEL, TABLE, **{**EVALUATED, name: odd}
        )
        for name in ("methods", "limit", "steps", "tolerance", "box_variable", "per_image", "predicted")
    },
    "check_sanity, methods": lambda odd: whylight.check_sanity(CLASSIFIER, methods=odd),
    "check_sanity, images": lambda odd: whylight.check_sanity(CLASSIFIER, methods="gradcan", images=odd),
    "write_report, table": lambda odd: whylight.write_report(odd, "report.html"),
    "write_report, output": lambda odd: whylight.write_report("none.csv", odd),
    "read_labels": whylight.read_labels,
}


@pytest.mark.parametrize("name", TAKING)
def test_it_is_taken_or_refused_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for odd in ODD:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = TAKING[name](odd)
            except whylight.WhylightError as error:
                said = str(error)
                assert said.isprintable(), f"{name}, {odd!r}: {said!r}"
            except Exception as error:
                raise AssertionError(f"{name}, {odd!r}: {type(error).__name__}: {error}") from error
            else:
                if hasattr(found, "to_dict"):
                    json.dumps(found.to_dict(), allow_nan=False)
