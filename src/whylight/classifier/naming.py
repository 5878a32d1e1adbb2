"""The names of a classifier's classes: those that are given, that its file holds, or that stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from whylight.class_names.source import Labels, class_names, names_beside, names_of_metadata
from whylight.classifier.classifier import Classifier


def with_class_names(classifier: Classifier, labels: Labels | None, metadata: Mapping[str, str]) -> Classifier:
    """The classifier with names of its classes.

    Args:
        classifier: any.
        labels: what a person gives; None for what the metadata say, or else a ``config.json`` beside the file.
        metadata: of the model's file.

    Raises:
        WhylightError: the labels cannot be read, or are not one a class.
    """
    count = classifier.class_count
    if labels is not None:
        return replace(classifier, class_names=class_names(labels, count))
    beside = names_beside(classifier.path)
    return replace(
        classifier, class_names=names_of_metadata(metadata, count) or (beside if len(beside) == count else ())
    )
