"""All methods on the bundled digits among clutter, where boxes say where the digit is; writes a page in docs.

python benchmarks/methods_table.py [--folder FOLDER] [--methods NAME ...]
"""

import argparse
import sys
import time
from pathlib import Path

import whylight
from whylight.drawing.saving import save_page
from whylight.errors import WhylightError
from whylight.files.writing import save_bytes
from whylight.methods import methods
from whylight.trust.evaluation import Evaluation, evaluate_dataset
from whylight.trust.options import EvaluationOptions
from whylight.trust.results import evaluation_chart

METRICS = ("pointing-game", "energy-in-box", "insertion", "deletion")
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "methods-on-cluttered-digits.md"
PICTURE = ROOT / "docs" / "pictures" / "methods-on-cluttered-digits.png"

TEXT = """# All methods on digits among clutter

Made by `python benchmarks/methods_table.py`. The images are those of `{folder}`:
{rows} images of 64 x 64 pixels, each with a digit and fragments of other digits, and a box around the digit. The
network (four convolutions) is explained behind its last ReLU, each image for its label. A map has 8 x 8 cells there.

- **pointing game**: share of images whose map is largest inside the box (no tolerance; equal maxima count by the share
  that hits). The box takes {chance:.0%} of the image on average: that is what chance hits.
- **energy in box**: share of the map that is inside the box.
- **insertion**, **deletion**: area under the probability while pixels come, or go, the most relevant ones first.

Means and standard errors; `random` is the control, a map that knows nothing. What the metrics mean, and when not to
believe them: [trust.md](trust.md).

{table}

Methods that do not fit this network:

{left_out}

![Bars of the four metrics, and the curves of insertion and deletion](pictures/methods-on-cluttered-digits.png)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    bundled = Path(whylight.__file__).parent / "samples" / "cluttered_digits"
    parser.add_argument("--folder", type=Path, default=bundled)
    parser.add_argument("--methods", nargs="+", default=list(methods()))
    arguments = parser.parse_args()
    classifier = whylight.load(arguments.folder / "results.nnp")
    table = arguments.folder / "output_result.csv"
    options = EvaluationOptions(metrics=METRICS, tolerance=0)
    results = []
    left_out = []
    for name in arguments.methods:
        started = time.perf_counter()
        try:
            explainer = classifier.explainer(name)
        except WhylightError as error:
            left_out.append(f"- `{name}`: {str(error).removeprefix(f'{classifier.path}: ')}")
            continue
        results.append(evaluate_dataset({name: explainer}, table, options))
        print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    evaluation = _sorted(results)
    folder = arguments.folder.relative_to(ROOT) if arguments.folder.is_relative_to(ROOT) else arguments.folder.name
    text = TEXT.format(
        folder=folder,
        rows=evaluation.rows,
        chance=_chance(table),
        table=_table(evaluation),
        left_out="\n".join(left_out) or "None.",
    )
    save_bytes(text.encode(), PAGE)
    save_page(lambda _: evaluation_chart(evaluation), PICTURE)
    print(_table(evaluation))


def _sorted(results: list[Evaluation]) -> Evaluation:
    """All in one, the best first by pointing game and then by energy."""
    scores = {name: by_metric for result in results for name, by_metric in result.scores.items()}
    names = sorted(scores, key=lambda name: [-round(scores[name][metric].mean, 3) for metric in METRICS[:2]])
    curves = {name: by_metric for result in results for name, by_metric in result.curves.items()}
    return Evaluation(
        results[0].metrics,
        {name: scores[name] for name in names},
        {name: curves[name] for name in names},
        results[0].rows,
    )


def _chance(table: Path) -> float:
    """The boxes' mean share of an image of 64 x 64."""
    from whylight.dataset.csv_table import open_csv

    dataset = open_csv(table)
    columns = dataset.columns_of("box")
    boxes = [[float(cell) for cell in dataset.cells(row, columns)] for row in dataset.rows()]
    return sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) / len(boxes) / 64**2


def _table(evaluation: Evaluation) -> str:
    heads = ["method", *(metric.title for metric in evaluation.metrics)]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for name in evaluation.methods:
        cells = [evaluation.scores[name][metric.name].text for metric in evaluation.metrics]
        shown = f"**{name}**" if name in ("gradcam", "random") else name
        lines.append(f"| {' | '.join([shown, *cells])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
