"""``python -m supervisor``: the root process; children never run this module again."""

from __future__ import annotations

from supervisor.cli import main
from supervisor.cli._importable import allow_working_directory

if __name__ == "__main__":
    allow_working_directory()
    main()
