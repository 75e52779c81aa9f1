"""Puts the notifier together: configuration, outbox, core, and senders where there are credentials."""

from __future__ import annotations

from pathlib import Path

from loguru import logger

from protocol.places import secret
from workers.notifier import channels
from workers.notifier.bot import Bot
from workers.notifier.channels import Senders
from workers.notifier.config import NotifierConfig, refuse_unfit
from workers.notifier.core import Around, NotifierCore
from workers.notifier.delivery import always
from workers.notifier.kinds import Words
from workers.notifier.outbox import TABLES, Outbox
from workers.notifier.problems import Credentials, credentials
from workers.notifier.state import Rhythm, restore
from workers.shared.worker import Context, Worker

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
    names = channels.names(found) if found else ()
    outbox = Outbox(journal, names)
    bot = Bot(found.token, config.telegram.base_url) if found and found.token else None
    senders = channels.senders(found, bot, outbox, always) if found else Senders()
    state = restore(journal.state(), _rhythm(config))
    around = Around(
        channels=names, boot=_boot_id(), queued=outbox.queued, total=outbox.total, posted=senders.posted
    )
    core = NotifierCore(state, Words(config.messages, config.templates), around)
    return Worker(
        core=core,
        journal=journal,
        inputs=config.inputs,
        timed=core,
        condition=senders.condition,
        services=senders.deliveries,
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
