"""The front desk: what a program may call."""

import io
import json
import subprocess
import sys
import warnings
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import whylight
from samples import BUNDLED
from whylight.errors import WhylightError

MNIST = BUNDLED / "mnist"
MODEL, TABLE, IMAGE = MNIST / "results.nnp", MNIST / "output_result.csv", MNIST / "images" / "0000.png"


ODD: Any = 5


@pytest.fixture(scope="module")
def explainer() -> whylight.Explainer:
    return whylight.explainer(MODEL, device="cpu")


def test_dir_shows_what_may_be_called_and_nothing_else() -> None:
    shown = dir(whylight)
    assert shown == sorted(whylight.__all__)
    for name in shown:
        assert getattr(whylight, name) is not None
        assert name == "__version__" or getattr(whylight, name).__doc__, f"{name} says nothing of itself"
    with pytest.raises(AttributeError, match="module 'whylight' has no attribute 'explainr'"):
        _ = whylight.explainr


def test_the_desk_itself_loads_neither_numpy_nor_onnx() -> None:
    heavy = ("numpy", "onnx", "onnxruntime", "PIL")
    code = f"import sys, whylight; dir(whylight); print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_file_a_classifier_and_its_compiled_file_explain_alike(explainer: whylight.Explainer, tmp_path: Path) -> None:
    expected = explainer(IMAGE, 9)
    whylight.save_model(whylight.compile(MODEL), tmp_path / "explainer.onnx")
    classifier = whylight.load(MODEL)
    for found in (
        whylight.explain(MODEL, IMAGE, 9),
        whylight.explain(str(MODEL), str(IMAGE), 9, cache=False),
        whylight.explain(classifier, IMAGE, 9),
        classifier.explainer()(IMAGE, 9),
        whylight.Explainer(tmp_path / "explainer.onnx")(IMAGE, 9),
    ):
        assert isinstance(found, whylight.Explanation)
        np.testing.assert_allclose(found.cam, expected.cam, atol=1e-5)
        assert found.to_dict() == {
            **expected.to_dict(),
            "score": pytest.approx(expected.score, rel=1e-5),
            "probability": pytest.approx(expected.probability, rel=1e-5),
        }


def test_python_callers_are_served_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path))
    model = tmp_path / "m.nnp"
    model.write_bytes(MODEL.read_bytes())
    whylight.explainer(model)
    assert whylight.cache_content().explainers == 1
    monkeypatch.setattr("whylight.reading.load", None)  # nothing reads the file a second time
    assert whylight.explainer(model)(IMAGE, 9).class_index == 9
    with pytest.raises(TypeError):
        whylight.explainer(model, cache=False)
    whylight.clear_cache()
    assert whylight.cache_content().explainers == 0


def test_images_are_taken_in_every_form(explainer: whylight.Explainer) -> None:
    expected = explainer(IMAGE, 9).cam
    with IMAGE.open("rb") as file:
        forms: list[Any] = [str(IMAGE), IMAGE.read_bytes(), io.BytesIO(IMAGE.read_bytes()), file, Image.open(IMAGE)]
        forms.append(np.asarray(Image.open(IMAGE)))
        for form in forms:
            np.testing.assert_allclose(explainer(form, 9).cam, expected, atol=1e-5)


def test_tensors_are_taken(explainer: whylight.Explainer) -> None:
    torch = pytest.importorskip("torch")
    values = torch.tensor(np.asarray(Image.open(IMAGE), np.float32) / 255, requires_grad=True)
    np.testing.assert_allclose(explainer(values, 9).cam, explainer(IMAGE, 9).cam, atol=1e-5)
    with pytest.raises(WhylightError, match=r"layer Conv2d.*: expected a name or several, found Conv2d"):
        whylight.load(MODEL).explainer(layer=torch.nn.Conv2d(1, 1, 1))


@pytest.mark.parametrize("index", ["9", np.int64(9), 9.0])
def test_a_class_index_is_taken_as_text_and_as_any_whole_number(explainer: whylight.Explainer, index: Any) -> None:
    assert explainer(IMAGE, index).class_index == 9


@pytest.mark.parametrize("index", [None, " ", 1.5, object])
def test_what_is_no_class_index_is_refused(explainer: whylight.Explainer, index: Any) -> None:
    with pytest.raises(WhylightError, match=r"class index .*: expected a whole number, a class's name or 'predicted'"):
        explainer(IMAGE, index)


