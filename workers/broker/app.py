"""Puts the broker together: configuration, fence, database, core."""

from __future__ import annotations

from protocol.codec import ACCOUNT
from protocol.journal import Journal
from protocol.messages.control import Done
from protocol.messages.stream import AccountRole, OrdersRole
from workers.broker.config import BrokerConfig, OtherCash, refuse_later_features
from workers.broker.core import BrokerCore
from workers.broker.fence import hold
from workers.broker.funding import FundingSchedule, load
from workers.broker.paper_venue import paper
from workers.broker.rules import Rules
from workers.broker.state import restore
from workers.broker.store import TABLES, check_ledger
from workers.broker.teller import Teller
from workers.shared.instructing import instructions_file
from workers.shared.preflight import Place
from workers.shared.worker import Context, Worker


def startable(config: BrokerConfig, place: Place) -> None:
    """Raise PersonMustLook for a section with which no broker could start."""
    refuse_later_features(config, place.child)
    if config.funding_file is not None:
        load(place.path(config.funding_file))


def build(context: Context) -> Worker:
    """Make the broker ready to be driven.

    Raises:
        PersonMustLook: the configuration, the state or the books are not as they must be.
        FenceBusy: another broker is at work on these books.
    """
    child = context.launch.child
    config = context.config(BrokerConfig)
    refuse_later_features(config, child)
    rules = _rules(context, config)
    hold(context.data_file(".lock"))
    journal = context.open_journal(tables=TABLES, durability=config.durability)
    try:
        return _worker(context, config, rules, journal)
    except BaseException:
        journal.close()
        raise


def _worker(context: Context, config: BrokerConfig, rules: Rules, journal: Journal) -> Worker:
    child = context.launch.child
    state = restore(journal.state(), config.cash)
    check_ledger(journal.connection, state.books)
    if state.books.cash0 != config.cash:
        raise OtherCash(child, config.cash, state.books.cash0)
    core = BrokerCore(config.inputs, state, rules)
    told = instructions_file(context.data_file(".db").parent.parent, child)
    teller = Teller(core, told, journal.connection)
    return Worker(
        core=core,
        journal=journal,
        inputs=config.inputs,
        role=AccountRole(),
        encode=ACCOUNT.encode,
        timed=core,
        ticking=core,
        condition=core.condition,
        done=lambda: done(core),
        closing=core.close,
        storage=core.storage,
        services=(teller.serve,),
        # An order is known by its id; but what a listening strategy decides again may be another thing.
        rewinds=lambda role: isinstance(role, OrdersRole) and not role.listens,
    )


def _rules(context: Context, config: BrokerConfig) -> Rules:
    name = config.funding_file
    return Rules(
        terms=config.terms,
        limits=config.limits,
        dry_run=config.mode == "dry-run",
        on_shutdown=config.on_shutdown,
        keep_history=config.keep_history,
        venue=paper(FundingSchedule() if name is None else load(context.path(name))),
    )


def done(core: BrokerCore) -> Done | None:
    """Return what the root is told when the end of the recording is on the books."""
    if core.finished is None:
        return None
    return Done(then="shutdown" if core.finished == "shutdown" else "idle")
