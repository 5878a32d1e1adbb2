"""What holds for every method, whatever its formula."""

from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import whylight
from describing import describe
from methods.peers import Array, classifier, peers
from samples import BUNDLED, DATA
from whylight import Classifier
from whylight.compiling.compiler import compile_explainer, compile_maps
from whylight.contract import CLASS_INDEX
from whylight.methods import methods
from whylight.running.explainer import Explainer

SAME_FOR_ALL_CLASSES = {"eigencam", "kpca-cam", "fem", "random"}
TRANSFORMERS_ONLY = {"legrad"}
CLASSES = np.array([3, 7, 0])
NAMES = sorted(methods())
FORMULAS = sorted(name for name, method in methods().items() if method.driver is None)


def model_for(name: str) -> Classifier:
    return classifier("transformer" if name in TRANSFORMERS_ONLY else "pooled")


@cache
def explainer(name: str) -> Explainer:
    return model_for(name).explainer(name)


def images() -> Array:
    return np.concatenate([peers("pooled")["images"], peers("pooled")["images"][:1, :, ::-1]])


def maps(name: str, batch: Array, classes: Array) -> Array:
    return np.asarray(explainer(name).run(batch, classes)[2])


def assert_close(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(float(np.abs(expected).max()), 1e-30))


@pytest.mark.parametrize("name", NAMES)
def test_maps_are_finite_and_the_same_alone_as_in_a_batch(name: str) -> None:
    whole = maps(name, images(), CLASSES)
    assert np.isfinite(whole).all()
    assert np.ptp(whole) > 0
    singles = range(3) if name in FORMULAS else [2]  # once more, and in other company: what is random, is so once only
    for index in singles:
        assert_close(maps(name, images()[[index]], CLASSES[[index]])[0], whole[index])


@pytest.mark.parametrize("name", NAMES)
def test_maps_differ_between_classes_where_the_method_looks_at_the_class(name: str) -> None:
    one, other = (maps(name, images()[:1], np.array([index])) for index in (3, 7))
    assert np.allclose(one, other, atol=1e-3 * np.abs(one).max()) == (name in SAME_FOR_ALL_CLASSES)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_compiled_file_runs_in_onnx_runtime_alone(name: str) -> None:
    model = compile_explainer(model_for(name), name)
    assert {opset.domain for opset in model.opset_import} == {""}
    assert not {"Loop", "Scan", "If"} & {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["cam"], {"image": images(), CLASS_INDEX: CLASSES})
    assert_close(found, maps(name, images(), CLASSES))


@pytest.mark.parametrize("name", FORMULAS)
def test_a_batch_of_fixed_size_is_explained_as_any_other(name: str) -> None:
    if name in TRANSFORMERS_ONLY:
        pytest.skip("the stored transformer computes shapes from its batch")
    flexible = model_for(name)
    model = onnx.ModelProto()
    model.CopyFrom(flexible.model)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = 2
    fixed = describe(flexible.path, model, flexible.layers, "image", 1)
    assert_close(fixed.explainer(name).run(images(), CLASSES)[2], maps(name, images(), CLASSES))


def test_all_methods_of_one_pass_share_a_graph() -> None:
    names = [name for name in FORMULAS if name not in TRANSFORMERS_ONLY]
    together = Explainer(compile_maps(classifier("pooled"), [(name, None) for name in names]).SerializeToString())
    _, _, *found = together.run_all(images(), CLASSES)
    for name, cam in zip(names, found, strict=True):
        assert_close(cam, maps(name, images(), CLASSES))


@pytest.mark.parametrize(
    "question", [{"score": "output"}, {"against": 1}, {"against": "predicted"}, {"counterfactual": True}]
)
def test_all_questions_have_finite_answers(question: dict[str, Any]) -> None:
    """A model with one Sigmoid output, whose classes are 0 and 1; and one with a Softmax, for its output."""
    rng = np.random.default_rng(0)
    samples = [(DATA / "four_or_nine", [0, 1]), *([(BUNDLED / "mnist", [4, 1])] if "score" in question else [])]
    for path, classes in samples:
        model = whylight.load(path / "results.nnp")
        for name in FORMULAS:
            if name not in (*TRANSFORMERS_ONLY, "cam"):
                image = rng.random((2, 1, 28, 28), np.float32)
                found = model.explainer(name, **question).run(image, np.array(classes))[2]
                assert np.isfinite(found).all(), name


def test_the_counterfactual_of_hirescam_is_what_it_leaves_out() -> None:
    stored = peers("pooled")
    product = (stored["last/activation"] * stored["last/gradient"]).sum(1)
    found = (
        classifier("pooled")
        .explainer("hirescam", "relu_4", counterfactual=True)
        .run(stored["images"], stored["classes"])
    )
    assert_close(found[2], np.maximum(-product, 0))
