"""``python -m supervisor``: the root process; children never run this module again."""

from __future__ import annotations

import signal

# The imports take a while, and a signal during them is to be heard, not to kill: ``main`` lets it through.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})

from supervisor.cli import main  # noqa: E402
from supervisor.cli._importable import allow_working_directory  # noqa: E402

if __name__ == "__main__":
    allow_working_directory()
    main()
