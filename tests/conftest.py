"""What every test gets: a clean environment, a watch over what it leaves behind, private directories."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.leaks import files_left, mark_descendants, no_leaks
from tests.support.requirements import UnknownRow, check_rows

__all__ = ["no_leaks"]

RUNTIME_DIR = "SUPERVISOR_RUNTIME_DIR"
OURS = ("SUPERVISOR_", "TELEGRAM_")
MARKERS = (
    "slow: takes seconds; left out where time is short",
    "leaves_sockets: kills a root outright, so that nobody is left to remove its sockets",
)

# No deadline for a single example: how fast one is says more of the machine than of the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Hide the user's own settings and runtime directory from the tests."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ[RUNTIME_DIR] = str(_short_dir())
    # A shell ignores SIGINT for what it runs in the background, nohup SIGHUP; who is started here would too.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    mark_descendants()


def pytest_unconfigure() -> None:
    """Remove the runtime directory of the run."""
    shutil.rmtree(os.environ.pop(RUNTIME_DIR), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark with a row that is not in the table."""
    try:
        check_rows(items)
    except UnknownRow as mistake:
        raise pytest.UsageError(str(mistake)) from mistake


@pytest.fixture
def runtime_dir(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give this test, and the processes it starts, a runtime directory of its own, with a short path.

    A socket or file that is left in it fails the test, unless it is marked ``leaves_sockets``.
    """
    directory = _short_dir()
    monkeypatch.setenv(RUNTIME_DIR, str(directory))
    try:
        yield directory
        left = [] if request.node.get_closest_marker("leaves_sockets") else files_left(directory)
    finally:
        shutil.rmtree(directory)
    if left:
        pytest.fail("left behind in the runtime directory:\n" + "\n".join(map(str, left)), pytrace=False)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Give this test an empty state directory."""
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    return directory


def _short_dir() -> Path:
    """Make a private directory whose path leaves room in the 107 bytes of a unix socket's."""
    return Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
