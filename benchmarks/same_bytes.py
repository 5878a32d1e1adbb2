"""Whether two versions of whylight write the same: every command on sample folders, compared file by file.

    python benchmarks/same_bytes.py OLD_PYTHON NEW_PYTHON SAMPLE_FOLDER ...

Each Python has one of the versions installed. A sample folder holds ``results.nnp``, ``output_result.csv`` and images.
Files are compared by their bytes; ONNX files node for node and weight for weight, their metadata apart. What differs is
listed; the exit code is 1 where files differ.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

ONE_IMAGE = {
    "overlay.png": ["--class_index", "1"],
    "exact.png": ["--method", "gradcam-nnc", "--score", "output", "--size", "input", "--colormap", "viridis"],
    "ablation.png": ["--method", "ablation-cam", "--class_index", "predicted"],
    "contrast.png": ["--against", "predicted", "--counterfactual", "--smooth", "--method", "layercam"],
}
DATASET = ["--columns", "score,probability,predicted,rank", "--save_cam", "npz"]


def write_all(python: str, folder: Path, image: str, out: Path) -> None:
    """Everything that the commands write in a copy of a sample folder."""

    def whylight(*arguments: str) -> str:
        environment = {**os.environ, "WHYLIGHT_CACHE": str(out / "cache")}
        command = [python, "-m", "whylight", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return done.stdout

    said = []
    for name, options in ONE_IMAGE.items():
        said.append(whylight("gradcam", "--image", image, "--output", name, *options))
    whylight("gradcam-batch", *DATASET)
    said.append(whylight("report", "gradcam.csv"))
    said.append(whylight("compare", "results.nnp", image))
    said.append(whylight("inspect", "results.nnp"))
    whylight("convert", "results.nnp", "-o", "converted.onnx")
    for method in ("gradcam", "ablation-cam", "legrad", "integrated-gradients"):
        whylight("compile", "results.nnp", "--method", method, "-o", f"{method}.onnx")
    said.append(whylight("evaluate", "--limit", "16", "--method", "gradcam,random", "--per_image", "each.csv"))
    (folder / "said.txt").write_text("".join(said), "utf-8")
    shutil.rmtree(out / "cache", ignore_errors=True)


def difference(one: Path, other: Path) -> str | None:
    """What differs in two files of the same name; None where nothing does."""
    if not (one.exists() and other.exists()):
        return "is missing on one side"
    if one.read_bytes() == other.read_bytes():
        return None
    if one.suffix != ".onnx":
        return "differs"
    models = [onnx.load(path) for path in (one, other)]
    if models[0].graph.SerializeToString() != models[1].graph.SerializeToString():
        return "differs in its graph"
    return "has the same graph, other metadata"


def main() -> int:
    """Compare, and list what differs."""
    old, new, *samples = sys.argv[1:]
    differing = 0
    for sample in map(Path, samples):
        image = min(path.relative_to(sample).as_posix() for path in sample.rglob("images/**/*") if path.is_file())
        with tempfile.TemporaryDirectory() as temporary:
            folders = []
            for name, python in (("old", old), ("new", new)):
                folders.append(Path(temporary) / name / sample.name)
                shutil.copytree(sample, folders[-1])
                write_all(python, folders[-1], image, Path(temporary))
            files = {
                path.relative_to(each).as_posix() for each in folders for path in each.rglob("*") if path.is_file()
            }
            found = {name: text for name in sorted(files) if (text := difference(*(each / name for each in folders)))}
        graphs = sum(text.startswith("has the same") for text in found.values())
        differing += len(found) - graphs
        print(f"{sample.name}: {len(files)} files, {len(found) - graphs} differ, {graphs} in their metadata alone")
        for name, text in found.items():
            print(f"  {name} {text}")
    return differing > 0


if __name__ == "__main__":
    sys.exit(main())
