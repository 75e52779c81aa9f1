"""Puts the notifier together: configuration, outbox, core, and a channel where there are credentials."""

from __future__ import annotations

from loguru import logger

from protocol.messages.stream import EventsRole
from protocol.places import secret
from workers.notifier.config import NotifierConfig, TelegramConfig, refuse_unfit
from workers.notifier.core import NotifierCore
from workers.notifier.delivery import Delivery
from workers.notifier.outbox import TABLES, Outbox
from workers.notifier.state import restore
from workers.notifier.telegram import Telegram, open_telegram
from workers.shared.worker import Condition, Context, Worker


def build(context: Context) -> Worker:
    """Make the notifier ready to be driven.

    Raises:
        PersonMustLook: the configuration or the state are not as they must be.
        SecretUnreadable: a file that should hold a secret cannot be read.
    """
    config = context.config(NotifierConfig)
    refuse_unfit(config, context.launch.child)
    channel = _channel(config.telegram) if config.deliver == "auto" else None
    journal = context.open_journal(tables=TABLES)
    outbox = Outbox(journal)
    delivery = Delivery(outbox, channel) if channel is not None else None
    state = restore(journal.state(), heartbeat_ms=config.heartbeat_ms, health_ms=config.health_ms)
    core = NotifierCore(
        state,
        sends=delivery is not None,
        queued=outbox.queued,
        posted=delivery.posted if delivery is not None else _nobody,
    )
    return Worker(
        core=core,
        journal=journal,
        inputs=config.inputs,
        timed=core,
        rewinds=lambda role: isinstance(role, EventsRole),  # what a root lost it does not say again
        condition=delivery.condition if delivery is not None else Condition,
        services=(delivery,) if delivery is not None else (),
    )


def _channel(config: TelegramConfig) -> Telegram | None:
    token = secret("TELEGRAM_BOT_TOKEN")
    chat_id = secret("TELEGRAM_CHAT_ID") if config.chat_id == "env" else str(config.chat_id)
    if token and chat_id:
        logger.info("notifications go to the log and to Telegram")
        return open_telegram(token, chat_id, config.base_url)
    if token or (chat_id and config.chat_id == "env"):
        missing = "TELEGRAM_CHAT_ID" if token else "TELEGRAM_BOT_TOKEN"
        logger.bind(missing=missing).warning("notifications go to the log only: a credential is missing")
    return None


def _nobody() -> None:
    """Do nothing on purpose: the log is told by the step itself."""
