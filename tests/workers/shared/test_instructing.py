"""Instructions for a broker: durable, in order, from several writers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from protocol.codec import INSTRUCTIONS
from protocol.journal import open_readonly, read_records
from protocol.messages.instruction import Instructed, KillSwitch, Pause, Resume
from workers.shared.instructing import NoSuchBroker, instruct, instructions_file


def told(folder: Path) -> list[Instructed]:
    """Read what the broker would."""
    with closing(open_readonly(instructions_file(folder, "broker"))) as connection:
        return [INSTRUCTIONS.decode(r.body) for r in read_records(connection, after=0, limit=999)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state directory in which a broker has kept books."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broker.db").touch()
    return tmp_path


@pytest.mark.req("B6")
def test_what_is_told_is_on_disk_in_order(folder: Path) -> None:
    """Each with its own id, who gave it and when."""
    first = instruct(folder, "broker", Pause(strategy="a"), "cli", 1)
    second = instruct(folder, "broker", KillSwitch(on=True), "telegram:7", 2)

    assert told(folder) == [
        Instructed(id=first, by="cli", at_ms=1, instruction=Pause(strategy="a")),
        Instructed(id=second, by="telegram:7", at_ms=2, instruction=KillSwitch(on=True)),
    ]
    assert first != second


def test_many_writers_at_once_lose_nothing(folder: Path) -> None:
    """Each opens the journal for itself; the lock keeps their numbers apart."""
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: instruct(folder, "broker", Resume(), "http", n), range(24)))

    assert sorted(one.id for one in told(folder)) == sorted(ids)


def test_a_broker_that_never_was_is_refused_in_words(folder: Path) -> None:
    """A name mistyped makes no file that nobody would ever read."""
    with pytest.raises(NoSuchBroker, match="no broker 'borker' keeps books"):
        instruct(folder, "borker", Resume(), "cli", 1)

    assert not instructions_file(folder, "borker").exists()
