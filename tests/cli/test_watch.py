"""status --watch for a reader at the other end of a pipe."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest
from rich.console import Console

from supervisor.cli._table import rendered, watch_status
from tests.cli.conftest import FakeRoot, child


@pytest.mark.req("O2")
def test_each_frame_goes_into_the_pipe_at_once(root: FakeRoot) -> None:
    """Between two looks everything shown so far has left the process."""
    pipe = io.BytesIO()
    seen: list[int] = []

    def wait() -> None:
        seen.append(pipe.getvalue().count(b"feed"))
        if len(seen) == 3:
            raise KeyboardInterrupt

    stdout = io.TextIOWrapper(io.BufferedWriter(pipe), encoding="utf-8")
    with redirect_stdout(stdout), pytest.raises(KeyboardInterrupt):
        watch_status(root.status, wait)

    assert seen == [1, 2, 3]


@pytest.mark.req("O2")
@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, "NAME STATE HEALTH PID"),
        (60, "NAME STATE HEALTH PID UPTIME RESTARTS"),
        (200, "NAME STATE HEALTH PID UPTIME RESTARTS LAST EXIT CPU MEMORY NEXT"),
    ],
)
def test_a_narrow_terminal_had_states_and_pids_cut_to_an_ellipsis(
    root: FakeRoot, width: int, shown: str
) -> None:
    """Columns at the right are left out; what is shown is whole."""
    root.children = [child("strategy", pid=1234567), child("broker", state="parked", health="critical")]
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as captured:
        console.print(rendered(root.status()))
    text = captured.get()
    (heads,) = [line.split() for line in text.splitlines() if line.startswith("NA")][:1]

    assert " ".join(heads) == shown
    assert all(word in text for word in ("1234567", "parked"))
    assert "…" not in text
