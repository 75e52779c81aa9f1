"""What all workers share. To import it loads what every worker needs, for the forkserver's preload."""

from workers.shared.process import run

__all__ = ["run"]
