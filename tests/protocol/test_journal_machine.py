"""The journal against a plain model, over commits, failures, kills and restarts."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.errors import StorageFull
from protocol.journal import Cursor, Journal
from tests.protocol.test_journal import TABLES, body, contents

SOURCES = st.sampled_from(["feed", "strategy"])
CURSORS = st.dictionaries(SOURCES, st.builds(Cursor, st.sampled_from(["j1", "j2"]), st.integers(0, 99)))


@dataclass
class Model:
    """What a journal must hold."""

    records: list[tuple[int, int, Any]] = field(default_factory=list)
    last_seq: int = 0
    first_seq: int = 1
    cursors: dict[str, Cursor] = field(default_factory=dict)
    state: bytes | None = None
    rows: list[str] = field(default_factory=list)


class JournalAgreesWithModel(RuleBasedStateMachine):
    """What was committed is there, what failed is not, whatever is killed in between."""

    @initialize()
    def begin(self) -> None:
        self.room = Path(tempfile.mkdtemp(prefix="journal-"))
        self.kills = 0
        self.model = Model()
        self.journal = self.opened(self.room / "0" / "x.db")
        self.id = self.journal.id

    def opened(self, path: Path) -> Journal:
        return Journal.open(path, stream="x", tables=TABLES)

    @rule(
        count=st.integers(0, 4), at_ms=st.integers(0, 10**12), cursors=CURSORS, state=st.none() | st.binary()
    )
    def commit(self, count: int, at_ms: int, cursors: dict[str, Cursor], state: bytes | None) -> None:
        model = self.model
        numbers = range(model.last_seq + 1, model.last_seq + count + 1)
        records = self.journal.commit(
            bodies=[body(seq) for seq in numbers],
            at_ms=at_ms,
            cursors=cursors,
            state=state,
            statements=[("INSERT INTO trades (note) VALUES (?)", (str(seq),)) for seq in numbers],
        )
        assert list(numbers) == [record.seq for record in records]
        model.records += [(seq, at_ms, seq) for seq in numbers]
        model.last_seq += count
        model.cursors |= cursors
        model.state = model.state if state is None else state
        model.rows += [str(seq) for seq in numbers]

    @rule()
    def commit_without_room(self) -> None:
        (pages,) = self.journal.connection.execute("PRAGMA page_count").fetchone()
        self.journal.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageFull):
            self.journal.commit(
                bodies=[body(b"x" * 200_000)], cursors={"feed": Cursor("lost", 1)}, state=b"lost"
            )
        self.journal.connection.execute("PRAGMA max_page_count = 1000000")

    @rule(during=st.booleans())
    def kill(self, during: bool) -> None:
        """The files as they are at this instant, or in the middle of a transaction, are all that is left."""
        self.kills += 1
        afterwards = self.room / str(self.kills)
        if during:
            with pytest.raises(InterruptedError):
                self.journal.commit(
                    bodies=[body("lost")], state=b"lost", statements=self.killed_in_between(afterwards)
                )
        else:
            shutil.copytree(self.journal.path.parent, afterwards)
        self.journal.close()
        self.journal = self.opened(afterwards / "x.db")

    def killed_in_between(self, afterwards: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
        yield "INSERT INTO trades (note) VALUES ('lost')", ()
        shutil.copytree(self.journal.path.parent, afterwards)
        raise InterruptedError

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = self.opened(self.journal.path)

    @precondition(lambda self: self.model.last_seq > 0)
    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        below = data.draw(st.integers(1, self.model.last_seq + 1))
        kept = [record for record in self.model.records if record[0] >= below]
        assert self.journal.prune(below, at_once=10**6) == len(self.model.records) - len(kept)
        self.model.records = kept
        self.model.first_seq = max(self.model.first_seq, below)

    @invariant()
    def agrees(self) -> None:
        rows = self.journal.connection.execute("SELECT note FROM trades ORDER BY id").fetchall()
        found = Model(
            records=contents(self.journal),
            last_seq=self.journal.last_seq,
            first_seq=self.journal.first_seq,
            cursors={name: c for name in ("feed", "strategy") if (c := self.journal.cursor(name))},
            state=self.journal.state(),
            rows=[note for (note,) in rows],
        )
        assert found == copy.deepcopy(self.model)
        assert self.journal.id == self.id

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.room)


TestJournalMachine = pytest.mark.req("B5")(JournalAgreesWithModel.TestCase)
TestJournalMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
