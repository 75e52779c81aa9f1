"""Puts the notifier together: configuration, outbox, core, and senders where there are credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loguru import logger

from protocol.messages.stream import EventsRole
from protocol.places import secret
from workers.notifier import channels
from workers.notifier.books import Books
from workers.notifier.bot import Bot
from workers.notifier.channels import Senders
from workers.notifier.config import NotifierConfig, refuse_unfit
from workers.notifier.core import Around, NotifierCore
from workers.notifier.kinds import Words
from workers.notifier.listening import STRANGERS, Listening
from workers.notifier.obeying import Obeying
from workers.notifier.outbox import TABLES, Outbox
from workers.notifier.problems import Credentials, credentials
from workers.notifier.state import Rhythm, restore
from workers.notifier.watch import Watch
from workers.shared.operating import Operating
from workers.shared.worker import Condition, Context, Service, Worker

LINGER_S: Final = 0.25
"""How long a stop waits for the root's word of it, which is the last thing to tell."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def build(context: Context) -> Worker:
    """Make the notifier ready to be driven.

    Raises:
        PersonMustLook: the configuration or the state are not as they must be.
        SecretUnreadable: a file that should hold a secret cannot be read.
    """
    config = context.config(NotifierConfig)
    refuse_unfit(config, context.launch.child)
    found = credentials(config, secret) if config.deliver == "auto" else None
    _tell(found)
    journal = context.open_journal(tables=TABLES)
    outbox = Outbox(journal, channels.names(found) if found else ())
    state = restore(journal.state(), _rhythm(config))
    helpers = _Helpers()
    books = Books(Path(context.launch.state_dir), config.brokers)
    around = Around(
        channels=channels.names(found) if found else (),
        boot=_boot_id(),
        keep_unsent=config.keep_unsent,
        queued=outbox.queued,
        queued_in=outbox.queued_in,
        total=outbox.total,
        strangers=lambda: outbox.noted(STRANGERS) or 0,
        posted=helpers.posted,
        equity=books.equity,
        children=helpers.children,
    )
    core = NotifierCore(state, Words(config.messages, config.templates), around)
    if found is not None:
        _help(helpers, context, config, found, outbox, books, core)
    return Worker(
        core=core,
        journal=journal,
        inputs=config.inputs,
        timed=core,
        rewinds=lambda role: isinstance(role, EventsRole),  # what a root lost it does not say again
        condition=helpers.condition,
        services=helpers.services,
        linger_s=LINGER_S if helpers.senders.deliveries else 0.0,
    )


@dataclass
class _Helpers:
    """What runs beside the core, where there is anybody to tell."""

    senders: Senders = field(default_factory=Senders)
    watch: Watch | None = None
    listening: Listening | None = None

    @property
    def services(self) -> tuple[Service, ...]:
        others = (self.watch, self.listening)
        return (*self.senders.deliveries, *(one for one in others if one is not None))

    def posted(self) -> None:
        self.senders.posted()

    def children(self) -> dict[str, str] | None:
        found = self.watch.children() if self.watch is not None else None
        return dict(found) if found is not None else None

    def condition(self) -> Condition:
        told = [one.condition() for one in (self.senders, self.watch, self.listening) if one is not None]
        return Condition(reasons=tuple(reason for one in told for reason in one.reasons))


def _help(
    helpers: _Helpers,
    context: Context,
    config: NotifierConfig,
    found: Credentials,
    outbox: Outbox,
    books: Books,
    core: NotifierCore,
) -> None:
    """Add what sends, what looks at the tree, and what listens, as far as each is wanted and can work."""
    launch = context.launch
    bot = Bot(found.token, config.telegram.base_url) if found.token is not None else None
    root = Operating(launch.runtime_dir)
    helpers.senders = Senders(problems=found.problems)
    if bot is not None or found.urls or found.dead_man_url is not None:
        helpers.watch = Watch(launch.child, root, core.complain, dead_man_url=found.dead_man_url)
        helpers.senders = channels.senders(
            found, bot, outbox, allowed=config.telegram.allowed, goes_out=helpers.watch.goes_out
        )
    if bot is None or found.chat_id is None or helpers.watch is None or not config.telegram.commands:
        return
    obeying = Obeying(Path(launch.state_dir), root, books, config.brokers, lambda: core.summary("So far"))
    # A bot of its own: when one lets go of its connections the other may be in the middle of a call.
    ear = Bot(found.token or "", config.telegram.base_url)
    helpers.listening = Listening(
        ear,
        outbox,
        channels.chats(found.chat_id, config.telegram.allowed),
        obeying.perform,
        posted=helpers.posted,
        goes_out=helpers.watch.goes_out,
    )


def _rhythm(config: NotifierConfig) -> Rhythm:
    return Rhythm(
        heartbeat_ms=config.heartbeat_ms,
        health_ms=config.health_ms,
        daily_minute=config.daily_minute,
        zone=config.time_zone,
    )


def _tell(found: Credentials | None) -> None:
    """Say once, at the start, where messages go and what keeps them."""
    names = channels.names(found) if found else ()
    if names:
        logger.bind(channels=names).info("notifications go to the log and to channels")
    else:
        logger.info("notifications go to the log only")
    for problem in found.problems if found else ():
        logger.bind(problem=problem).warning("notifications are kept back")


def _boot_id() -> str | None:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return None
