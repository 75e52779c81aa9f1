"""--preflight looks at the files a root and its workers have left behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from protocol.journal import Journal
from tests.cli.conftest import Shell


@pytest.fixture
def journals(shell: Shell) -> tuple[Path, Path]:
    """The root's journal and one of a worker, both good."""
    shell.write()
    state = shell.cwd / "var"
    (state / "data").mkdir(parents=True)
    paths = state / "events.db", state / "data" / "feed.db"
    for path, stream in zip(paths, ("root", "feed"), strict=True):
        Journal.open(path, stream=stream, durability="process").close()
    return paths


@pytest.mark.req("O1")
def test_good_state_files(shell: Shell, journals: tuple[Path, Path]) -> None:
    """Good ones are told as good."""
    result = shell("start", "--preflight")

    assert result.exit_code == 0, result.stderr
    assert "state files: 2, all good" in result.stdout


@pytest.mark.req("O1")
@pytest.mark.parametrize("which", [0, 1])
def test_a_damaged_state_file(shell: Shell, journals: tuple[Path, Path], which: int) -> None:
    """One that is no database is named; exit status 1."""
    journals[which].write_bytes(b"not a database at all" * 400)
    result = shell("start", "--preflight")

    assert result.exit_code == 1
    assert str(journals[which]) in result.stderr
    assert sorted(path.name for path in journals[which].parent.glob("*.corrupt*")) == []


@pytest.mark.req("O1")
def test_a_foreign_state_file(shell: Shell, journals: tuple[Path, Path]) -> None:
    """The database of another program is named; exit status 1."""
    journals[1].unlink()
    with closing(sqlite3.connect(journals[1])) as other:
        other.execute("CREATE TABLE t (x)")
    result = shell("start", "--preflight")

    assert result.exit_code == 1
    assert "another program" in result.stderr
