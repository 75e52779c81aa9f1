"""status --watch for a reader at the other end of a pipe."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from supervisor.cli._table import watch_status
from tests.cli.conftest import FakeRoot


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
