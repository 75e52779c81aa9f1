"""Directories, sockets, the registry of roots, and secrets."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import places, registry
from protocol.errors import NoRoot, PathTooLong, SecretUnreadable, SeveralRoots, UnsafeDirectory
from protocol.places import Door, RootEntry

DOORS: tuple[Door, ...] = ("control", "operator", "live", "past")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime root of this test's own, not made yet."""
    directory = tmp_path / "run"
    monkeypatch.setenv("SUPERVISOR_RUNTIME_DIR", str(directory))
    return directory


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_the_runtime_root_is_private(root: Path) -> None:
    """Made with mode 0700, whatever the umask; asked again, it is the same."""
    before = os.umask(0)
    try:
        assert places.runtime_root() == root
    finally:
        os.umask(before)

    assert mode(root) == 0o700
    assert places.runtime_root() == root


def test_the_session_directory_is_used_when_it_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """$XDG_RUNTIME_DIR when it exists; else /tmp with the user's number."""
    monkeypatch.delenv("SUPERVISOR_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert places.runtime_root() == tmp_path / "supervisor-tree"

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    assert places.runtime_root() == Path(f"/tmp/supervisor-tree-{os.geteuid()}")


def test_a_symbolic_link_is_refused(root: Path, tmp_path: Path) -> None:
    """Somebody else may have prepared a link at the known place: it is not followed."""
    (tmp_path / "theirs").mkdir(mode=0o700)
    root.symlink_to(tmp_path / "theirs")
    with pytest.raises(UnsafeDirectory, match="symbolic link"):
        places.runtime_root()

    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize("wrong", [0o755, 0o770, 0o701, 0o1700])
def test_another_mode_is_refused(root: Path, wrong: int) -> None:
    """A directory that others may enter is refused, with its mode and what to do."""
    root.mkdir()
    root.chmod(wrong)
    with pytest.raises(UnsafeDirectory, match=f"its mode is {wrong:04o}.*SUPERVISOR_RUNTIME_DIR"):
        places.runtime_root()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_owner_is_refused(root: Path) -> None:
    """A directory of somebody else is refused even when it is private."""
    root.mkdir(mode=0o700)
    os.chown(root, 65534, -1)
    with pytest.raises(UnsafeDirectory, match="belongs to user 65534"):
        places.runtime_root()


def test_a_file_in_the_way_is_refused(root: Path) -> None:
    """A file at the place is refused, not removed."""
    root.write_text("mine")
    with pytest.raises(UnsafeDirectory):
        places.runtime_root()

    assert root.read_text() == "mine"


def test_every_state_directory_has_a_private_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same place for every spelling, another one for every other directory."""
    (tmp_path / "var").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "var")
    monkeypatch.chdir(tmp_path)
    place = places.runtime_dir(tmp_path / "var")

    assert place == places.runtime_dir(Path("var")) == places.runtime_dir(Path("link"))
    assert place != places.runtime_dir(tmp_path / "other")
    assert mode(place) == 0o700


@given(name=st.text(max_size=300), long=st.integers(0, 3000), door=st.sampled_from(DOORS))
def test_socket_paths_always_fit(name: str, long: int, door: Door) -> None:
    """However long the state directory and whatever the child's id: below 107 bytes, one plain file name."""
    place = places.runtime_dir(Path("/" + "d" * long))
    path = places.endpoint(place, name, door).removeprefix("ipc://")
    place.rmdir()

    assert len(os.fsencode(path)) < 107
    assert Path(path).parent == place
    assert path.isprintable()


def test_a_long_runtime_root_still_has_room_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the root itself is too long, the sockets move to a private directory in /tmp."""
    monkeypatch.setenv("SUPERVISOR_RUNTIME_DIR", str(tmp_path / ("r" * 100)))
    place = places.runtime_dir(tmp_path)

    assert place.parent == Path(f"/tmp/supervisor-tree-{os.geteuid()}")
    assert mode(place) == 0o700
    place.rmdir()
    with pytest.raises(PathTooLong, match="at most 106"):
        places.endpoint(tmp_path / ("r" * 100), "feed", "past")


def test_names_never_meet() -> None:
    """Different children and doors have different sockets, also those whose names are hashed."""
    names = ["feed", "Feed", "feed ", "a/b", "a-b", "é", "n" * 24, "n" * 25, "n" * 26, "", ".", ".."]
    endpoints = {places.endpoint("/run/x", name, door) for name in names for door in DOORS}

    assert len(endpoints) == len(names) * len(DOORS)
    assert "ipc:///run/x/feed.past" in endpoints


def entry(state_dir: Path, pid: int | None = None, at_ms: int = 1) -> RootEntry:
    pid = os.getpid() if pid is None else pid
    return RootEntry(pid, places.process_start_ticks(pid) or 0, str(state_dir), "demo", "/run/x", at_ms)


def test_a_running_root_is_found(tmp_path: Path) -> None:
    """The only one without being told, and by any spelling of its state directory."""
    mine = entry(tmp_path)
    places.register(mine)

    assert places.find_root(None) == places.find_root(tmp_path / "x" / "..") == mine
    assert places.running_roots() == places.known_roots() == [mine]
    assert places.find_state_dir(None) == tmp_path


def test_nothing_running_is_told(tmp_path: Path, root: Path) -> None:
    """No root at all, or none on the directory that was named: said with what to do."""
    with pytest.raises(NoRoot, match="start one with"):
        places.find_root(None)
    places.register(entry(tmp_path))
    with pytest.raises(NoRoot, match="/elsewhere"):
        places.find_root(Path("/elsewhere"))


def test_several_roots_are_told_apart(tmp_path: Path) -> None:
    """With two running, the command must be told which; the error names both."""
    for name in ("a", "b"):
        places.register(entry(tmp_path / name))
    with pytest.raises(SeveralRoots, match="--state-dir") as caught:
        places.find_root(None)
    with pytest.raises(SeveralRoots):
        places.find_state_dir(None)

    assert sorted(caught.value.state_dirs) == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert places.find_root(tmp_path / "b").state_dir == str(tmp_path / "b")


def test_a_root_that_ended_stays_known(tmp_path: Path) -> None:
    """After an orderly end it no longer runs, although its process still does, and its data is found."""
    places.register(entry(tmp_path))
    places.unregister(tmp_path)
    places.unregister(tmp_path)
    places.unregister(tmp_path / "never seen")

    assert places.running_roots() == []
    assert [known.state_dir for known in places.known_roots()] == [str(tmp_path)]
    assert places.find_state_dir(None) == tmp_path


def test_a_killed_root_does_not_run(tmp_path: Path) -> None:
    """Without any farewell: the process is gone, also while nobody has reaped it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        places.register(entry(tmp_path, process.pid))
        assert len(places.running_roots()) == 1
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert places.running_roots() == []
        process.wait()

    assert places.running_roots() == []
    assert places.process_start_ticks(process.pid) is None


def test_a_pid_used_again_deceives_nobody(tmp_path: Path) -> None:
    """The same pid with another start time is another process."""
    places.register(dataclasses.replace(entry(tmp_path), started=1))

    assert places.running_roots() == []
    assert len(places.known_roots()) == 1


def test_the_newest_known_directory_that_exists_is_used(tmp_path: Path) -> None:
    """With nothing running: the last one used, unless it was removed; else it is said."""
    for name, at_ms in (("old", 1), ("newer", 2), ("removed", 3)):
        if name != "removed":
            (tmp_path / name).mkdir()
        places.register(entry(tmp_path / name, pid=0, at_ms=at_ms))

    assert places.find_state_dir(None) == tmp_path / "newer"
    assert places.find_state_dir(Path("given")) == Path("given")
    (tmp_path / "newer").rmdir()
    (tmp_path / "old").rmdir()
    with pytest.raises(NoRoot):
        places.find_state_dir(None)


def test_the_books_of_a_root_that_started_last_but_ended_before_were_read(tmp_path: Path) -> None:
    """Which root is meant with nothing running goes by its end, not by its start."""
    for name, at_ms, ended_ms in (("long", 1, 9), ("short", 5, 6)):
        (tmp_path / name).mkdir()
        places.register(dataclasses.replace(entry(tmp_path / name, pid=0, at_ms=at_ms), ended_ms=ended_ms))

    assert places.find_state_dir(None) == tmp_path / "long"


def test_a_killed_root_goes_by_what_was_written_last(tmp_path: Path) -> None:
    """It could not say when it ended, but its workers' databases do."""
    for name, at_ms in (("killed", 1), ("newer", 5)):
        (tmp_path / name / "data").mkdir(parents=True)
        places.register(entry(tmp_path / name, pid=0, at_ms=at_ms))
    (tmp_path / "killed" / "data" / "broker.db").touch()

    assert places.find_state_dir(None) == tmp_path / "killed"


def test_a_replays_root_was_taken_for_the_users(tmp_path: Path) -> None:
    """A temporary root is neither asked nor read unless it is named, running or not."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "replay").mkdir()
    places.register(dataclasses.replace(entry(tmp_path / "replay", at_ms=9), temporary=True))
    with pytest.raises(NoRoot):
        places.find_root(None)
    with pytest.raises(NoRoot):
        places.find_state_dir(None)
    places.register(entry(tmp_path / "mine", pid=0))

    assert places.find_state_dir(None) == tmp_path / "mine"
    assert places.find_root(tmp_path / "replay").temporary
    places.unregister(tmp_path / "replay")
    assert places.find_state_dir(None) == tmp_path / "mine"


def test_the_registry_does_not_grow(tmp_path: Path) -> None:
    """Only so many roots that ended are remembered, the newest; a running one always."""
    places.register(entry(tmp_path / "running", at_ms=0))
    for n in range(registry.REMEMBERED + 10):
        places.register(entry(tmp_path / str(n), pid=0, at_ms=n + 1))

    assert len(places.known_roots()) == registry.REMEMBERED + 1
    assert places.find_root(None).state_dir == str(tmp_path / "running")
    assert places.known_roots()[0].at_ms == registry.REMEMBERED + 10


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x"}', "\xff", "null"])
def test_a_damaged_entry_is_passed_over(tmp_path: Path, root: Path, text: str) -> None:
    """One bad file in the registry does not hide the others."""
    places.register(entry(tmp_path))
    (root / "roots" / "bad.json").write_bytes(text.encode("latin-1"))

    assert [known.state_dir for known in places.known_roots()] == [str(tmp_path)]


def test_secrets_come_from_three_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment first, then the file it names, then systemd's credentials; stripped."""
    (tmp_path / "file").write_text(" from file\n")
    (tmp_path / "some_token").write_text("from systemd\n")
    assert places.secret("SOME_TOKEN") is None

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert places.secret("SOME_TOKEN") == "from systemd"
    monkeypatch.setenv("SOME_TOKEN_FILE", str(tmp_path / "file"))
    assert places.secret("SOME_TOKEN") == "from file"
    monkeypatch.setenv("SOME_TOKEN", " from environment ")
    assert places.secret("SOME_TOKEN") == "from environment"


def test_an_unreadable_secret_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is named but not there is an error, never a missing secret; bytes are not shown."""
    monkeypatch.setenv("SOME_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(SecretUnreadable, match="FileNotFoundError"):
        places.secret("SOME_TOKEN")
    (tmp_path / "none").write_bytes(b"\xff\xfehidden")
    with pytest.raises(SecretUnreadable) as caught:
        places.secret("SOME_TOKEN")

    assert "hidden" not in str(caught.value)


def test_places_needs_the_standard_library_only() -> None:
    """It is imported where nothing else is."""
    heavy = "{'zmq', 'msgspec', 'loguru', 'psutil'} & set(sys.modules)"
    code = f"import sys, protocol.places; sys.exit(bool({heavy}))"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
