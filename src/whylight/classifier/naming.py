"""The names of a classifier's classes: those that are given, or those that its file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from whylight.class_names.source import Labels, class_names, names_of_metadata
from whylight.classifier.classifier import Classifier


def with_class_names(classifier: Classifier, labels: Labels | None, metadata: Mapping[str, str]) -> Classifier:
    """The classifier with names of its classes.

    Args:
        classifier: any.
        labels: what a person gives; None for what the metadata say.
        metadata: of the model's file.

    Raises:
        WhylightError: the labels cannot be read, or are not one a class.
    """
    count = classifier.class_count
    names = names_of_metadata(metadata, count) if labels is None else class_names(labels, count)
    return replace(classifier, class_names=names)
