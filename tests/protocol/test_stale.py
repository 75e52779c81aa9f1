"""Runtime directories of killed roots go with the next start, and nobody else's do."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import places, stale
from protocol.places import RootEntry
from protocol.registry import registry_directory

LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def private(runtime_dir: Path) -> Path:
    """A runtime directory for each test."""
    return runtime_dir


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Sockets to be closed."""
    made: list[socket.socket] = []
    yield made
    for one in made:
        one.close()


def left(state_dir: Path, *, age: int = LONG_AGO) -> Path:
    """The runtime directory of a root on this state directory, with a dead socket in it."""
    place = places.runtime_dir(state_dir)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(place / "root.operator"))
    os.utime(place, (age, age))
    return place


def entry(state_dir: Path, place: Path) -> RootEntry:
    """This process as a root."""
    started = places.process_start_ticks(os.getpid()) or 0
    return RootEntry(os.getpid(), started, str(state_dir), "demo", str(place), 0)


def swept() -> int:
    """Remove what is stale; how many."""
    with stale.entering() as alone:
        assert alone
        return stale.remove_stale()


@pytest.mark.req("S7")
@pytest.mark.req("X1")
def test_what_a_killed_root_has_left_is_removed(tmp_path: Path) -> None:
    """Thousands were found on a machine where roots had been killed."""
    places_left = [left(tmp_path / name) for name in "abc"]

    assert swept() == 3
    assert not any(place.exists() for place in places_left)


@pytest.mark.req("S7")
def test_place_of_a_living_root_stays(tmp_path: Path) -> None:
    """Also when all its sockets are gone, which it will bind again; and not a moment after its end."""
    place = left(tmp_path / "a")
    (place / "root.operator").unlink()
    os.utime(place, (LONG_AGO, LONG_AGO))
    places.register(entry(tmp_path / "a", place))
    assert swept() == 0

    places.register(dataclasses.replace(entry(tmp_path / "a", place), pid=0))
    assert swept() == 1


@pytest.mark.req("S7")
def test_place_where_somebody_answers_stays(tmp_path: Path, sockets: list[socket.socket]) -> None:
    """A single worker (``paper run``) has no root that could be registered, nor one of another registry."""
    place = left(tmp_path / "a")
    door = socket.socket(socket.AF_UNIX)
    sockets.append(door)
    door.bind(str(place / "feed.live"))
    door.listen()
    os.utime(place, (LONG_AGO, LONG_AGO))

    assert swept() == 0
    assert place.is_dir()
    (place / "feed.live").unlink()
    (place / "root.operator").unlink()


@pytest.mark.req("S7")
def test_young_place_stays(tmp_path: Path) -> None:
    """Its owner is just about to bind its sockets."""
    place = places.runtime_dir(tmp_path)

    assert swept() == 0
    assert place.is_dir()


@pytest.mark.req("S7")
def test_what_is_not_a_place_of_a_root_stays(tmp_path: Path) -> None:
    """Other names, files and links are nobody's business here."""
    root = places.runtime_root()
    (root / "mine").mkdir()
    (root / ("a" * 16)).symlink_to(tmp_path)
    (root / ("b" * 16)).write_text("")
    for name in ("mine", "b" * 16):
        os.utime(root / name, (LONG_AGO, LONG_AGO))

    assert swept() == 0
    (root / ("b" * 16)).unlink()
    (root / ("a" * 16)).unlink()


@pytest.mark.req("S7")
def test_looking_and_entering_exclude_each_other() -> None:
    """A root between making its directory and registering was the only danger."""
    with stale.entering() as alone:
        assert alone
        other = os.open(registry_directory(), os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)


@pytest.mark.req("S7")
def test_who_is_suspended_while_entering_keeps_nobody_from_starting() -> None:
    """Each start of that user hung for as long as one root was stopped in the middle of its own."""
    with stale.entering() as first, stale.entering(patience=0.05) as second:
        assert (first, second) == (True, False)
    with stale.entering(patience=0) as third:
        assert third
