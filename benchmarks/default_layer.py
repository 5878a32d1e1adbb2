"""Grad-CAM at the layers that could be the default, in one network of each kind; writes a page in docs.

python benchmarks/default_layer.py [--networks NAME ...] [--images N] [--method NAME]

The networks are those that `benchmarks/networks/train.py` trains; their files are beside it.
"""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

from cluttered import cluttered_digits, write

import whylight
from whylight.errors import WhylightWarning
from whylight.files.writing import save_bytes
from whylight.trust.evaluation import Evaluation, evaluate_dataset
from whylight.trust.options import EvaluationOptions

METRICS = ("pointing-game", "energy-in-box", "insertion", "deletion")
NETWORKS = Path(__file__).parent / "networks"
PAGE = Path(__file__).parents[1] / "docs" / "default-layer.md"
KINDS = (
    "plain", "residual", "dense", "inception", "ensemble", "class-token", "averaging", "windowed", "hybrid",
)  # fmt: skip
EARLIER = 5
"""Layers before the default that all of the score passes through."""
SEED = 2
"""Of images that no network was trained on."""

TEXT = """# The default layer

Made by `python benchmarks/default_layer.py`: {method} in nine small networks, one of each kind, trained by
`benchmarks/networks/train.py` on digits among fragments of other digits (64 x 64 pixels; the digit's box takes
{box:.0%} of the image). {count} images that no network has seen, each explained for its label; means and standard
errors.

A row is a layer, in the order in which they run. **Bold** is the default: where all of the score passes through, the
end of the last block before it is normalized, rectified or pooled. The others are the layers around it that all of the
score passes through too, and the last convolution in the file.

{tables}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=KINDS)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--method", default="gradcam")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", WhylightWarning)  # a candidate may be bypassed: that is what is measured
    digits = cluttered_digits(arguments.images, SEED)
    left, top, right, bottom = digits.boxes.T
    with tempfile.TemporaryDirectory() as folder:
        table = write(digits, Path(folder))
        tables = [_table(name, arguments.method, table) for name in arguments.networks]
    text = TEXT.format(
        method=f"`{arguments.method}`",
        box=((right - left) * (bottom - top)).mean() / 64**2,
        count=arguments.images,
        tables="\n\n".join(tables),
    )
    if tuple(arguments.networks) == KINDS and arguments.method == "gradcam":
        save_bytes(text.encode(), PAGE)
    print(text)


def _table(name: str, method: str, table: Path) -> str:
    classifier = whylight.load(NETWORKS / f"{name}.onnx", input_range="1")
    candidates = _candidates(classifier)
    explainers = {label: classifier.explainer(method, layers) for label, layers in candidates.items()}
    evaluation = evaluate_dataset(explainers, table, EvaluationOptions(metrics=METRICS, tolerance=0))
    print(f"{name}: done", file=sys.stderr)
    lines = [
        f"## {name}\n",
        f"| layer | {' | '.join(metric.title for metric in evaluation.metrics)} |",
        f"|{' --- |' * (1 + len(evaluation.metrics))}",
    ]
    for label in candidates:
        cells = [evaluation.scores[label][metric.name].text for metric in evaluation.metrics]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _verdict(evaluation, next(label for label in candidates if "**" in label))])


def _verdict(evaluation: Evaluation, default: str) -> str:
    """Whether the default is within the standard error of the best candidate."""
    said = []
    for metric in METRICS[:2]:
        best = max(evaluation.methods, key=lambda label: evaluation.scores[label][metric].mean)
        own, highest = evaluation.scores[default][metric], evaluation.scores[best][metric]
        within = highest.mean - own.mean <= highest.error
        said.append(f"{metric}: " + ("within the best's standard error" if within else f"{best} is better"))
    return f"The default in {'; in '.join(said)}."


def _candidates(classifier: whylight.Classifier) -> dict[str, list[str]]:
    """Layers by what the table calls them, in the order in which they run."""
    default = list(classifier.default_layers.layers)
    through = [layer for layer in classifier.layers if layer.tensor in classifier.through]
    place = through.index(default[-1]) if default[-1] in through else len(through)
    around = through[max(place - EARLIER, 0) :]
    chosen = dict.fromkeys([*around, *default, classifier.last_convolution])
    rows = {}
    for layer in sorted(chosen, key=classifier.layers.index):
        notes = [] if layer in through else ["some of the score goes around it"]
        if layer == classifier.last_convolution:
            notes.append("the last convolution")
        label = f"`{layer.name}` ({', '.join([layer.type, *notes])})"
        rows[f"**{label}**" if [layer] == default else label] = [layer.name]
    if len(default) > 1:
        rows[f"**{' + '.join(f'`{layer.name}`' for layer in default)}** (fused)"] = [layer.name for layer in default]
    return rows


if __name__ == "__main__":
    main()
