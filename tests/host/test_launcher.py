"""The launcher as a program: what it costs and what it never does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import supervisor

HEAVY = {"asyncio", "subprocess", "msgspec", "multiprocess", "dataclasses", "inspect", "pathlib", "logging"}


@pytest.mark.req("S10")
def test_imports_next_to_nothing() -> None:
    """The launcher needs neither site-packages nor the heavy parts of the standard library."""
    package_root = str(Path(supervisor.__file__).parents[1])
    code = (
        f"import sys; sys.path.append({package_root!r}); import supervisor.host.launcher; import json;"
        "print(json.dumps(list(sys.modules)))"
    )
    modules = set(
        json.loads(
            subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True).stdout
        )
    )

    assert not modules & HEAVY
