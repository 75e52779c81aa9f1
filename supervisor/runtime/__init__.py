"""The root process: gathers events, has the engine decide, performs the commands, and tells people."""

from supervisor.runtime.run import RunOptions, run

__all__ = ["RunOptions", "run"]
