"""What several test files of this room share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A fresh directory, and for the time of the test no more rights than an ordinary user has.

    The superuser may write anywhere, so that refusals could not be seen.
    """
    directory = Path(tempfile.mkdtemp(prefix="ordinary-"))
    before = os.geteuid()
    if before == 0:
        os.chown(directory, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        os.seteuid(before)
        for folder in [directory, *directory.rglob("*")]:
            if folder.is_dir():
                folder.chmod(0o700)
        shutil.rmtree(directory)
