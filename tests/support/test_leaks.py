"""The leak watch catches what it promises to: each test here leaks on purpose, looks, and then cleans up."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from tests.support import leaks
from tests.support.deadline import wait_until

ROOT = Path(__file__).parents[2]
NAP = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def before() -> leaks.Snapshot:
    """What there was before the test leaked."""
    return leaks.take()


def found(before: leaks.Snapshot, *watched: Path) -> list[tuple[str, str]]:
    """Return kind and description of what is there beyond the snapshot, without any grace."""
    return [(leak.thing.kind, str(leak)) for leak in leaks.leaks_since(before, watched, grace_s=0)]


def test_nothing_new_is_no_leak(before: leaks.Snapshot) -> None:
    """A test that leaves nothing is left in peace."""
    assert found(before) == []


def test_running_process_is_caught(before: leaks.Snapshot) -> None:
    """A child that still runs is named with its command line, and containing it ends it."""
    with subprocess.Popen(NAP) as child:
        [leak] = leaks.leaks_since(before, grace_s=0)
        leaks.contain([leak])
        child.wait()

    assert not psutil.pid_exists(child.pid)
    assert (leak.thing.kind, leak.thing.number) == ("process", child.pid)
    assert "signal.pause()" in leak.name


def test_zombie_is_caught(before: leaks.Snapshot) -> None:
    """A dead child that nobody waited for counts."""
    with subprocess.Popen(["true"]) as child:
        wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
        [leak] = leaks.leaks_since(before, grace_s=0)

    assert "zombie" in leak.name


def test_orphan_is_caught(before: leaks.Snapshot) -> None:
    """A grandchild in a session of its own is found by its mark after its parent is gone."""
    options = "start_new_session=True, stdout=-3, stderr=-3"  # else it would hold our pipe open
    code = f"import subprocess; print(subprocess.Popen({NAP!r}, {options}).pid)"
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    [leak] = leaks.leaks_since(before, grace_s=0)
    leaks.contain([leak])

    assert (leak.thing.kind, leak.thing.number) == ("process", pid)


def test_open_file_is_caught(before: leaks.Snapshot, tmp_path: Path) -> None:
    """A descriptor is named by what it points to."""
    with (tmp_path / "open.db").open("w"):
        [(kind, text)] = found(before)

    assert kind == "descriptor"
    assert str(tmp_path / "open.db") in text


def test_socket_is_caught(before: leaks.Snapshot) -> None:
    """A socket is named by its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        [(kind, text)] = found(before)

        assert kind == "descriptor"
        assert f"port={server.getsockname()[1]}" in text


def test_descriptor_with_a_reused_number_is_caught() -> None:
    """A descriptor that took the number of an older one is new all the same."""
    one, other = os.pipe()
    before = leaks.take()
    os.close(one)
    with socket.socket() as replacement:
        assert replacement.fileno() == one
        assert [kind for kind, _ in found(before)] == ["descriptor"]
    os.close(other)


def test_thread_is_caught(before: leaks.Snapshot) -> None:
    """A thread is named, with the line where it stands."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten")
    thread.start()
    [(kind, text)] = found(before)
    end.set()
    thread.join()

    assert kind == "thread"
    assert "forgotten" in text
    assert "threading.py" in text


def test_event_loop_is_caught(before: leaks.Snapshot) -> None:
    """A loop that was not closed is named among its descriptors."""
    loop = asyncio.new_event_loop()
    texts = [text for _, text in found(before)]
    loop.close()

    assert any("event loops not closed" in text and "running=False" in text for text in texts)


def test_file_in_a_watched_directory_is_caught(before: leaks.Snapshot, tmp_path: Path) -> None:
    """Files and sockets that stay in the runtime directory are named."""
    (tmp_path / "stale").touch()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "control.sock"))
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots/0123.json").touch()  # as the registry does; excused
    texts = {text for _, text in found(before, tmp_path)}

    assert texts == {f"file: file {tmp_path / 'stale'}", f"file: socket {tmp_path / 'control.sock'}"}
    assert {str(leak) for leak in leaks.files_left(tmp_path, grace_s=0)} == texts


def test_what_ends_within_the_grace_is_no_leak(before: leaks.Snapshot) -> None:
    """A thread that is just ending is waited for."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    timer = threading.Timer(0.05, end.set)
    timer.start()

    assert leaks.leaks_since(before) == []
    timer.join()
    thread.join()


def test_allowance_excuses_only_its_kind() -> None:
    """Each row of the table excuses one kind of thing by its name, and says why."""
    process = leaks.Thing("process", 7, "")
    assert leaks.is_allowed(leaks.Leak(process, "7 [sleeping] python -c from multiprocess.resource_tracker"))
    assert not leaks.is_allowed(leaks.Leak(process, "7 [sleeping] python -m supervisor start"))
    assert not leaks.is_allowed(leaks.Leak(leaks.Thing("thread", 7, ""), "resource_tracker"))
    assert all(row.reason for row in leaks.ALLOWED)


@pytest.fixture
def leaky_suite(tmp_path: Path) -> Path:
    """A suite of its own, with one test that leaks a file and one that does not."""
    (tmp_path / "conftest.py").write_text(
        "from tests.support.leaks import no_leaks\n__all__ = ['no_leaks']\n"
    )
    (tmp_path / "test_leaky.py").write_text(
        textwrap.dedent(
            """
            KEPT = []
            def test_clean(tmp_path):
                (tmp_path / "a").touch()
            def test_leaky(tmp_path):
                KEPT.append((tmp_path / "kept-open").open("w"))
            """
        )
    )
    return tmp_path


def test_the_fixture_fails_the_leaky_test_only(leaky_suite: Path) -> None:
    """A suite that takes the fixture sees one test fail at its end, with what was left in words."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={leaky_suite}",
        ".",
    ]
    done = subprocess.run(
        command,
        cwd=leaky_suite,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "2 passed, 1 error" in done.stdout
    assert "kept-open" in done.stdout
    assert "ERROR test_leaky.py::test_leaky" in done.stdout
