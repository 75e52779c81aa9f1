"""A state directory for a worker without a root: no root may come, and no second worker of that name."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.paper._failure import FAILED, USAGE, Failure


@contextmanager
def alone(state_dir: Path, child: str) -> Iterator[None]:
    """Hold the state directory for ``child``; fails in words where a root or its like is there already.

    Several workers may share the directory: what a root locks for itself, they lock together.
    """
    root = (
        f"a root runs on the state directory {state_dir}: stop it with"
        f" `supervisor stop --state-dir {state_dir}`, or name another one with --state-dir"
    )
    again = f"{child} runs alone on the state directory {state_dir} already: end it, or name another one"
    data = state_dir / "data"
    try:
        data.mkdir(parents=True, exist_ok=True)
        with (
            _locked(state_dir / "root.lock", fcntl.LOCK_SH, root),
            _locked(data / f"{child}.alone.lock", fcntl.LOCK_EX, again),
        ):
            yield
    except OSError as error:
        raise Failure(f"state directory {state_dir}: {error.strerror or error}", USAGE) from error


@contextmanager
def _locked(path: Path, how: int, refusal: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure(refusal, FAILED) from error
        yield
    finally:
        os.close(descriptor)