@pytest.mark.parametrize("image", [None, 3, object(), {"a": 1}, io.StringIO("text")])
def test_what_is_no_image_is_refused(explainer: whylight.Explainer, image: Any) -> None:
    with pytest.raises(WhylightError, match=r"in place of an image|open it for bytes"):
        explainer(image, 9)


@pytest.mark.parametrize("model", [None, 3, b"content", ["a"]])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(WhylightError, match="in place of a model"):
        whylight.load(model)


def test_options_of_a_file_are_refused_where_it_is_loaded_already() -> None:
    with pytest.raises(WhylightError, match="the classifier is loaded already: give input_range to load"):
        whylight.explainer(whylight.load(MODEL), input_range=255)


def test_a_classifier_shows_itself_in_a_line() -> None:
    shown = repr(whylight.load(MODEL))
    assert len(shown) < 300
    assert "10 classes" in shown
    assert "1 x 28 x 28" in shown


def test_convert_and_compile_give_models_that_onnx_checks(tmp_path: Path) -> None:
    for model in (
        whylight.convert(MODEL),
        whylight.compile(MODEL, "layercam", layer=whylight.load(MODEL).layers[0].name),
    ):
        onnx.checker.check_model(model, full_check=True)


def test_inspect_says_what_the_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    inspection = whylight.inspect(MODEL)
    assert inspection.to_dict()["classes"] == 10
    assert "MNIST" in inspection.to_text() or "layers that can be explained" in inspection.to_text()


def test_methods_and_metrics_are_listed_with_their_papers() -> None:
    assert whylight.methods()["gradcam"].to_dict()["paper"] == "Selvaraju et al. 2017, ICCV"
    assert whylight.metrics()["insertion"].to_dict()["higher_is_better"] is True


def test_a_run_is_cancelled_between_batches_and_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    whole = whylight.explain_dataset(MODEL, TABLE, tmp_path / "whole" / "gradcam.csv", batch_size=4)
    assert whole.to_dict()["explained"] == 36
    cancel, done = Event(), list[int]()
    said: list[str] = []

    def advance(count: int) -> None:
        done.append(count)
        if sum(done) >= 12:
            cancel.set()

    output = tmp_path / "stopped" / "gradcam.csv"
    with pytest.raises(whylight.Cancelled, match="cancelled"):
        whylight.explain_dataset(MODEL, TABLE, output, batch_size=4, advance=advance, cancel=cancel)
    assert not output.exists()
    summary = whylight.explain_dataset(MODEL, TABLE, output, batch_size=4, say=said.append)
    assert summary.continued >= 12
    assert "going on after" in said[0]
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_evaluation_sanity_and_comparison_are_cancelled() -> None:
    cancel = Event()
    cancel.set()
    for work in (
        lambda: whylight.evaluate_dataset(MODEL, TABLE, metrics="sparsity", batch_size=4, cancel=cancel),
        lambda: whylight.check_sanity(MODEL, cancel=cancel),
        lambda: whylight.compare(MODEL, IMAGE, methods=["gradcam"], cancel=cancel),
    ):
        with pytest.raises(whylight.Cancelled):
            work()


def test_everything_that_runs_takes_a_device() -> None:
    for run in (
        lambda: whylight.explain(MODEL, IMAGE, 9, device="cuda"),
        lambda: whylight.load(MODEL).explainer(device="cuda")(IMAGE, 9),
        lambda: whylight.compare(MODEL, IMAGE, methods=["gradcam"], device="cuda"),
        lambda: whylight.evaluate_dataset(
            MODEL, TABLE, metrics="sparsity", limit=2, methods=["gradcam"], device="cuda"
        ),
    ):
        with pytest.warns(whylight.WhylightWarning, match="device 'cuda'"):
            run()


def test_two_threads_open_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from whylight.running import opened_graph, session

    opened = []
    open_session = session.open_session

    def counted(*arguments: Any, **options: Any) -> Any:
        opened.append(1)
        return open_session(*arguments, **options)

    monkeypatch.setattr(opened_graph, "open_session", counted)
    shared = whylight.load(MODEL).explainer("ablation-cam")
    assert opened == []
    with ThreadPoolExecutor(8) as pool:
        maps = [found.cam for found in pool.map(lambda _: shared(IMAGE, 9), range(8))]
    assert opened == [1]
    for cam in maps:
        np.testing.assert_array_equal(cam, maps[0])


@pytest.mark.parametrize(
    "asked",
    [{"layer": "nope"}, {"method": "layercam"}, {"input_range": 255}, {"parameters": "p.h5"}, {"smooth": True}],
)
def test_an_explainer_is_not_asked_for_what_it_was_not_made_for(
    explainer: whylight.Explainer, asked: dict[str, Any]
) -> None:
    with pytest.raises(WhylightError, match=r"the explainer is made already, of method 'gradcam': give"):
        whylight.explain(explainer, IMAGE, 9, **asked)


