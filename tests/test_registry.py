"""The tables that methods, metrics, functions, rules and readers are in."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from installing import install
from whylight.errors import WhylightError, WhylightWarning
from whylight.methods import method, method_named, methods
from whylight.reading.nnp.functions import function
from whylight.registry import Registry
from whylight.trust.metrics import metric_named, metrics

GROUP = "whylight.fruit"
Install = Callable[..., None]


@pytest.fixture
def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts packages where this process finds them."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(package: str, entry_points: str, source: str = "") -> None:
        install(tmp_path, package, f"[{GROUP}]\n{entry_points}\n", source)
        monkeypatch.delitem(sys.modules, package, raising=False)

    return put


def of_colors(modules: tuple[str, ...] = ()) -> Registry[str]:
    """A registry of strings, which takes those that entry points name."""

    def take(found: Any, origin: str) -> None:
        if isinstance(found, str):
            registry.add(found, found.upper(), origin)

    registry = Registry[str]("fruit", modules, GROUP, take)
    return registry


def ran(folder: Path, text: str) -> str:
    """What a program of the user prints."""
    (folder / "program.py").write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_name_is_refused_twice_and_both_places_are_named() -> None:
    registry = of_colors()
    registry.add("apple", "red", "orchard:apple")
    with pytest.raises(WhylightError, match=r"fruit 'apple' is defined twice, in orchard:apple and in shop:apple"):
        registry.add("apple", "green", "shop:apple")
    assert dict(registry) == {"apple": "red"}


def test_the_same_place_may_define_it_anew() -> None:
    registry = of_colors()
    registry.add("apple", "red", "__main__:apple")
    registry.add("pear", "green", "__main__:pear")
    registry.add("apple", "yellow", "__main__:apple")
    assert list(registry.items()) == [("apple", "yellow"), ("pear", "green")]


def test_unknown_names_are_told_the_nearest() -> None:
    registry = of_colors()
    registry.add("apple", "red", "orchard:apple")
    registry.add("quince", "yellow", "orchard:quince")
    with pytest.raises(WhylightError, match=r"^no fruit 'aple'; the nearest are 'apple'$"):
        registry.named("aple")
    assert "aple" not in registry
    assert registry.get("aple") is None


def test_packages_are_looked_for_only_when_a_name_is_missing_or_all_are_listed(
    installing: Install, tmp_path: Path
) -> None:
    (tmp_path / "built_in.py").write_text(
        "import test_place\ntest_place.registry.add('apple', 'red', 'built_in:apple')"
    )
    registry = of_colors(("built_in",))
    sys.modules["test_place"] = type(sys)("test_place")
    vars(sys.modules["test_place"])["registry"] = registry
    installing("garden", "any = garden:NAME", "NAME = 'plum'")
    try:
        assert registry.named("apple") == "red"
        assert "garden" not in sys.modules
        assert registry.named("plum") == "PLUM"
        assert list(registry) == ["apple", "plum"]
    finally:
        for name in ("built_in", "test_place"):
            sys.modules.pop(name, None)


def test_a_listing_goes_on_without_a_package_that_is_broken(installing: Install) -> None:
    installing("broken", "rotten = broken:NAME", "raise RuntimeError('worms\\nand more')")
    installing("gone", "lost = gone.nowhere")
    installing("whole", "ripe = whole:NAME", "NAME = 'plum'")
    registry = of_colors()
    with pytest.warns(WhylightWarning) as caught:
        assert list(registry) == ["plum"]
    said = sorted(str(warning.message) for warning in caught)
    assert said == [
        "package 'broken' cannot be loaded: its entry point 'rotten' of whylight.fruit (broken:NAME) raises "
        "RuntimeError: worms",
        "package 'gone' cannot be loaded: its entry point 'lost' of whylight.fruit (gone.nowhere) raises "
        "ModuleNotFoundError: No module named 'gone'",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert len(registry) == 1
        assert registry.named("plum") == "PLUM"
        with pytest.raises(
            WhylightError, match=r"no fruit 'pear'; the nearest are 'plum'; package 'broken' cannot be "
        ):
            registry.named("pear")


def test_a_package_that_takes_a_name_is_at_fault_itself(installing: Install) -> None:
    installing("thief", "any = thief:NAME", "NAME = 'apple'")
    registry = of_colors()
    registry.add("apple", "red", "orchard:apple")
    with pytest.raises(WhylightError, match=r"package 'thief' .* defined twice, in orchard:apple and in thief:NAME"):
        registry.named("pear")
    assert registry.named("apple") == "red"


def test_threads_that_come_at_once_all_find_it(installing: Install, tmp_path: Path) -> None:
    registry = of_colors()
    installing("slow", "any = slow:NAME", "import time\ntime.sleep(0.2)\nNAME = 'plum'")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(registry.named, ["plum"] * 8)) == ["PLUM"] * 8


def test_a_package_may_look_something_up_while_it_is_imported(installing: Install) -> None:
    source = "import time, test_place\ntime.sleep(0.1)\ntest_place.registry.get('nothing')\nNAME = 'plum'"
    installing("asking", "any = asking:NAME", source)
    registry = of_colors()
    sys.modules["test_place"] = type(sys)("test_place")
    vars(sys.modules["test_place"])["registry"] = registry
    try:
        with ThreadPoolExecutor(2) as pool:
            found = [pool.submit(registry.named, "plum") for _ in range(2)]
            assert [each.result(timeout=20) for each in found] == ["PLUM"] * 2
    finally:
        sys.modules.pop("test_place")


# ---- the registries of whylight


def test_a_built_in_name_does_not_look_into_installed_packages(tmp_path: Path) -> None:
    text = """
