"""The output of ``paper``, which may take nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.journal import Journal
from tests.workers.broker.bench import Bench, candle, order
from workers.broker import store

PATIENCE = 60


@pytest.fixture
def books(state_dir: Path) -> Path:
    """Give a state directory with the books of a broker."""
    bench = Bench([candle(1, "100"), candle(2, "100")], {"s": [order(1)]}, lockstep=False).run()
    journal = Journal.open(state_dir / "data" / "broker.db", stream="broker", tables=store.TABLES)
    for step in bench.steps:
        journal.commit(state=step.state, statements=[(w.sql, w.parameters) for w in step.writes])
    journal.close()
    return state_dir


def paper(output: int, *words: str) -> tuple[int, str]:
    """Run the command with this output; return its exit status and what it complained of."""
    code = "from workers.paper import main; main()"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environ, stdout=output, stderr=subprocess.PIPE, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.req("O5")
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_full_output_was_a_traceback(books: Path, as_json: tuple[str, ...]) -> None:
    """One sentence and exit status 1."""
    with Path("/dev/full").open("w") as full:
        ended = paper(full.fileno(), "orders", "--state-dir", str(books), *as_json)

    assert ended == (1, "paper: cannot write the output: No space left on device\n")


@pytest.mark.req("O5")
def test_a_reader_that_has_enough_was_a_failure(books: Path) -> None:
    """Quiet, exit status 0."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert paper(writer, "orders", "--state-dir", str(books)) == (0, "")
    finally:
        os.close(writer)
