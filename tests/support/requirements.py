"""Which rows of the requirements have tests: ``python -m tests.support.requirements``.

The rows are those of ``tests/data/requirements.md``; a test names the ones it proves by
``@pytest.mark.req("S3")``. Nothing is run: pytest only collects.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TABLE = Path(__file__).parent.parent / "data" / "requirements.md"
ROW = re.compile(r"^\| (?P<id>[A-Z]\d+) \| (?P<text>.*) \|$")
WIDTH = 110

Evidence = Mapping[str, Sequence[str]]
"""The names of the tests behind each row."""


@dataclass(frozen=True)
class Requirement:
    """One row: its id and what it demands."""

    id: str
    text: str


class UnknownRow(Exception):
    """A test claims to prove a row that is not in the table."""

    def __init__(self, test: str, row: str, known: Iterable[str]) -> None:
        super().__init__(test, row)
        self.test, self.row, self.known = test, row, tuple(known)

    def __str__(self) -> str:
        return f"{self.test} is marked with row {self.row!r}; the rows are {' '.join(self.known)}"


def requirements(table: str | None = None) -> tuple[Requirement, ...]:
    """Read the rows of the table, in its order."""
    lines = (TABLE.read_text() if table is None else table).splitlines()
    return tuple(Requirement(found["id"], found["text"]) for line in lines if (found := ROW.match(line)))


def rows_of(item: pytest.Item) -> Iterator[str]:
    """Yield the rows that a test is marked with, once each, whether on itself, its class or its module."""
    yield from dict.fromkeys(str(row) for marker in item.iter_markers("req") for row in marker.args)


def check_rows(items: Iterable[pytest.Item]) -> None:
    """Raise ``UnknownRow`` at the first test that is marked with a row that does not exist."""
    known = [row.id for row in requirements()]
    for item in items:
        for row in rows_of(item):
            if row not in known:
                raise UnknownRow(item.nodeid, row, known)


@dataclass
class Collector:
    """A pytest plugin that notes which tests stand behind which row."""

    evidence: dict[str, list[str]] = field(default_factory=dict)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the tests of a finished collection."""
        for item in session.items:
            for row in rows_of(item):
                self.evidence.setdefault(row, []).append(item.nodeid)


def render(rows: Sequence[Requirement], evidence: Evidence) -> Iterator[str]:
    """Yield the lines of the table: each row, beneath it its tests or ``-``; then how many have some."""
    for row in rows:
        yield _shortened(f"{row.id:<4}{row.text}")
        yield from (f"      {line}" for line in _once_each(evidence.get(row.id, ())) or ["-"])
    yield f"{sum(row.id in evidence for row in rows)} of {len(rows)} rows have tests"


def _once_each(tests: Sequence[str]) -> list[str]:
    """Join the cases of one test: ``test_a[1]`` and ``test_a[2]`` become ``test_a (2 cases)``."""
    cases = Counter(test.partition("[")[0] for test in tests)
    return [test if count == 1 else f"{test} ({count} cases)" for test, count in cases.items()]


def _shortened(line: str) -> str:
    plain = line.replace("**", "").replace("`", "")
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 3].rstrip() + "..."


def main(arguments: Sequence[str]) -> int:
    """Collect, print the table, and return 0; when collecting fails, print why and return pytest's status."""
    collector = Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = int(pytest.main(["--collect-only", "--quiet", *arguments], plugins=[collector]))
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.stderr.write(said.getvalue())
        return status
    sys.stdout.write("\n".join(render(requirements(), collector.evidence)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
