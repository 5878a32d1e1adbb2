"""Maps at the layers that could be the default, in one network of each kind; writes a page in docs.

python benchmarks/default_layer.py [--networks NAME ...] [--images N]

The networks are those that `benchmarks/networks/train.py` trains; their files are beside it. With `--networks` the page
is printed, not written.
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluttered import SIZE, cluttered_digits, write

import whylight
from whylight.classifier.layer import Layer
from whylight.dataset.opening import Table
from whylight.errors import WhylightWarning
from whylight.files.writing import save_bytes
from whylight.graph.walks import needed_nodes
from whylight.graph.ways import dominators
from whylight.trust.evaluation import Evaluation, evaluate_dataset
from whylight.trust.options import EvaluationOptions
from whylight.trust.tally import Score

METHODS = {
    "gradcam": ("pointing-game", "energy-in-box", "insertion", "deletion"),
    "layercam": ("pointing-game", "energy-in-box"),
}
JUDGED = METHODS["gradcam"][:2]
NETWORKS = Path(__file__).parent / "networks"
PAGE = Path(__file__).parents[1] / "docs" / "default-layer.md"
KINDS = (
    "plain", "connected", "residual", "dense", "inception", "ensemble", "class-token", "averaging", "windowed",
    "hybrid",
)  # fmt: skip
EARLIER = 4
"""Layers before the place of the default."""
NEW_FEATURES = ("Conv", "Add", "Concat", "MatMul", "Gemm")
"""Operators whose result is features of its own; what others make of them is at the same place."""
SEED = 2
"""Of images that no network was trained on."""


@dataclass(frozen=True)
class Candidate:
    """A layer, or those of several towers whose maps are fused.

    Attributes:
        label: what the table calls it.
        layers: their names.
        place: "earlier" than the place of the default, "here", "behind" the layer, or a "branch": around which some of
            the score goes.
        is_default: whether they are what whylight chooses.
    """

    label: str
    layers: list[str]
    place: str
    is_default: bool


@dataclass(frozen=True)
class Result:
    """Of a kind of network, the candidates, and by method what their maps are worth."""

    kind: str
    candidates: Sequence[Candidate]
    evaluations: Mapping[str, Evaluation]

    def score(self, candidate: Candidate, metric: str, method: str = "gradcam") -> Score:
        return self.evaluations[method].scores[candidate.label][metric]

    def best(self, metric: str, *places: str) -> Candidate:
        """The one with the highest mean of Grad-CAM; of equal ones the default."""
        candidates = [candidate for candidate in self.candidates if candidate.place in places]
        return max(candidates, key=lambda candidate: (self.score(candidate, metric).mean, candidate.is_default))

    @property
    def default(self) -> Candidate:
        return next(candidate for candidate in self.candidates if candidate.is_default)

    def is_within(self, candidate: Candidate, metric: str, *places: str) -> bool:
        """Whether it is within the best one's standard error."""
        best = self.score(self.best(metric, *places), metric)
        return best.mean - self.score(candidate, metric).mean <= best.error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=KINDS)
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", WhylightWarning)  # a candidate may be bypassed: that is what is measured
    digits = cluttered_digits(arguments.images, SEED)
    left, top, right, bottom = digits.boxes.T
    results = []
    with tempfile.TemporaryDirectory() as folder:
        table = write(digits, Path(folder))
        for kind in arguments.networks:
            results.append(_measured(kind, table))
            print(_table(results[-1]), file=sys.stderr, flush=True)
    text = TEXT.format(
        kinds=len(results),
        box=((right - left) * (bottom - top)).mean() / SIZE**2,
        count=arguments.images,
        summary=_summary(results),
        exceptions=_exceptions(results),
        rectified=_rectified(results),
        pointing=_better_earlier(results, "pointing-game"),
        energy=_better_earlier(results, "energy-in-box"),
        tables="\n\n".join(map(_table, results)),
    )
    if tuple(arguments.networks) == KINDS:
        save_bytes(text.encode(), PAGE)
    print(text)


