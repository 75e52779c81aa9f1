"""Errors on their way to the user: one sentence on stderr and an exit status."""

from __future__ import annotations

from typing import IO, Any, Final

import click

FAILED: Final = 1
USAGE: Final = 2


class Failure(click.ClickException):
    """The command cannot be done."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence to stderr."""
        click.echo(f"paper: {self.message}", file=file, err=file is None)
