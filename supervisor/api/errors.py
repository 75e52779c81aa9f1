"""What can go wrong with a tree from code.

::

    ConfigError              the description is wrong: nothing was started (from supervisor.config)
    RootAlreadyHere          this process runs a tree already (from supervisor.runtime)
    StateDirBusy             another root runs on the state directory (from supervisor.host)
    NotGuarded               a child imports the script of its tree, and that starts the tree again
    Refused                  an operation on a running tree was not carried out
"""

from __future__ import annotations


class NotGuarded(Exception):
    """The import of ``module``, for one of its callables, would run a tree within a child of that tree."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        self.module = module

    def __str__(self) -> str:
        return (
            f"a child of the tree imports {self.module!r}, which runs the tree: "
            'put that under `if __name__ == "__main__":`'
        )


class Refused(Exception):
    """``verb`` (start, stop, restart) did not come to its end on ``child``; ``detail`` says why."""

    def __init__(self, verb: str, child: str, detail: str) -> None:
        super().__init__(verb, child, detail)
        self.verb, self.child, self.detail = verb, child, detail

    def __str__(self) -> str:
        return f"{self.verb} of {self.child!r}: {self.detail}"
