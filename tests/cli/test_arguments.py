"""Arguments are made of options' fields: one vocabulary, written once."""

import argparse
import json
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path

import pytest

import whylight
from samples import BUNDLED
from whylight import cli
from whylight.cli import dataset, explain, main, models, trust, upkeep
from whylight.cli.command import Command
from whylight.options import Execution, ModelOptions, Options, Question, Rendering, option

MNIST = BUNDLED / "mnist"
COMMANDS = [*chain.from_iterable(module.COMMANDS for module in (explain, dataset, trust, models, upkeep))]
TAKING = [(command, kind) for command in COMMANDS for kind in command.options]


def parser_of(name: str) -> argparse.ArgumentParser:
    (subparsers,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
    parser = subparsers.choices[name]
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


@pytest.mark.parametrize(("command", "kind"), TAKING, ids=lambda each: getattr(each, "name", None) or each.__name__)
def test_every_field_is_an_argument_of_every_command_that_takes_it(command: Command, kind: type[Options]) -> None:
    actions = {flag: action for action in parser_of(command.name)._actions for flag in action.option_strings}
    for each in fields(kind):
        argument, action = kind.arguments()[each.name], actions[f"--{each.name}"]
        assert (action.dest, action.default, action.help) == (each.name, each.default, argument.help)
        assert action.choices == argument.choices
        assert set(argument.flags) <= set(action.option_strings)


def test_what_takes_several_words_may_be_given_several_times() -> None:
    words = ["--fix", "a=1", "--layer", "A", "B", "--fix", "b=2", "c=3", "--layer", "C"]
    found = parser_of("gradcam").parse_args(["image.png", *words])
    assert (found.fix, found.layer) == (["a=1", "b=2", "c=3"], ["A", "B", "C"])


def test_each_of_the_four_is_taken_somewhere() -> None:
    assert {ModelOptions, Question, Execution, Rendering} <= {kind for _, kind in TAKING}


ADDED = {
    ModelOptions: "gradcam",
    Question: "compile",
    Execution: "gradcam-batch",
    Rendering: "compare",
}


@pytest.mark.parametrize("kind", ADDED)
def test_a_new_field_is_in_the_help_in_python_and_in_the_answer(
    kind: type[Options], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    @dataclass(frozen=True)
    class More(kind):  # type: ignore[misc, valid-type]
        loudness: str = option("soft", "how loud the answer is", choices=("soft", "loud"))

    for module in (explain, dataset, trust, models):
        changed = [
            replace(command, options=tuple(More if each is kind else each for each in command.options))
            for command in module.COMMANDS
        ]
        monkeypatch.setattr(module, "COMMANDS", changed)
    monkeypatch.chdir(tmp_path)
    image, name = str(MNIST / "images" / "0000.png"), ADDED[kind]
    words = {
        "gradcam": ["gradcam", "--model", str(MNIST / "results.nnp"), "--image", image],
        "compile": ["compile", str(MNIST / "results.nnp")],
        "gradcam-batch": [
            *("gradcam-batch", "--model", str(MNIST / "results.nnp")),
            *("--input", str(MNIST / "output_result.csv")),
        ],
        "compare": ["compare", str(MNIST / "results.nnp"), image, "--method", "gradcam"],
    }[name]
    with pytest.raises(SystemExit):
        main([name, "-h"])
    assert "--loudness {soft,loud}" in capsys.readouterr().out
    loudness = "soft" if kind is ModelOptions else "loud"  # a reader refuses what its format does not know
    assert main([*words, "--loudness", loudness, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["loudness"] == loudness
    more = whylight.Execution.of(More(), loudness="loud") if kind is Execution else More(loudness="loud")
    assert more.to_dict()["loudness"] == "loud"
    if kind is ModelOptions:
        whylight.load(MNIST / "results.nnp", None, more, loudness="soft")
    if kind is Question:
        whylight.compile(MNIST / "results.nnp", "gradcam", more, loudness="soft")


def test_a_field_that_is_true_by_default_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path / "cache"))
    words = ["gradcam", "--model", str(MNIST / "results.nnp"), "--image", str(MNIST / "images" / "0000.png"), "--json"]
    assert main([*words, "--no-cache"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["cache"] is False
    assert not (tmp_path / "cache").exists()
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["options"]["cache"] is True
    assert (tmp_path / "cache").exists()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_answers_in_json(command: Command) -> None:
    assert any("--json" in action.option_strings for action in parser_of(command.name)._actions)
