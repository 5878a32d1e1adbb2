"""What more rows and other engines cost: peak memory at 2 000 and 20 000 rows, and Ray against processes.

    python benchmarks/scale.py [FOLDER] [--pairs 3]

FOLDER holds a model, a dataset CSV and images as the bundled sample does, whose rows are taken again and again.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measuring import machine

SAMPLE = Path(__file__).parents[1] / "src" / "whylight" / "samples" / "mnist"


def write_dataset(sample: Path, folder: Path, rows: int) -> Path:
    """The sample with ``rows`` rows."""
    shutil.copytree(sample, folder)
    table = folder / "output_result.csv"
    header, *lines = table.read_text("utf-8").splitlines()
    table.write_text("\n".join([header, *(lines[row % len(lines)] for row in range(rows))]) + "\n", encoding="utf-8")
    return folder


def run(folder: Path, *options: str) -> tuple[float, float]:
    """Explain a dataset: images a second, and the largest process' peak memory in MiB.

    Every run has an output of its own and none is removed meanwhile: file systems such as ext4 take long to make files
    where others have just been removed.
    """
    output = f"run{sum(1 for _ in folder.glob('run*.csv'))}.csv"
    options = (*options, "--output", output)
    code = (
        "import resource, subprocess, sys\n"
        f"said = subprocess.run([sys.executable, '-m', 'whylight', 'gradcam-batch', *{list(options)}],"
        " check=True, capture_output=True, text=True).stdout\n"
        "print(said.split(' explained, ')[1].split()[0],"
        " resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True).stdout
    rate, memory = said.split()
    return float(rate), float(memory) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{machine()}; medians of {arguments.pairs}, {arguments.folder.name}")
    with tempfile.TemporaryDirectory() as temporary:
        few, many, some = (
            write_dataset(arguments.folder, Path(temporary) / str(rows), rows) for rows in (2000, 20_000, 5000)
        )
        for ways in (["--workers", "1"], ["--workers", "2"]):
            peaks = [(run(few, *ways)[1], run(many, *ways)[1]) for _ in range(arguments.pairs)]
            low, high = (median(peak) for peak in zip(*peaks, strict=True))
            ratio = median(b / a for a, b in peaks)
            print(f"{' '.join(ways)}: {low:.0f} MiB at 2 000 rows, {high:.0f} MiB at 20 000: {ratio:.3f}")
        rates = [(run(some, "--workers", "2")[0], run(some, "--engine", "ray")[0]) for _ in range(arguments.pairs)]
        own, ray = (median(rate) for rate in zip(*rates, strict=True))
        print(f"5 000 rows: --workers 2 {5000 / own:.1f} s, --engine ray {5000 / ray:.1f} s with its start")


if __name__ == "__main__":
    main()
