"""One script of modules, as a browser would have run them."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from whylight.page import compose


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are the modules."""
    monkeypatch.setattr(compose, "files", lambda _: tmp_path)
    compose.joined.cache_clear()
    yield tmp_path
    compose.joined.cache_clear()


def test_each_module_stands_once_behind_what_it_imports(modules: Path) -> None:
    (modules / "a.js").write_text("export const a = 1;\n")
    (modules / "b.js").write_text('import { a } from "./a.js";\nexport function b() {\n  return a;\n}\n')
    (modules / "c.js").write_text(
        'import {\n  a,\n} from "./a.js";\nimport { b } from "./b.js";\nimport "./d.js";\nexport class C {}\nb(a);\n'
    )
    (modules / "d.js").write_text("export async function d() {}\n")
    assert compose.joined("c") == (
        "const a = 1;\nfunction b() {\n  return a;\n}\nasync function d() {}\nclass C {}\nb(a);\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        'import * as a from "./a.js";',
        'import a from "./a.js";',
        'import { a } from "elsewhere";',
        "export default 1;",
        "export { a };",
        'export * from "./a.js";',
    ],
)
def test_what_cannot_be_joined_is_refused(modules: Path, line: str) -> None:
    (modules / "a.js").write_text("export const a = 1;\n")
    (modules / "page.js").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=r"page\.js: .*expected names in braces from a module beside it") as caught:
        compose.joined("page")
    assert line in str(caught.value)


def test_names_that_are_renamed_are_refused(modules: Path) -> None:
    (modules / "a.js").write_text("export const a = 1;\n")
    (modules / "page.js").write_text('import { a as b } from "./a.js";\nb;\n')
    with pytest.raises(ValueError, match=r"page\.js: 'import \{ a as b \}.*expected names in braces"):
        compose.joined("page")


def test_a_circle_is_named(modules: Path) -> None:
    (modules / "a.js").write_text('import "./b.js";\n')
    (modules / "b.js").write_text('import "./a.js";\n')
    with pytest.raises(ValueError, match="a -> b -> a"):
        compose.joined("a")


def test_a_name_that_two_modules_give_is_refused(modules: Path) -> None:
    (modules / "a.js").write_text("const size = 1;\n")
    (modules / "b.js").write_text('import "./a.js";\nfunction size() {}\n')
    with pytest.raises(ValueError, match=r"b\.js: 'size' is a\.js's, too"):
        compose.joined("b")


def test_the_hashes_are_those_of_what_stands_in_the_page() -> None:
    page = compose.parts("report")
    for part in ("style", "script"):
        assert page[f"{part}_hash"] == base64.b64encode(hashlib.sha256(page[part].encode()).digest()).decode()
        assert not re.search(r"</(?:script|style)|<!--", page[part]), "it would end the element"
