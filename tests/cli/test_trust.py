"""The commands, from arguments to files."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samples import BUNDLED
from whylight.cli import main
from whylight.methods import methods

FOLDER = BUNDLED / "cluttered_digits"


def test_evaluate_writes_a_table_a_csv_and_a_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "e.csv"
    arguments = ["-i", str(FOLDER / "output_result.csv"), "-m", str(FOLDER / "results.nnp"), "-o", str(output)]
    chosen = ["--method", "gradcam,gradcam-nnc", "--metrics", "deletion,pointing-game", "--limit", "4", "--steps", "4"]
    assert main(["evaluate", *arguments, *chosen]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["method", "deletion", "↓", "pointing-game", "↑"]
    assert [row.split()[0] for row in rows[:2]] == ["gradcam", "gradcam-nnc"]
    assert "4 images" in rows[2]
    with output.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["method"], second["method"]) == ("gradcam", "gradcam-nnc")
    assert first["deletion_count"] == "4"
    assert f"{float(first['deletion']):.2f}" in rows[0]
    chart = np.asarray(Image.open(output.with_suffix(".png")).convert("RGB"))
    colors = {tuple(color) for color in chart.reshape(-1, 3)}
    assert {(0x1F, 0x5F, 0xBF), (0xE8, 0x70, 0x0A)} <= colors


def test_all_methods_are_those_that_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    registered = methods()
    some = {name: registered[name] for name in ("gradcam", "legrad")}
    monkeypatch.setattr(sys.modules["whylight.methods"], "methods", lambda: some)
    arguments = ["-i", str(FOLDER / "output_result.csv"), "-m", str(FOLDER / "results.nnp")]
    chosen = ["--method", "all", "--metrics", "sparsity", "--limit", "2", "-o", str(tmp_path / "e.csv")]
    assert main(["evaluate", *arguments, *chosen]) == 0
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()[1:2]] == ["gradcam"]
    assert "legrad is left out: " in said.err
    chosen[1] = "gradcam,legrad"
    assert main(["evaluate", *arguments, *chosen]) == 2


def test_sanity_says_in_one_line_and_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "s.csv"
    images = [str(FOLDER / "images" / f"000{i}.png") for i in range(3)]
    arguments = [str(FOLDER / "results.nnp"), "-o", str(output), "--image", *images]
    assert main(["sanity", *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("gradcam: passes (correlation ")
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["randomized"] for row in rows] == ["unchanged", *["cascading"] * 5, *["independent"] * 5, "edges"]
    assert {row["passes"] for row in rows} == {"yes"}
    assert Image.open(output.with_suffix(".png")).size[0] > 600


def test_the_control_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = BUNDLED / "mnist" / "results.nnp"
    assert main(["sanity", str(model), "--method", "random", "-o", str(tmp_path / "s.csv")]) == 1
    assert "random: fails: its maps hardly depend on the model's weights" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--method", "gradcm"], "no method 'gradcm'; the nearest are 'gradcam'"),
        (["evaluate", "--method", "gradcam", "--metrics", "a,,b"], "'a,,b': expected names with commas"),
        (["evaluate", "--method", "gradcam", "--metrics", "inserton"], "no metric 'inserton'; the nearest are"),
        (["evaluate", "--method", ""], "no method is named"),
    ],
)
def test_names_that_are_not_there(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["-m", str(FOLDER / "results.nnp"), "-i", str(FOLDER / "output_result.csv")]
    assert main([*arguments, *model]) == 2
    assert message in capsys.readouterr().err
