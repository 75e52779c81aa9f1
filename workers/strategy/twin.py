"""Ends a process that user code has forked where it would come back from there.

It would be the same worker a second time, with the same journal, sockets and loop. What stays within user
code, as the processes of ``multiprocessing`` do, is no concern of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

WORDS: Final = (
    b"a process that the strategy forked came back from it and was ended: a worker cannot be two;"
    b" end such a process with os._exit, or use subprocess\n"
)


def without_twin(enters: Callable[P, T]) -> Callable[P, T]:
    """Make a function that enters user code return in the process in which it was called, and no other."""

    @wraps(enters)
    def entered(*arguments: P.args, **named: P.kwargs) -> T:
        born = os.getpid()
        try:
            return enters(*arguments, **named)
        finally:
            if os.getpid() != born:
                os.write(2, WORDS)
                os._exit(os.EX_SOFTWARE)

    return entered
