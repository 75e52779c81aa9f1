"""The output of a command: it may take nothing, and whoever reads it may have had enough."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import click

from workers.paper._failure import FAILED

_REFUSALS: Final = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG})


@contextmanager
def guarded() -> Iterator[None]:
    """Write everything out at the end; an output that takes nothing is a sentence and exit status 1."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # closed by whoever started the command
                sys.stdout.flush()
    except OSError as error:
        if error.errno not in _REFUSALS or error.filename is not None:
            raise
        _discard()
        with suppress(OSError):
            sys.stderr.write(f"paper: cannot write the output: {error.strerror}\n")
            sys.stderr.flush()
        raise SystemExit(FAILED) from error


@contextmanager
def readable() -> Iterator[None]:
    """End the command in order where the reader of the output has gone, as ``head`` does."""
    try:
        yield
    except BrokenPipeError as error:
        _discard()
        raise click.exceptions.Exit(0) from error


def _discard() -> None:
    """Send on to nowhere: what is still in the buffer would fail again when the interpreter ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