def test_an_explainer_may_be_run_otherwise(explainer: whylight.Explainer, tmp_path: Path) -> None:
    done: list[int] = []
    output = tmp_path / "gradcam.csv"
    whylight.explain_dataset(explainer, TABLE, output, batch_size=9, advance=done.append)
    assert max(done) == 9


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: whylight.compare(MODEL, IMAGE, against=99), "class index 99 to compare with is out of range"),
        (lambda: whylight.evaluate_dataset(MODEL, TABLE, methods=()), "no method is named"),
        (lambda: whylight.check_sanity(MODEL, methods=""), "no method is named"),
        (lambda: whylight.evaluate_dataset(MODEL, TABLE, output="e.png"), "the chart has this name"),
        (lambda: whylight.check_sanity(MODEL, output="s.PNG"), "the chart has this name"),
        (lambda: whylight.evaluate_dataset(MODEL, TABLE, maps={"gradcam": "m.npy"}), "expected a name that no method"),
        (lambda: whylight.evaluate_dataset(MODEL, TABLE, maps=ODD), "expected a mapping"),
        (lambda: whylight.compile(MODEL, [("gradcam", None)], layer="nope"), "several methods name their layers"),
        (lambda: whylight.load(MODEL, None, whylight.ModelOptions(), whylight.ModelOptions()), "given 2 times"),
        (lambda: whylight.explain_dataset(MODEL, TABLE, "g.csv", advance=ODD), "advance: expected a function"),
        (lambda: whylight.explain_dataset(MODEL, TABLE, "g.csv", cancel=ODD), "cancel: expected a threading.Event"),
        (lambda: whylight.Explainer("memory://e.onnx"), "a URL|pip install"),
        (lambda: whylight.load("memory://m.nnp"), "a URL|pip install"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    work: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WhylightError, match=message):
        work()
    assert list(tmp_path.iterdir()) == []


def test_all_methods_are_cancelled_between_two_of_them() -> None:
    cancel, told = Event(), list[int]()

    def advance(done: int) -> None:
        told.append(done)
        if len(told) == 3:
            cancel.set()

    with pytest.raises(whylight.Cancelled):
        whylight.evaluate_dataset(MODEL, TABLE, methods="all", cache=False, advance=advance, cancel=cancel)
    assert told == [0, 0, 0]


def test_options_are_ready_for_json() -> None:
    for options in (
        whylight.ReportOptions(labels=Path("labels.txt")),
        whylight.EvaluationOptions(per_image=Path("each.csv"), tolerance=2),
        whylight.ModelOptions(input_size=(3, 4), mean=(1, 2, 3)),
        whylight.Question(layer=("a", "b"), against=3),
    ):
        assert json.loads(json.dumps(options.to_dict(), allow_nan=False)) == options.to_dict()


NAMES = ["gradcam", "layercam", "hirescam", "xgradcam"]


def test_warnings_are_as_they_were_after_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path))
    before = (list(warnings.filters), warnings.showwarning, warnings._showwarnmsg_impl)  # type: ignore[attr-defined]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda name: whylight.explainer(MODEL, name), ["gradcam", "layercam", "hirescam", "xgradcam"] * 4)
        )
    assert (list(warnings.filters), warnings.showwarning, warnings._showwarnmsg_impl) == before  # type: ignore[attr-defined]


def test_a_kept_explainer_that_is_removed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path))
    expected = whylight.explainer(MODEL, cache=False)(IMAGE)
    for use in (lambda one: one(IMAGE), whylight.Explainer.digest, whylight.Explainer.content):
        explainer = whylight.explainer(MODEL)
        whylight.clear_cache()
        assert list(tmp_path.iterdir()) == []
        use(explainer)
        np.testing.assert_allclose(explainer(IMAGE).cam, expected.cam, atol=1e-6)


@pytest.mark.parametrize("fault", [{"input_variable": "nope"}, {"table": "none.csv"}])
def test_a_faulty_table_is_said_before_the_model_is_read(fault: dict[str, Any], tmp_path: Path) -> None:
    table = fault.pop("table", TABLE)
    with pytest.raises(WhylightError, match=r"no variable 'nope'|none\.csv"):
        whylight.explain_dataset(tmp_path / "none.nnp", table, tmp_path / "gradcam.csv", **fault)
