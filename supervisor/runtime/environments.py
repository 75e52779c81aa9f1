"""All environments of a tree together: where the secrets are looked for that must never reach a log."""

from __future__ import annotations

import os

from supervisor.config import Tree, workers


def environments(tree: Tree) -> dict[str, str]:
    """The root's own variables, and each child's under ``child.NAME``, so that none hides another."""
    children = {
        f"{worker.id}.{name}": value
        for worker in workers(tree.root)
        for name, value in worker.program.environment.items()
    }
    return {**os.environ, **children}
