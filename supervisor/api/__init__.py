"""The supervisor for Python programs: describe a tree in code, be its root or run it beside your own work.

::

    from supervisor import Child, Supervisor

    tree = Supervisor([Child("web", command=["python3", "-m", "http.server", "8080"])])

    tree.run()                      # be the root, in the foreground, until Ctrl+C, or:

    async with tree as running:     # inside an asyncio program of your own
        await running.restart("web")

The same engine, the same words and the same defaults as a tree file; the ``supervisor`` commands (``status``,
``restart``, ``logs``, ``events`` ...) work on a tree from code as on any other.
"""

from supervisor.api.child import Child
from supervisor.api.errors import Refused
from supervisor.api.supervisor import Supervisor
from supervisor.config import ConfigError

__all__ = ["Child", "ConfigError", "Refused", "Supervisor"]
