"""The standard streams of a command: there may be none, and they may take nothing."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_REFUSALS: Final = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG})


def provide() -> None:
    """Open what was closed on /dev/null, so that no other file takes the number of a standard stream."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest number that is free: this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


@contextmanager
def guarded() -> Iterator[None]:
    """Write everything out at the end; an output that takes nothing is a sentence and exit status 1."""
    try:
        try:
            yield
        finally:
            _write_out()
    except OSError as error:
        if error.errno not in _REFUSALS or error.filename is not None:
            raise
        _discard(1)  # what is still in the buffer would fail again when the interpreter ends
        with suppress(OSError):
            sys.stderr.write(f"supervisor: cannot write the output: {error.strerror}\n")
            sys.stderr.flush()
        raise SystemExit(1) from error


def _write_out() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(1)  # whoever read has enough


def _discard(fd: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
