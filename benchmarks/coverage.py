"""Grad-CAM and derivatives on a model of every family in timm: whylight against PyTorch's autograd.

    python benchmarks/coverage.py PEERS_PYTHON [--folder FOLDER] [--families NAME ...] [--again] [--table FILE]

PEERS_PYTHON is the Python of an environment made as `requirements-peers.txt` says. There `peers/timm_models.py` takes
of every module of ``timm.models`` the model with the fewest parameters, gives it random weights and exports it. Here
the file is loaded and explained with no option. Compared with PyTorch, as the largest difference by the largest value:
the Grad-CAM map, and the derivative of the class score with respect to an early, a middle and the last layer and to the
image. Files and results stay in the folder; what is there is not done again, unless ``--again`` says so (the exported
models stay even then).

A derivative jumps where a ReLU or the maximum of a window switches, and rounding decides on which side a value falls.
So PyTorch differentiates at the point that ONNX Runtime has reached: it takes over the values that switches read.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from explained import PLACES, errors_of, explain

import whylight

TOLERANCE = 1e-3
EXPORT_SECONDS, SECONDS = 600, 400
PEERS_SCRIPT = Path(__file__).parent / "peers" / "timm_models.py"


def main() -> None:
    if sys.argv[1:2] == ["explain"]:
        explain(whylight.load(Path(sys.argv[2]) / "model.onnx"), Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers_python", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/timm"))
    parser.add_argument("--families", nargs="*")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    listed = arguments.folder / "list.json"
    if not listed.exists():
        listed.write_text(_run([arguments.peers_python, PEERS_SCRIPT, "list"], seconds=1200))
    families = json.loads(listed.read_text())
    chosen = sorted(arguments.families or families, key=lambda name: float(families[name]["parameters"]))

    def result(family: str) -> dict[str, Any]:
        folder = arguments.folder / family
        file = folder / "result.json"
        if arguments.again or not file.exists():
            found = {
                "family": family,
                **families[family],
                **_compared(arguments.peers_python, folder, families[family]),
            }
            file.write_text(json.dumps(found))
        row: dict[str, Any] = json.loads(file.read_text().replace(f"{folder}/", ""))
        print(_line(row), flush=True)
        return row

    with ThreadPoolExecutor(2) as pool:
        rows = sorted(pool.map(result, chosen), key=lambda row: str(row["family"]))
    text = _document(rows)
    print(text.split("\n\n")[2])
    if arguments.table:
        arguments.table.write_text(text, encoding="utf-8")


def _compared(python: Path, folder: Path, family: dict[str, Any]) -> dict[str, Any]:
    """The errors of the map and of the derivatives, or the reason why there are none."""
    folder.mkdir(exist_ok=True)
    try:
        if not (folder / "model.pt2").exists():
            _run([python, PEERS_SCRIPT, "export", family["model"], folder], EXPORT_SECONDS)
    except RuntimeError as error:
        return {"reason": f"not exported by PyTorch: {error}"}
    errors: dict[str, float] = {}
    facts: dict[str, Any] = {}
    try:
        _run([sys.executable, __file__, "explain", folder], SECONDS)
        facts = json.loads((folder / "facts.json").read_text())
        _run([python, PEERS_SCRIPT, "differentiate", folder], SECONDS)
        errors = errors_of(folder)
    except RuntimeError as error:
        return {"layer": facts.get("layer", ""), "errors": errors, "reason": str(error)}
    finally:
        (folder / "points.npz").unlink(missing_ok=True)
    missing = [place for place in ("map", *PLACES) if place not in errors]
    reason = f"not in the exported program: {', '.join(missing)}" if missing else ""
    return {"layer": facts["layer"], "errors": errors, "reason": reason}


def _run(command: list[Any], seconds: float) -> str:
    """The output of a command on one thread; its last line of errors where it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=environment,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took more than {seconds:.0f} s") from None
    except subprocess.CalledProcessError as error:
        if error.returncode < 0:
            raise RuntimeError(
                f"ended by {signal.Signals(-error.returncode).name}, perhaps for want of memory"
            ) from None
        lines = [line for line in error.stderr.splitlines() if line.strip()] or [f"ended with {error.returncode}"]
        raise RuntimeError(lines[-1][:300]) from None
    return done.stdout


def _passes(row: dict[str, Any], places: tuple[str, ...]) -> bool:
    return all(row.get("errors", {}).get(place, 1) <= TOLERANCE for place in places)


def _line(row: dict[str, Any]) -> str:
    numbers = [f"{row['errors'][place]:.0e}" if place in row.get("errors", {}) else "" for place in ("map", *PLACES)]
    reason = row.get("reason", "").replace("|", "/").replace("\n", " ")
    return f"| {row['family']} | {row['model']} | {row.get('layer', '')} | {' | '.join(numbers)} | {reason} |"


def _document(rows: list[dict[str, Any]]) -> str:
    """The table and what it comes to."""
    maps = sum(_passes(row, ("map",)) for row in rows)
    derivatives = sum(_passes(row, PLACES) for row in rows)
    heads = ["family", "model", "layer", "map", *PLACES, "what is missing"]
    return "\n".join(
        [
            "# Architectures",
            "",
            "Made by `benchmarks/coverage.py`, which says what is compared. Numbers are the largest difference from",
            "PyTorch's autograd by the largest value; the layer is the one that whylight chose.",
            "",
            f"Grad-CAM with no option equals PyTorch's to {TOLERANCE:.0e} on {maps} of {len(rows)} families "
            f"({maps / len(rows):.1%}), all four derivatives on {derivatives} ({derivatives / len(rows):.1%}).",
            "",
            f"| {' | '.join(heads)} |",
            f"|{' --- |' * len(heads)}",
            *map(_line, rows),
            "",
        ]
    )


if __name__ == "__main__":
    main()
