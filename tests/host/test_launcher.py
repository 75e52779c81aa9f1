"""The launcher as a program: what it costs and what it never does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import supervisor

HEAVY = {
    "asyncio",
    "subprocess",
    "msgspec",
    "multiprocess",
    "dataclasses",
    "inspect",
    "pathlib",
    "logging",
    "typing",
    "re",
}


@pytest.mark.req("S10")
def test_imports_next_to_nothing() -> None:
    """The launcher needs neither site-packages nor the heavy parts of the standard library."""
    package_root = str(Path(supervisor.__file__).parents[1])
    code = (
        f"import sys; sys.path.append({package_root!r}); import supervisor.host.launcher;print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    modules = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())

    assert not modules & HEAVY
