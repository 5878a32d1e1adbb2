"""Grad-CAM where nothing is said, on models of many sources: is it right, and is it taken at the right layer?

    python benchmarks/coverage.py SOURCE PYTHON [--folder FOLDER] [--models NAME ...] [--again] [--minutes NUMBER]
    python benchmarks/coverage.py table [--folder FOLDER] [--table FILE]

SOURCE is one of `SOURCES`, PYTHON the Python of an environment made for it as `requirements-peers.txt` says: there
``peers/SOURCE_models.py`` lists models with random weights and exports them. Here each file is loaded and explained
with no option, by `explained.py`. Two things are looked at:

- **The derivative.** Compared with autograd, as the largest difference by the largest value: the Grad-CAM map, and the
  derivative of the class score with respect to an early, a middle and the last layer and to the image. Where PyTorch
  exported a program, it differentiates that (``peers/exported_program.py``); elsewhere the ONNX graph, which it
  evaluates in double precision (``peers/onnx_in_torch.py``).
- **The layer.** All of the score has to pass through it, and it has to be the last such layer of which more than one
  place matters: `passed_through.py` finds out by holding tensors fixed.

Files and results stay in the folder; what is there is not done again, unless ``--again`` says so (the exported models
stay even then). ``--minutes`` stops before the next model; what was not tried is not in the table.

A derivative jumps where a ReLU or the maximum of a window switches, and rounding decides on which side a value falls.
So PyTorch differentiates at the point that ONNX Runtime has reached: it takes over the values that switches read.
"""

import argparse
import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from explained import PLACES, errors_of, explain
from passed_through import passed_through
from processes import Aside, Peer, output

import whylight

SOURCES = {
    "timm": "timm",
    "torchvision": "torchvision",
    "huggingface": "Hugging Face transformers",
    "keras": "Keras",
    "paddle": "Paddle",
    "jax": "JAX",
}
"""What a source is called in the table, by the name of its script in ``peers``."""
TOLERANCE = 1e-3
_ALL = 1 - 1e-6
EXPORT_SECONDS, SECONDS = 600, 400
PEERS = Path(__file__).parent / "peers"
LISTED, RESULT = "list.json", "result.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=[*SOURCES, "table"])
    parser.add_argument("python", type=Path, nargs="?")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/coverage"))
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    if arguments.source == "table":
        text = _document(arguments.folder)
        print(text)
        if arguments.table:
            arguments.table.write_text(text, encoding="utf-8")
    else:
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    """Write a result for every model of a source, the smallest first."""
    start = time.monotonic()
    script, folder = PEERS / f"{arguments.source}_models.py", arguments.folder / arguments.source
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / LISTED
    if not listed.exists():
        listed.write_text(output(arguments.python, script, "list", seconds=1200))
    models = sorted(json.loads(listed.read_text()), key=lambda model: float(model["size"]))
    processes = _Processes(
        exporter=Peer(arguments.python, script, "export"),
        differentiator=Peer(arguments.python, PEERS / "exported_program.py"),
        aside=Aside(),
    )
    for model in models:
        if arguments.models and model["model"] not in arguments.models:
            continue
        if time.monotonic() - start > 60 * arguments.minutes:
            break
        own = folder / f"{model['model']} {model['export']}".replace(", ", " ").replace(" ", "-")
        result = own / RESULT
        if arguments.again or not result.exists():
            row = {**model, **_compared(processes, own, model)}
            result.write_text(json.dumps(row).replace(f"{own}/", ""))
        print(_line(json.loads(result.read_text())), flush=True)
    processes.close()


@dataclass
class _Processes:
    exporter: Peer
    differentiator: Peer
    aside: Aside

    def close(self) -> None:
        """End all."""
        for process in (self.exporter, self.differentiator, self.aside):
            process.close()


def _compared(processes: _Processes, folder: Path, model: dict[str, Any]) -> dict[str, Any]:
    """What was found of the map, the derivatives and the layer, or the reason why there is none."""
    folder.mkdir(exist_ok=True)
    if not (folder / "model.onnx").exists():
        try:
            processes.exporter.ask(model["model"], model["export"], folder, seconds=EXPORT_SECONDS)
            processes.aside.call(_checked, folder, seconds=SECONDS)
        except RuntimeError as error:
            shutil.rmtree(folder)
            folder.mkdir()
            return {"is_exported": False, "reason": f"not exported: {error}"}
    found: dict[str, Any] = {"is_exported": True, "layers": [], "errors": {}, "reason": ""}
    try:
        processes.aside.call(_explained, folder, seconds=SECONDS)
        found["layers"] = [layer["name"] for layer in json.loads((folder / "facts.json").read_text())["layers"]]
        found.update(processes.aside.call(passed_through, folder, seconds=SECONDS))
        if (folder / "model.pt2").exists():
            processes.differentiator.ask(folder, seconds=SECONDS)
            found["errors"] = errors_of(folder)
        if "map" not in found["errors"]:
            processes.aside.call(_differentiated, folder, seconds=SECONDS)
            found["errors"] = errors_of(folder)
    except RuntimeError as error:
        found["reason"] = str(error)
    finally:
        for name in ("points.npz", "graph.onnx"):
            (folder / name).unlink(missing_ok=True)
    missing = [place for place in ("map", *PLACES) if place not in found["errors"]]
    if missing and not found["reason"]:
        found["reason"] = f"zero everywhere or not in the exported program: {', '.join(missing)}"
    return found


