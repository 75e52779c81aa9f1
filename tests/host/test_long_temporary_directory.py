"""A socket's path must be short; where temporary files lie may be long."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from supervisor.host.forkserver import Forkserver


@pytest.mark.req("S1")
def test_forkserver_starts_where_the_temporary_directory_has_a_long_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TMPDIR of 120 characters: the forkserver is there all the same, and leaves nothing."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    forkserver = Forkserver(())
    forkserver.start()
    directory = forkserver.directory
    forkserver.stop()

    assert directory is not None
    assert not Path(directory).exists()
