"""The front desk: all that a program, a notebook, the command line or a page may call, and all that they call.

    import whylight

    explainer = whylight.explainer("results.nnp", layer="conv5", device="cpu")
    explanation = explainer("cat.png", class_index=285)
    explanation.overlay(alpha=0.5).save("overlay.png")

Options are objects (`ModelOptions`, `Question`, `Rendering`, `Arrangement`, `Execution`, `Output`), or their fields by
name; a function takes both. What takes long takes ``advance``, which is called with the number of images (or stages)
that are done since the last call, and ``cancel``, a `threading.Event`: once it is set the work ends with `Cancelled`
before the next batch. Whatever is wrong with what is given is a `WhylightError` of one line.

What is not named here is private, and may change. Everything is imported when it is first used: the start stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whylight.api.classifier import Classifier
    from whylight.api.datasets import (
        explain_dataset,
        explain_video,
        image_copy,
        image_size,
        open_dataset,
        open_results,
        read_labels,
        write_report,
    )
    from whylight.api.explaining import compare, explain, explainer
    from whylight.api.lists import cache_content, clear_cache, colormaps, methods, metrics
    from whylight.api.models import compile, convert, inspect, load, save_model  # noqa: A004
    from whylight.api.pages import write_page
    from whylight.api.trust import check_sanity, evaluate_dataset
    from whylight.batch.options import BatchOptions
    from whylight.batch.run import BatchSummary
    from whylight.batch.video import VideoSummary
    from whylight.comparison import Comparison
    from whylight.errors import Cancelled, WhylightError, WhylightWarning
    from whylight.gradient.rule import rule
    from whylight.methods import Method, method, method_of_passes
    from whylight.options import Arrangement, Execution, ModelOptions, Output, Question, Rendering
    from whylight.reading import Reader, reader, reader_through_onnx
    from whylight.reading.inspection import Inspection
    from whylight.reading.nnp.functions import function
    from whylight.report.options import ReportOptions
    from whylight.report.page import ReportSummary
    from whylight.report.results import Results
    from whylight.running.cache import CacheContent
    from whylight.running.explainer import Explainer
    from whylight.running.explanation import Explanation
    from whylight.trust.evaluation import Evaluation
    from whylight.trust.metrics import Metric, metric
    from whylight.trust.options import EvaluationOptions
    from whylight.trust.sanity import SanityReport
    from whylight.version import __version__
    from whylight.web.options import PageOptions
    from whylight.web.page import PageSummary

_NAMES = {
    "api.classifier": ("Classifier",),
    "api.datasets": (
        "explain_dataset",
        "explain_video",
        "image_copy",
        "image_size",
        "open_dataset",
        "open_results",
        "read_labels",
        "write_report",
    ),
    "api.explaining": ("compare", "explain", "explainer"),
    "api.lists": ("cache_content", "clear_cache", "colormaps", "methods", "metrics"),
    "api.models": ("compile", "convert", "inspect", "load", "save_model"),
    "api.pages": ("write_page",),
    "api.trust": ("check_sanity", "evaluate_dataset"),
    "batch.options": ("BatchOptions",),
    "batch.run": ("BatchSummary",),
    "batch.video": ("VideoSummary",),
    "comparison": ("Comparison",),
    "errors": ("Cancelled", "WhylightError", "WhylightWarning"),
    "gradient.rule": ("rule",),
    "methods": ("Method", "method", "method_of_passes"),
    "options": ("Arrangement", "Execution", "ModelOptions", "Output", "Question", "Rendering"),
    "reading": ("Reader", "reader", "reader_through_onnx"),
    "reading.inspection": ("Inspection",),
    "reading.nnp.functions": ("function",),
    "report.options": ("ReportOptions",),
    "report.page": ("ReportSummary",),
    "report.results": ("Results",),
    "running.cache": ("CacheContent",),
    "running.explainer": ("Explainer",),
    "running.explanation": ("Explanation",),
    "trust.evaluation": ("Evaluation",),
    "trust.metrics": ("Metric", "metric"),
    "trust.options": ("EvaluationOptions",),
    "trust.sanity": ("SanityReport",),
    "version": ("__version__",),
    "web.options": ("PageOptions",),
    "web.page": ("PageSummary",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Arrangement",
    "BatchOptions",
    "BatchSummary",
    "CacheContent",
    "Cancelled",
    "Classifier",
    "Comparison",
    "Evaluation",
    "EvaluationOptions",
    "Execution",
    "Explainer",
    "Explanation",
    "Inspection",
    "Method",
    "Metric",
    "ModelOptions",
    "Output",
    "PageOptions",
    "PageSummary",
    "Question",
    "Reader",
    "Rendering",
    "ReportOptions",
    "ReportSummary",
    "Results",
    "SanityReport",
    "VideoSummary",
    "WhylightError",
    "WhylightWarning",
    "__version__",
    "cache_content",
    "check_sanity",
    "clear_cache",
    "colormaps",
    "compare",
    "compile",
    "convert",
    "evaluate_dataset",
    "explain",
    "explain_dataset",
    "explain_video",
    "explainer",
    "function",
    "image_copy",
    "image_size",
    "inspect",
    "load",
    "method",
    "method_of_passes",
    "methods",
    "metric",
    "metrics",
    "open_dataset",
    "open_results",
    "read_labels",
    "reader",
    "reader_through_onnx",
    "rule",
    "save_model",
    "write_page",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"whylight.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'whylight' has no attribute '{name}'")
