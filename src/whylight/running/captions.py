"""What an explanation is of, in words: for titles of figures, and for the metadata of overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whylight.class_names.lookup import name_of
from whylight.files.marks import signed

if TYPE_CHECKING:
    from whylight.running.explanation import Explanation


def caption(explanation: Explanation) -> tuple[str, ...]:
    """Lines that say which class is explained and who named it, how probable it is, and by what it is explained."""
    return tuple(
        line
        for line in (_class(explanation), _question(explanation), _numbers(explanation), _means(explanation))
        if line
    )


def description(explanation: Explanation) -> str:
    """The caption in one line, with what drew it: what is kept in an overlay's file."""
    return signed("; ".join(caption(explanation)))


def class_title(names: tuple[str, ...], index: int) -> str:
    """A class's name and index, or its index alone."""
    name = name_of(index, names)
    return f"class {index}" if name is None else f"{name} ({index})"


def _class(one: Explanation) -> str:
    named = class_title(one.facts.class_names, one.class_index)
    is_predicted = one.class_index == one.predicted
    match one.origin:
        case "predicted":
            return f"{named}, predicted"
        case "label":
            return f"{named}, the label{' and predicted' if is_predicted else _instead(one)}"
        case "asked":
            return f"{named}, asked for{' and predicted' if is_predicted else _instead(one)}"


def _instead(one: Explanation) -> str:
    return f"; predicted: {class_title(one.facts.class_names, one.predicted)}"


def _question(one: Explanation) -> str:
    """What is asked besides the class."""
    facts = one.facts
    asked = []
    if facts.against is not None:
        index = facts.against
        other = class_title(facts.class_names, index) if isinstance(index, int) else "the predicted class"
        asked.append(f"rather than {other}")
    if facts.counterfactual:
        asked.append("what speaks against it")
    return ", ".join(asked)


def _numbers(one: Explanation) -> str:
    return f"probability {one.probability:.1%}, score {one.score:.4g} ({one.facts.score})"


def _means(one: Explanation) -> str:
    smooth = "averaged over flips and sizes" if one.facts.smooth else ""
    parts = [one.method, smooth, f"layer {one.layer}" if one.layer else "", one.facts.model]
    return ", ".join(filter(None, parts))
