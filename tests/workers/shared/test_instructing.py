"""Instructions for a broker: durable, in order, from several writers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from protocol.codec import INSTRUCTIONS
from protocol.errors import ReadOnlyStorage
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


def test_what_cannot_be_locked_is_refused_in_words(folder: Path) -> None:
    """A directory of somebody else's: it was a traceback, and the end of a notifier."""
    instructions_file(folder, "broker").with_suffix(".lock").mkdir()
    with pytest.raises(ReadOnlyStorage, match=r"broker\.instructions\.lock: not writable"):
        instruct(folder, "broker", Resume(), "cli", 1)

    assert not instructions_file(folder, "broker").exists()


@pytest.mark.req("B6")
@pytest.mark.skipif(os.geteuid() != 0, reason="only uid 0 makes files in the directory of somebody else")
def test_after_root_has_told_something_the_owner_still_can(folder: Path) -> None:
    """``sudo paper pause`` once, and no kill switch of a chat would ever have been heard again."""
    os.chown(folder / "data", 65534, 65534)
    instruct(folder, "broker", Pause(), "cli", 1)

    made = [path for path in (folder / "data").iterdir() if path.name != "broker.db"]
    assert {path.name for path in made} == {"broker.instructions.db", "broker.instructions.lock"}
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(65534, 65534)}