def _measured(kind: str, table: Table) -> Result:
    classifier = whylight.load(NETWORKS / f"{kind}.onnx", input_range="1")
    candidates = _candidates(classifier)
    evaluations = {}
    for method, metrics in METHODS.items():
        explainers = {each.label: classifier.explainer(method, each.layers) for each in candidates}
        options = EvaluationOptions(metrics=metrics, tolerance=0, steps=16)
        evaluations[method] = evaluate_dataset(explainers, table, options)
    return Result(kind, candidates, evaluations)


# ---- layers


def _candidates(classifier: whylight.Classifier) -> list[Candidate]:
    """In the order in which they run."""
    default = list(classifier.default_layers.layers)
    towers = [_leading_to(classifier, layer) for layer in default]
    place = max(index for index, layer in enumerate(towers[0]) if layer.type in NEW_FEATURES) - len(towers[0])
    depth = min(EARLIER - place, *map(len, towers)) if len(towers) > 1 else min(EARLIER - place, len(towers[0]))
    found = [
        _candidate([tower[step] for tower in towers], "here" if step >= place else "earlier", step == -1)
        for step in range(-depth, 0)
    ]
    behind = [layer for layer in classifier.layers if layer.tensor in classifier.through]
    if len(default) == 1:
        found += [_candidate([layer], "behind") for layer in behind[behind.index(default[0]) + 1 :]]
    known = [candidate.layers for candidate in found]
    branches = default if len(default) > 1 else [classifier.last_convolution]
    found += [
        _candidate([layer], "earlier" if layer in behind else "branch")
        for layer in branches
        if [layer.name] not in known
    ]
    order = [layer.name for layer in classifier.layers]
    return sorted(found, key=lambda candidate: order.index(candidate.layers[-1]))


def _leading_to(classifier: whylight.Classifier, layer: Layer) -> list[Layer]:
    """The layers that all of one is made of, each of those before it; itself at the end."""
    image = classifier.input.name
    before = dominators(needed_nodes(classifier.path_nodes, [layer.tensor]), image, layer.tensor)
    return [each for each in classifier.layers if each.tensor in before] + [layer]


def _candidate(layers: Sequence[Layer], place: str, is_default: bool = False) -> Candidate:
    names = " + ".join(f"`{layer.name}`" for layer in layers)
    types = ", ".join(sorted({layer.type for layer in layers}))
    label = f"{names} ({types}{', fused' if len(layers) > 1 else ''})"
    return Candidate(f"**{label}**" if is_default else label, [layer.name for layer in layers], place, is_default)


# ---- the page


