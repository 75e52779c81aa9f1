"""What a tree file wants of one of its workers, as the supervisor reads it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
from msgspec import Struct

from workers.paper._failure import USAGE, Failure


class Wanted(Struct, frozen=True, kw_only=True):
    """``start`` is module:callable; ``config`` its section with all that overrides it."""

    start: str
    config: dict[str, Any]
    config_dir: str
    state_dir: str
    environment: dict[str, str]
    directory: str | None = None


def wanted(child: str, config: str | None, sets: tuple[str, ...], state_dir: str | None) -> Wanted:
    """Ask ``supervisor check``; fails in its words where the tree, or the child in it, is not usable."""
    named = {"--config": config, "--state-dir": state_dir}
    words = [word for option, value in named.items() if value is not None for word in (option, value)]
    words += [word for one in sets for word in ("--set", one)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "supervisor", "check", "--worker", child, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failure(done.stderr.strip().removeprefix("supervisor: "), USAGE)
    return msgspec.json.decode(done.stdout, type=Wanted)
