"""Puts the broker together: configuration, fence, database, core."""

from __future__ import annotations

from protocol.codec import ACCOUNT
from protocol.messages.control import Done
from protocol.messages.stream import AccountRole
from workers.broker.config import BrokerConfig, OtherCash, refuse_later_features
from workers.broker.core import BrokerCore
from workers.broker.fence import hold
from workers.broker.state import restore
from workers.broker.store import TABLES
from workers.shared.worker import Context, Worker


def build(context: Context) -> Worker:
    """Make the broker ready to be driven.

    Raises:
        PersonMustLook: the configuration, the state or the books are not as they must be.
        FenceBusy: another broker is at work on these books.
    """
    child = context.launch.child
    config = context.config(BrokerConfig)
    refuse_later_features(config, child)
    hold(context.data_file(".lock"))
    journal = context.open_journal(tables=TABLES, durability=config.durability)
    state = restore(journal.state(), config.cash)
    if state.books.cash0 != config.cash:
        raise OtherCash(child, config.cash, state.books.cash0)
    core = BrokerCore(config.inputs, state, config.terms, dry_run=config.mode == "dry-run")
    return Worker(
        core=core,
        journal=journal,
        inputs=config.inputs,
        role=AccountRole(),
        encode=ACCOUNT.encode,
        done=lambda: done(core),
    )


def done(core: BrokerCore) -> Done | None:
    """Return what the root is told when the end of the recording is on the books."""
    if core.finished is None:
        return None
    return Done(then="shutdown" if core.finished == "shutdown" else "idle")