def _table(result: Result) -> str:
    heads = [f"{method}: {name}" for method, metrics in METHODS.items() for name in metrics]
    lines = [
        f"### {result.kind}\n",
        f"| layer | place | {' | '.join(heads)} |",
        f"|{' --- |' * (2 + len(heads))}",
    ]
    for each in result.candidates:
        cells = [
            result.score(each, metric, method).text + _mark(result, each, metric, method)
            for method, metrics in METHODS.items()
            for metric in metrics
        ]
        lines.append(f"| {each.label} | {each.place} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mark(result: Result, candidate: Candidate, metric: str, method: str) -> str:
    is_judged = method == "gradcam" and metric in JUDGED and candidate.place in ("here", "behind")
    return " •" if is_judged and result.is_within(candidate, metric, "here", "behind") else ""


def _summary(results: Sequence[Result]) -> str:
    lines = ["| kind | default | metric | default | best at its place | best earlier |", f"|{' --- |' * 6}"]
    for result in results:
        for metric in JUDGED:
            places = (("here", "behind"), ("earlier",))
            best, earlier = (result.best(metric, *each) for each in places)
            inside = result.is_within(result.default, metric, *places[0])
            cells = [
                result.score(result.default, metric).text + (" •" if inside else ""),
                result.score(best, metric).text + (", the same" if best.is_default else f" {best.label}"),
                f"{result.score(earlier, metric).text} {earlier.label}",
            ]
            lines.append(f"| {result.kind} | {result.default.label.strip('*')} | {metric} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _exceptions(results: Sequence[Result]) -> str:
    outside = [
        f"{result.kind} ({metric})"
        for result in results
        for metric in JUDGED
        if not result.is_within(result.default, metric, "here", "behind")
    ]
    return f"all but {', '.join(outside)}" if outside else "every kind and both metrics"


def _rectified(results: Sequence[Result]) -> str:
    """By how much energy in the box differs between the first tensor of a place and the default, where it is later."""
    found = []
    for result in results:
        first = next(candidate for candidate in result.candidates if candidate.place == "here")
        if not first.is_default:
            default, before = (result.score(each, "energy-in-box").mean for each in (result.default, first))
            found.append(f"{result.kind} {default - before:+.3f}")
    return ", ".join(found)


def _better_earlier(results: Sequence[Result], metric: str) -> str:
    """Where an earlier layer is better by more than its standard error, and by how much."""
    found = []
    for result in results:
        best, default = result.best(metric, "earlier"), result.score(result.default, metric)
        gain = result.score(best, metric).mean - default.mean
        if gain > result.score(best, metric).error:
            found.append(f"{result.kind} ({gain:+.3f})")
    return f"{len(found)} of {len(results)} kinds: {', '.join(found)}"


TEXT = """# The default layer

Made by `python benchmarks/default_layer.py`: Grad-CAM, and LayerCAM beside it, in {kinds} small networks, one of each
kind, trained by `benchmarks/networks/train.py` on digits among fragments of other digits (64 x 64 pixels; the digit's
box takes {box:.0%} of the image, which is what chance hits). {count} images that no network has seen, each explained
for its label; means and standard errors. [trust.md](trust.md) says what the metrics mean.

Where no layer is named, whylight takes the last feature map, or tokens, that all of the score passes through. Several
tensors hold the features of that place: the block's sum, concatenation or convolution, then perhaps a normalization, a
rectifier, a pooling. **The default is the rectified one before pooling; where none is rectified, the block's own
end.** It is within the standard error (•) of the best of them in {exceptions}.

{summary}

## Why this tensor

- **Rectified, not before.** Behind the ReLU the energy in the box changes, against the convolution, sum or
  concatenation before it, by {rectified};
  the pointing game differs by less than its standard error, or is better. There is a reason: where the rectified maps
  are averaged over places and read by one linear layer, Grad-CAM, CAM and HiResCAM are one and the same there, and add
  up to the score. Before the ReLU, values that it cuts off count too, with the wrong sign.
- **Not pooled.** Pooling moves features, and leaves fewer places (*connected*).
- **Not normalized at the end of a transformer.** Where tokens are averaged, the map behind the last LayerNorm finds the
  digit about as often as chance, or less.
- **Not one branch.** In dense, inception and ensemble networks the last convolution sees some of the score only.
- **Before the last attention where the class token alone is read.** Behind it the other tokens have no gradient.

## Why not an earlier layer

Earlier layers are often better here. The best of those before the place of the default is better by more than its
standard error

- in the pointing game in {pointing};
- in energy in the box in {energy}.

In transformers Grad-CAM at the default finds the digit in less than half of the images. Their attention moves what a
token has seen to the others; where tokens are averaged, LayerCAM at the first layers finds twice as many, or more.

The last is taken still, for these reasons:

- Which of the earlier layers is the best differs from kind to kind, and between the metrics; further back Grad-CAM
  falls again. "The block before" is no better rule: in *residual* and *inception* its end points worse than the
  default.
- Digits are small here, and known by strokes that early layers see already. So a layer whose cells see less of the
  image places them better. Objects in photographs are larger and made of parts; only the last layers see these
  together, and for that the authors of Grad-CAM take the last one (Selvaraju et al. 2017, section 3). These tables
  cannot weigh one against the other.
- Grad-CAM gives each channel one weight for all places. That suits the last layer; for earlier ones LayerCAM was made,
  which weights each place (Jiang et al. 2021).

Who wants finer maps names an earlier layer: `--method layercam --layer NAME` with the end of the stage before the last
(`whylight inspect` lists the layers, and marks those that see all of the score), or takes `refine-cam`, which
multiplies the maps of all stages.

## All layers

In the order in which they run; **bold** is the default. *here*: at its place, *behind* it, *earlier*, or a *branch*,
around which some of the score goes. Of earlier layers those that all of the score passes through are shown, the last
four. • is within the standard error of the best here and behind, for the two metrics that decide.

{tables}
"""


if __name__ == "__main__":
    main()
