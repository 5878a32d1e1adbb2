"""The index of a table, compared with a plain list of its rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

import whylight
from whylight.app.table_index import TableIndex, View, build, is_current

NAMES = ("cat", "dog", "Großer Bär")


@dataclass(frozen=True)
class Expected:
    """A row."""

    number: int
    truth: int | None
    predicted: int | None
    confidence: float | None
    note: str

    @property
    def texts(self) -> str:
        names = [NAMES[each] for each in (self.truth, self.predicted) if each is not None]
        return "\n".join([f"{self.number}.png", self.note, *names]).lower()


@pytest.fixture(scope="module")
def rows() -> list[Expected]:
    chance = random.Random(0)
    return [
        Expected(
            number,
            chance.choice([None, 0, 1, 2]),
            predicted := chance.choice([None, 0, 1, 2]),
            None if predicted is None or chance.random() < 0.2 else chance.randint(0, 20) / 20,
            chance.choice(["", "a, b", "\uff21\uff22\uff23", "STRAẞE", "%_", "it's"]),
        )
        for number in range(1, 301)
    ]


@pytest.fixture(scope="module")
def index(rows: list[Expected], tmp_path_factory: pytest.TempPathFactory) -> TableIndex:
    folder = tmp_path_factory.mktemp("table")
    lines = ["x,y,predicted,probability,rank,note"]
    for row in rows:
        cells = [row.truth, row.predicted, row.confidence]
        said = ["" if cell is None else str(cell) for cell in cells]
        lines.append(",".join([f"{row.number}.png", *said, "1", f'"{row.note}"']))
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    results = whylight.open_results(folder / "table.csv", within=folder)
    build(results, folder, folder / "index.sqlite", "as it is", lambda _: None)
    return TableIndex(folder / "index.sqlite", NAMES)


@pytest.mark.parametrize("sort", ["row", "confident", "unsure", "class"])
@pytest.mark.parametrize(
    "view",
    [
        {},
        {"result": "right"},
        {"result": "wrong", "truth": 1},
        {"predicted": 2},
        {"lowest": 50},
        {"lowest": 25, "highest": 75, "truth": 0},
        {"text": "abc"},
        {"text": "DOG"},
        {"text": "%_"},
        {"text": "it's"},
        {"text": "12.png", "result": "wrong"},
        {"text": "nothing of the kind"},
    ],
    ids=str,
)
def test_a_view_is_that_of_a_list(index: TableIndex, rows: list[Expected], view: dict[str, object], sort: str) -> None:
    import unicodedata

    asked = View(**view, sort=sort)  # type: ignore[arg-type]

    def fits(row: Expected) -> bool:
        known = row.truth is not None and row.predicted is not None
        return (
            (asked.result == "" or (known and (row.truth == row.predicted) == (asked.result == "right")))
            and asked.truth in (None, row.truth)
            and asked.predicted in (None, row.predicted)
            and (asked.lowest is None or (row.confidence is not None and row.confidence >= asked.lowest / 100))
            and (asked.highest is None or (row.confidence is not None and row.confidence <= asked.highest / 100))
            and asked.text.lower() in unicodedata.normalize("NFKC", row.texts)
        )

    def key(row: Expected) -> float:
        if sort == "row":
            return 0
        if sort == "class":
            found = row.predicted if row.truth is None else row.truth
            return float("inf") if found is None else found
        if row.confidence is None:
            return float("inf")
        return row.confidence if sort == "unsure" else -row.confidence

    expected = [row.number for row in sorted(filter(fits, rows), key=key)]
    found, total = index.rows(asked, 0, 1000)
    assert [row["number"] for row in found] == expected
    assert total == len(expected)
    if len(expected) > 2:
        row, before, after = index.row(asked, expected[1])
        assert row is not None
        assert (before, row["number"], after) == (expected[0], expected[1], expected[2])
        assert index.row(asked, expected[0])[1] == 0
        assert [one["number"] for one in index.rows(asked, 1, 1)[0]] == [expected[1]]


def test_facts_are_counted(index: TableIndex, rows: list[Expected]) -> None:
    both = [(row.truth, row.predicted) for row in rows if row.truth is not None and row.predicted is not None]
    assert index.facts["rows"] == len(rows)
    assert index.facts["right"] == sum(truth == predicted for truth, predicted in both)
    assert {(t, p): count for t, p, count in index.facts["confusions"]} == {each: both.count(each) for each in both}
    assert "note" in index.facts["columns"]
    assert index.facts["are_probabilities"]


def test_an_index_is_checked(index: TableIndex, tmp_path: Path) -> None:
    assert is_current(index.path, "as it is")
    assert not is_current(index.path, "otherwise")
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(index.path.read_bytes()[:5000])
    assert not is_current(broken, "as it is")
    broken.write_bytes(b"no database")
    assert not is_current(broken, "as it is")
    assert not is_current(tmp_path / "nothing.sqlite", "as it is")


def test_a_build_that_is_stopped_leaves_nothing(index: TableIndex, tmp_path: Path) -> None:
    results = whylight.open_results(index.path.parent / "table.csv")

    def stop(_: int) -> None:
        raise whylight.Cancelled("cancelled")

    with pytest.raises(whylight.Cancelled):
        build(results, index.path.parent, tmp_path / "cache" / "index.sqlite", "", stop)
    assert list((tmp_path / "cache").iterdir()) == []
