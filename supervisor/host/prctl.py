"""The few calls of Linux' prctl(2) that tie processes to each other.

A leaf, standard library only: the launcher imports it in an interpreter without site-packages.
"""

from __future__ import annotations

import ctypes
import os
import signal

_SET_PDEATHSIG = 1
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36
_GET_CHILD_SUBREAPER = 37
_NAME_LENGTH = 15

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: object) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def die_with_parent(parent: int) -> None:
    """Have the kernel send SIGKILL when the parent *thread* ends; ``parent`` is the pid it must be.

    Call it after the last fork and after any change of user: both clear the setting.
    """
    _prctl(_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    # The parent may have died before the call above. Its pid is compared, not 1: a subreaper may adopt.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def set_name(name: str) -> None:
    """Show ``name``, cut to 15 bytes, as the command of this process in ``ps`` and ``top``."""
    _prctl(_SET_NAME, ctypes.c_char_p(os.fsencode(name)[:_NAME_LENGTH]))


def set_subreaper(*, wanted: bool) -> None:
    """Adopt, or no longer adopt, orphaned descendants in the place of init."""
    _prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(wanted))


def is_subreaper() -> bool:
    """Whether this process adopts its orphaned descendants."""
    answer = ctypes.c_int(0)
    _prctl(_GET_CHILD_SUBREAPER, ctypes.byref(answer))
    return bool(answer.value)
