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
    return msgspec.json.decode(_checked("--worker", child, *words), type=Wanted)


def state_dir_in(config: str | None) -> str | None:
    """Return the state directory of a tree; None where no tree is named."""
    return _checked("--where", "--config", config).strip() if config else None


def _checked(*words: str) -> str:
    """Ask ``supervisor check``, for the workers do not know the supervisor; fails in its words."""
    command = [sys.executable, "-P", "-m", "supervisor", "check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(done.stderr.strip().removeprefix("supervisor: "), USAGE)
    return done.stdout
