"""The table of requirements: its rows are read whole, and the tests behind each are found by their marks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.requirements import Requirement, UnknownRow, check_rows, render, requirements

ROOT = Path(__file__).parents[2]
SUITE = """
import pytest
pytestmark = pytest.mark.req("S1")

@pytest.mark.parametrize("case", [1, 2])
def test_one(case): ...

@pytest.mark.req("X2")
class TestMany:
    def test_other(self): ...
"""


def test_rows_are_read_in_the_order_of_the_table() -> None:
    """Headings and rulers are not rows; pipes within a row belong to it."""
    table = "## A\n\n| id | the row |\n|---|---|\n| A1 | one `a | b` |\n| A12 | two |\n"

    assert requirements(table) == (Requirement("A1", "one `a | b`"), Requirement("A12", "two"))


def test_the_table_of_the_project_is_whole() -> None:
    """All rows of all eight sections are there, once each."""
    ids = [row.id for row in requirements()]

    assert len(ids) == len(set(ids)) == 56
    assert "".join(dict.fromkeys(row[0] for row in ids)) == "SOFTBNHX"


def test_rows_show_their_tests_and_a_dash_where_there_are_none() -> None:
    """Cases of one test are one line; the last line counts the rows that have tests."""
    rows = (Requirement("S1", "It **runs**."), Requirement("S2", "It " + "goes on " * 30))
    lines = list(render(rows, {"S1": ["t.py::test_a[1]", "t.py::test_a[2]", "t.py::test_b"]}))

    assert lines[:3] == ["S1  It runs.", "      t.py::test_a (2 cases)", "      t.py::test_b"]
    assert lines[3].endswith("...")
    assert lines[4:] == ["      -", "1 of 2 rows have tests"]


def test_a_mark_with_an_unknown_row_is_refused(request: pytest.FixtureRequest) -> None:
    """A mistyped row would look like a row without tests; the whole run stops instead."""
    check_rows([request.node])
    request.node.add_marker(pytest.mark.req("S99"))

    with pytest.raises(UnknownRow, match=r"test_a_mark_with.* is marked with row 'S99'; the rows are S1 S2 "):
        check_rows([request.node])


def test_the_command_prints_the_whole_table(tmp_path: Path) -> None:
    """What the command collects ends up behind the rows, from marks of functions, classes and modules."""
    suite = tmp_path / "test_marked.py"
    suite.write_text(SUITE)
    command = [sys.executable, "-m", "tests.support.requirements", f"--rootdir={tmp_path}", str(suite)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()

    assert [line.strip() for line in lines if "test_marked" in line] == [
        "test_marked.py::test_one (2 cases)",
        "test_marked.py::TestMany::test_other",
        "test_marked.py::TestMany::test_other",
    ]
    assert lines[-1] == "2 of 56 rows have tests"


def test_the_command_says_why_collecting_failed(tmp_path: Path) -> None:
    """A suite that cannot be read gives no table, which would look like missing tests."""
    (tmp_path / "test_broken.py").write_text("import nothing_of_that_name")
    command = [sys.executable, "-m", "tests.support.requirements", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (pytest.ExitCode.INTERRUPTED, "")
    assert "nothing_of_that_name" in done.stderr
