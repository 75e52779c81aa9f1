"""Errors on their way to the operator: one sentence on stderr and an exit status."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

import click

from protocol.errors import NoAnswer, NoRoot, ProtocolError, SeveralRoots

FAILED: Final = 1
USAGE: Final = 2
NOT_READY: Final = 3
NO_ROOT: Final = 4
TIMED_OUT: Final = 5
INTERRUPTED: Final = 130

_CODES: Final[tuple[tuple[type[ProtocolError], int], ...]] = (
    (NoRoot, NO_ROOT),
    (SeveralRoots, USAGE),
    (NoAnswer, TIMED_OUT),
    (ProtocolError, FAILED),
)


_REFUSED: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
)
"""What the operating system refuses to this user or on this disk, whichever file a command asks for."""


class Failure(click.ClickException):
    """The command cannot be done; ``exit_code`` says whose turn it is."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence to stderr; what that cannot take does not change the exit status."""
        with suppress(OSError):
            click.echo(f"supervisor: {self.message}", file=file, err=file is None)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors with a meaning for operators into failures.

    These are the errors of ``protocol``, every error with an ``exit_code`` of its own, and files that the
    operating system refuses.
    """
    try:
        yield
    except click.ClickException:
        raise
    except ProtocolError as error:
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        raise Failure(str(error), code) from error
    except OSError as error:
        if error.filename is None or error.errno not in _REFUSED:
            raise
        raise Failure(f"cannot use {error.filename}: {error.strerror}") from error
    except Exception as error:
        own_code = getattr(error, "exit_code", None)
        if not isinstance(own_code, int) or isinstance(error, click.exceptions.Exit):
            raise
        raise Failure(str(error), own_code) from error
