"""The bench for hostile files: it makes files of every kind, and takes for a failure what is one."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from whylight.errors import WhylightError

RUN = Path(__file__).parents[1] / "fuzz" / "run.py"


@pytest.fixture(scope="module")
def bench() -> Any:
    spec = spec_from_file_location("fuzz_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["fuzz_run"] = module
    spec.loader.exec_module(module)
    return module


def test_files_of_all_kinds_are_made_and_used(tmp_path: Path) -> None:
    words = [sys.executable, str(RUN), "--cases", "30", "--processes", "1", "--keep", str(tmp_path / "kept")]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for kind in ("nnp", "onnx", "explainer", "image", "table", "run"):
        assert f"| {kind} |" in ran.stdout
    assert not (tmp_path / "kept").exists()


def raising(error: BaseException) -> Any:
    def call() -> None:
        raise error

    return call


class RawError(WhylightError):
    """An error whose message is as it is."""

    def __str__(self) -> str:
        return str(self.args[0])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (WhylightError("a\u3000b: no such file"), "refused"),
        (KeyError("planted"), "failed"),
        (MemoryError(), "failed"),
        (UnicodeEncodeError("utf-8", "a", 0, 1, "planted"), "failed"),
        (SystemExit(0), "failed"),
        (RawError("two\nlines"), "failed"),
        (RawError("two\u2028lines"), "failed"),
        (RawError("red \x1b[31m"), "failed"),
        (RawError("\udcff"), "failed"),
        (RawError("long " * 10_000), "failed"),
    ],
)
def test_only_one_line_of_whylights_own_is_a_refusal(bench: Any, error: BaseException, outcome: str) -> None:
    assert bench.outcome_of(raising(error))[0] == outcome


def test_what_fails_is_kept_and_what_takes_too_long_is_ended(bench: Any, tmp_path: Path) -> None:
    tally = bench.Tally()
    watched = bench.Watched(["nnp"], 0, 1, tally, tmp_path / "kept", tmp_path / "work")
    watched._ended("nnp", 7, "failed", "KeyError at read.py:1 read", "Traceback")
    assert {path.name for path in (tmp_path / "kept" / "nnp-7").iterdir()} >= {"failure.txt"}
    assert tally.failures == {("nnp", "KeyError at read.py:1 read"): [7]}
    watched.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    watched.begun, watched.watches = ("nnp", 8), 0
    watched.watch()
    assert watched.process.poll() is None
    watched.watches = 10_000
    watched.watch()
    assert watched.process.wait(20) != 0
    assert watched.reason == "took more than 60 s"
