"""An Erlang-style supervisor of operating-system processes. Knows nothing of what they do.

Rooms, and the only directions in which they may import:
``cli, api -> runtime -> host, link -> engine``; ``link -> protocol``. Nothing here imports ``workers``.

For programs that bring their own tree: ``from supervisor import Supervisor, Child`` (see ``supervisor.api``).
"""

from __future__ import annotations

TYPE_CHECKING = False  # the launcher imports this and has no room for the module typing
if TYPE_CHECKING:
    from supervisor.api import Child, Supervisor

__all__ = ["Child", "Supervisor"]


def __getattr__(name: str) -> object:
    # Children and commands import this package too, and have no use for what programs with a tree need.
    if name in __all__:
        from supervisor import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
