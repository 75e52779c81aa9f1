"""File descriptors of the root: as many as allowed, and a refusal before they run out.

A start that meets EMFILE half way leaves the forkserver dead; hence the look ahead.
"""

from __future__ import annotations

import os
import resource

from supervisor.host.errors import StartFailed

RESERVE = 64
"""What must be free before a start: it needs 10 for a moment, and databases and sockets want theirs."""
_LISTING = "/proc/self/fd"
PER_CHILD = 4
"""What the root keeps for each living worker: pidfd, sentinel, lifeline, output."""


def raise_limit() -> int:
    """Allow this process as many descriptors as the hard limit says; return the former soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def check_capacity(children: int) -> None:
    """Raise OSError when so many children cannot be held within the hard limit."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = PER_CHILD * children + 2 * RESERVE
    if limit < wanted:
        raise OSError(
            f"{children} children need {wanted} file descriptors, the hard limit is {limit}; raise it"
            " (ulimit -Hn, or LimitNOFILE= of the systemd unit)"
        )


def check_headroom() -> None:
    """Raise StartFailed when fewer than ``RESERVE`` descriptors are free."""
    limit, used = resource.getrlimit(resource.RLIMIT_NOFILE)[0], _used()
    if limit - used < RESERVE:
        raise StartFailed(
            f"the root holds {used} of {limit} file descriptors and keeps {RESERVE} in reserve; raise the"
            " hard limit (ulimit -Hn, or LimitNOFILE= of the systemd unit) or run fewer children"
        )


def _used() -> int:
    # Since Linux 6.2 the size of the directory is the count, which spares listing it.
    # And pathlib would take several times as long, of a restart.
    return os.stat(_LISTING).st_size or len(os.listdir(_LISTING))  # noqa: PTH116, PTH208