def _checked(folder: Path) -> None:
    """ONNX Runtime takes the file: an exporter may write an operator that ONNX does not have."""
    onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def _explained(folder: Path) -> None:
    """What whylight finds, in files; and whether the graph that it works on computes what the file does."""
    classifier = whylight.load(folder / "model.onnx")
    explain(classifier, folder)
    image = np.load(folder / "found.npz")["image"]
    scores = []
    for name in ("model.onnx", "graph.onnx"):
        session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        # Keras's exporter leaves inputs that no node reads.
        feeds = {
            info.name: np.zeros([extent if isinstance(extent, int) else 1 for extent in info.shape], np.float32)
            for info in session.get_inputs()
        }
        scores.append(session.run([classifier.output], {**feeds, classifier.input.name: image})[0])
    if not np.allclose(*scores, rtol=TOLERANCE, atol=TOLERANCE * np.abs(scores[0]).max()):
        raise RuntimeError("the graph does not compute what the file does")


def _differentiated(folder: Path) -> None:
    sys.path.append(str(PEERS))
    from onnx_in_torch import differentiate

    differentiate(folder)


def _has_right_map(row: dict[str, Any]) -> bool:
    return all(row.get("errors", {}).get(name, 1) <= TOLERANCE for name in ("scores", "map"))


def _has_right_layer(row: dict[str, Any]) -> bool:
    return bool(row.get("share", 0) > _ALL and not row["later"] and not row.get("is_blind", True))


def _line(row: dict[str, Any]) -> str:
    errors = row.get("errors", {})
    numbers = [f"{errors[place]:.0e}" if place in errors else "" for place in ("map", *PLACES)]
    share = f"{row['share']:.1%}" if "share" in row else ""
    reasons = [row.get("reason", "")]
    if row.get("later"):
        reasons.append(f"not the last layer: {row['later']} is later")
    if row.get("is_blind"):
        reasons.append("the score reads one place of the layer")
    reason = "; ".join(filter(None, reasons)).replace("|", "/").replace("\n", " ")
    layers = " + ".join(row.get("layers", []))
    return f"| {row['model']} | {row['export']} | {layers} | {share} | {' | '.join(numbers)} | {reason} |"


def _document(folder: Path) -> str:
    """The tables of all sources and what they come to."""
    summary, tables = [], []
    for source, title in SOURCES.items():
        rows = [json.loads(file.read_text()) for file in sorted((folder / source).glob(f"*/{RESULT}"), key=str)]
        if not rows:
            continue
        exported = [row for row in rows if row["is_exported"]]
        right = [row for row in exported if _has_right_map(row) and _has_right_layer(row)]
        maps, layers = sum(map(_has_right_map, exported)), sum(map(_has_right_layer, exported))
        listed = len(json.loads((folder / source / LISTED).read_text()))
        part = len(right) / max(len(exported), 1)
        counts = f"{listed} | {len(rows)} | {len(exported)} | {maps} | {layers} | {len(right)} ({part:.1%})"
        summary.append(f"| {title} | {counts} |")
        heads = ["model", "export", "layer", "share", "map", *PLACES, "what is missing"]
        tables += [f"## {title}", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *map(_line, rows), ""]
    return "\n".join(
        [
            "# Architectures",
            "",
            "Made by `benchmarks/coverage.py`, which says what is compared. Numbers are the largest difference from",
            "autograd by the largest value. The layer is the one that whylight chose; the share is how much of the",
            "score's variance over images passes through it, as found by holding it fixed.",
            "",
            f"A map is right where it equals autograd's to {TOLERANCE:.0e}. A layer is right where all of the score",
            "passes through it, more than one of its places matters, and the same holds of no later one with other",
            "features. What the source's own exporter refused is in the tables, but not counted. Of long lists",
            "some models were tried; the others are not in the tables.",
            "",
            "| source | listed | tried | exported | right map | right layer | both |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *summary,
            "",
            *tables,
        ]
    )


if __name__ == "__main__":
    main()
