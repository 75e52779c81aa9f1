"""Any other service, named by a URL, through apprise (the extra ``notify``).

Apprise tries once and says yes or no: waiting, retrying and remembering is ours. It is imported at the first
message.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from collections.abc import Awaitable, Callable
from typing import Final

from workers.notifier.outcome import Outcome, Refused, Sent
from workers.notifier.secrecy import cleaned, parts_of, quieten

WHOLE_TIMEOUT_S: Final = 60.0
EXTRA_MISSING: Final = "apprise is not installed: pip install 'supervisor-tree[notify]'"

Notify = Callable[[str, str], Awaitable[bool | None]]
"""URL and text in; True: taken, False: not taken, None: the URL is of no service known."""


async def by_apprise(url: str, text: str) -> bool | None:
    """Send with apprise. Raises ImportError where it is not installed."""
    import apprise

    quieten()
    service = apprise.Apprise()
    if not service.add(url):
        return None
    return bool(await service.async_notify(body=text))


class Service:
    """A service behind a URL, which holds secrets and is never shown."""

    def __init__(self, url: str, notify: Notify = by_apprise) -> None:
        self._url, self._notify = url, notify

    async def send(self, text: str, *, silent: bool = False) -> Outcome:
        """Send once."""
        try:
            async with asyncio.timeout(WHOLE_TIMEOUT_S):
                taken = await self._notify(self._url, text)
        except ImportError:
            return Refused(EXTRA_MISSING, certain=True)
        except TimeoutError:
            return Refused("no answer in time")
        except Exception as error:  # noqa: BLE001 - a hundred services, each with errors of its own
            return Refused(cleaned(f"{type(error).__name__}: {error}", *parts_of(self._url)))
        if taken is None:
            return Refused("the URL is of no service that apprise knows", certain=True)
        # Apprise says no as well where the service took it and its answer came too late.
        return Sent() if taken else Refused("the service did not take it")

    async def close(self) -> None:
        """Nothing is kept open."""


def name_of(url: str) -> str:
    """Return a name for the channel behind ``url`` that tells nothing of its secrets."""
    return f"{url.partition(':')[0][:16]}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def extra_installed() -> bool:
    """Whether apprise is there, without importing it."""
    return importlib.util.find_spec("apprise") is not None