import importlib.metadata
def refuse(**_): raise AssertionError("looked")
importlib.metadata.entry_points = refuse
from whylight.methods import method_named
from whylight.gradient.rule import rules
from whylight.reading import reader_of
from whylight.reading.nnp.functions import supported_functions
from whylight.trust.metrics import metric_named
from pathlib import Path
Path("model.onnx").write_bytes(b"a model")
print(method_named("gradcam").name, metric_named("insertion").name, callable(rules()["Relu"]),
      callable(supported_functions()["ReLU"]), reader_of(Path("model.onnx")).name)
"""
    assert ran(tmp_path, text) == "gradcam insertion True True ONNX\n"


def test_the_order_of_lists_does_not_depend_on_what_was_imported_first(tmp_path: Path) -> None:
    first = "import whylight.methods.control, whylight.methods.head, whylight.trust.localization\n"
    text = "from whylight.methods import methods\nfrom whylight.trust.metrics import metrics\n"
    text += "print(*methods(), '/', *metrics())"
    listed = ran(tmp_path, first + text)
    assert listed == ran(tmp_path, text)
    assert listed.startswith("gradcam ")


def test_a_metric_of_the_users_own_program_stands_beside_the_others(tmp_path: Path) -> None:
    text = """
from whylight.trust.metrics import metric, metric_named, metrics
for _ in range(2):  # as a cell of a notebook that is run again
    @metric("mine", "the largest value", "nobody", higher_is_better=True)
    def mine(cases):
        return cases.maps.max((1, 2))
print(list(metrics())[-1], len(metrics()), metric_named("mine").function is mine, metric_named("insertion").name)
"""
    assert ran(tmp_path, text) == f"mine {len(metrics()) + 1} True insertion\n"


def test_a_program_that_takes_a_built_in_name_is_told_at_once(tmp_path: Path) -> None:
    text = """
from whylight.errors import WhylightError
from whylight.methods import method, method_named, methods
try:
    @method("gradcam", "mine", "nobody")
    def mine(op, target): return target.activation
except WhylightError as error:
    print(error)
print(methods()["gradcam"].paper)
"""
    said, paper = ran(tmp_path, text).splitlines()
    assert said.startswith(
        "method 'gradcam' is defined twice, in whylight.methods.class_activation:gradcam and in __main__:mine"
    )
    assert paper.startswith("Selvaraju")


def test_functions_and_methods_are_not_replaced() -> None:
    def other(*_: Any) -> Any:
        return None

    with pytest.raises(WhylightError, match="conversion of the function 'ReLU' is defined twice, in whylight"):
        function("ReLU")(other)
    with pytest.raises(WhylightError, match="method 'layercam' is defined twice, in whylight"):
        method("layercam", "", "")(other)
    with pytest.raises(WhylightError, match="no metric 'insertoin'; the nearest are 'insertion'"):
        metric_named("insertoin")


def test_what_is_said_of_methods_and_metrics_in_json() -> None:
    said = methods()["occlusion"].to_dict()
    assert (said["name"], said["sees_layer"], said["passes"]) == ("occlusion", False, methods()["occlusion"].passes)
    judged = metrics()["deletion"].to_dict()
    assert list(judged) == ["name", "summary", "paper", "passes", "higher_is_better", "needs_regions"]
    assert judged["higher_is_better"] is False


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("GradCAM", "gradcam"),
        ("grad-cam", "gradcam"),
        ("Grad_CAM", "gradcam"),
        ("Grad-CAM++", "gradcam++"),
        ("gradcam_plusplus", "gradcam++"),
        ("GradCAMPlusPlus", "gradcam++"),
        ("EigenCAM", "eigencam"),
        ("EigenGradCAM", "eigen-gradcam"),
        ("ScoreCAM", "score-cam"),
        ("HiResCAM", "hirescam"),
        ("LayerCAM", "layercam"),
        ("AblationCAM", "ablation-cam"),
        ("Integrated Gradients", "integrated-gradients"),
        ("RISE", "rise"),
    ],
)
def test_methods_are_known_by_the_names_that_people_use(written: str, name: str) -> None:
    assert method_named(written).name == name


def test_the_nearest_names_are_near() -> None:
    with pytest.raises(WhylightError, match=r"the nearest are 'eigencam'"):
        method_named("EIGENCAMM")


def test_a_name_that_could_be_two_is_none() -> None:
    registry = of_colors()
    registry.add("red-apple", "red", "orchard:a")
    registry.add("redapple", "green", "orchard:b")
    assert registry.named("redapple") == "green"
    with pytest.raises(WhylightError, match="no fruit 'RedApple'"):
        registry.named("RedApple")
