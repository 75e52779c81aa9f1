"""Imports point one way: every one of them is read from the source, and compared with the table below.

``cli -> runtime -> host, link -> engine``; ``link``, ``workers`` -> ``protocol``; the supervisor and the
workers do not know each other. Entry points and other strings are not imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("supervisor", "workers", "protocol")

# Which modules, with all that is below them, make up a room; the longest pattern that fits decides.
ROOMS: Mapping[str, tuple[str, ...]] = {
    "engine": ("supervisor.engine",),
    "host": ("supervisor.host",),
    "boot": ("supervisor.host.boot",),
    "link": ("supervisor.link",),
    "config": ("supervisor.config",),
    "runtime": ("supervisor.runtime",),
    "cli": ("supervisor.cli", "supervisor.logview", "supervisor.__main__"),
    "api": ("supervisor.api",),
    "control": ("protocol.messages.control",),
    "protocol": ("protocol",),
    "shared": ("workers.shared",),
    "feed": ("workers.feed",),
    "strategy": ("workers.strategy",),
    "broker": ("workers.broker",),
    "notifier": ("workers.notifier",),
    "paper": ("workers.paper",),
    "demo": ("workers.demo",),
}

# What a room may import of ours, beside itself.
ARROWS: Mapping[str, tuple[str, ...]] = {
    "engine": (),
    "host": ("engine", "boot"),
    "boot": ("host", "engine", "control"),
    "link": ("engine", "protocol", "control"),
    "config": ("engine",),
    "runtime": ("host", "link", "engine", "config", "protocol", "control"),
    "cli": ("runtime", "host", "link", "engine", "config", "protocol", "control"),
    "api": ("runtime", "host", "engine", "config", "protocol", "control"),
    "control": ("protocol",),
    "protocol": ("control",),
    "shared": ("protocol", "control"),
    "feed": ("shared", "protocol", "control"),
    "strategy": ("shared", "protocol", "control"),
    "broker": ("shared", "protocol", "control"),
    "notifier": ("shared", "protocol", "control"),
    "paper": ("broker", "feed", "notifier", "strategy", "shared", "protocol", "control"),
    "demo": (),
}

ENGINE_MAY = frozenset((
    "__future__", "abc", "bisect", "collections", "dataclasses", "enum", "functools", "heapq", "itertools",
    "math", "operator", "types", "typing",
))  # fmt: skip
"""All that the engine may import beside itself: nothing that has a clock, chance or a side effect."""

IMPURE = frozenset((
    "asyncio", "logging", "loguru", "multiprocess", "multiprocessing", "os", "random", "secrets", "select",
    "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time",
    "zmq",
))  # fmt: skip
PURE = (
    "supervisor.engine.*", "supervisor.link.liveness",
    "supervisor.config.build", "supervisor.config.durations", "supervisor.config.probes",
    "supervisor.config.schema", "supervisor.host.notice", "supervisor.host.probe_schedule",
    "protocol.codec", "protocol.envelope", "protocol.messages.*", "protocol.publisher", "protocol.subscriber",
    "protocol.transport.port", "workers.*.config", "workers.*.core",
    "workers.feed.capture", "workers.feed.pacing", "workers.feed.release", "workers.feed.rows",
    "workers.feed.simulated.market", "workers.feed.simulated.exchange", "workers.feed.exchanges.*",
    "workers.feed.live.backfill", "workers.feed.live.builder", "workers.feed.live.candles",
    "workers.feed.live.clocks", "workers.feed.live.commands", "workers.feed.live.core",
    "workers.feed.live.finality", "workers.feed.live.funding", "workers.feed.live.hours",
    "workers.feed.live.identity", "workers.feed.live.order", "workers.feed.live.reconnect",
    "workers.feed.live.rejects", "workers.feed.live.resample", "workers.feed.live.skew",
    "workers.feed.live.state", "workers.feed.live.ticks", "workers.feed.live.validation",
    "workers.feed.live.wires",
    "workers.strategy.book", "workers.strategy.champion", "workers.strategy.desk",
    "workers.strategy.donchian",
    "workers.strategy.evaluation", "workers.strategy.fingerprint", "workers.strategy.guard",
    "workers.strategy.indicators", "workers.strategy.inputs", "workers.strategy.inquiry",
    "workers.strategy.ma_cross", "workers.strategy.rehearsal", "workers.strategy.remote",
    "workers.strategy.moment", "workers.strategy.orders", "workers.strategy.rows",
    "workers.strategy.rsi_reversal",
    "workers.strategy.state", "workers.strategy.troubles", "workers.strategy.watch",
    "workers.broker.answers", "workers.broker.bracket", "workers.broker.breakers", "workers.broker.clerk",
    "workers.broker.desk", "workers.broker.equity", "workers.broker.fitness", "workers.broker.floor",
    "workers.broker.instructions", "workers.broker.intake", "workers.broker.latency", "workers.broker.ledger",
    "workers.broker.liquidation", "workers.broker.margin", "workers.broker.marking",
    "workers.broker.matching", "workers.broker.matching_candle", "workers.broker.matching_tick",
    "workers.broker.money", "workers.broker.office", "workers.broker.orders", "workers.broker.paper_venue",
    "workers.broker.pit", "workers.broker.reconciliation", "workers.broker.risk",
    "workers.broker.round_trips", "workers.broker.sizing", "workers.broker.trading_state",
    "workers.broker.trailing", "workers.broker.venue",
    "workers.notifier.commands", "workers.notifier.day", "workers.notifier.kinds", "workers.notifier.message",
    "workers.notifier.outcome", "workers.notifier.pace", "workers.notifier.repeats",
    "workers.notifier.rounds", "workers.notifier.samples", "workers.notifier.schedule",
    "workers.notifier.sight", "workers.notifier.state", "workers.notifier.trades",
    "workers.notifier.wording",
)  # fmt: skip
"""Events and time in, decisions out: these files import nothing that has a clock or a side effect."""

ZMQ_ALONE = "protocol.transport.zeromq"


@dataclass(frozen=True)
class Import:
    """One import: who, of what, at which line."""

    module: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[Import]:
    """Read the imports of a source text, at whatever depth they stand, relative ones resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node, is_package=is_package)
            yield from (Import(module, f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_call(node.func):
            yield from (Import(module, name, node.lineno) for name in _constants(node))


def _base(module: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parents = module.split(".")[: None if is_package and node.level == 1 else is_package - node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


def _constants(call: ast.Call) -> list[str]:
    return [it.value for it in call.args[:1] if isinstance(it, ast.Constant) and isinstance(it.value, str)]


def within(name: str, part: str) -> bool:
    """Tell whether a dotted name is the part, or lies in it."""
    return name == part or name.startswith(part + ".")


def wrong(one: Import) -> str | None:
    """Say what is wrong with an import; None when it is right."""
    top = one.target.partition(".")[0]
    if top == "zmq" and one.module != ZMQ_ALONE:
        return f"{one}; only {ZMQ_ALONE} may"
    if within(one.module, "supervisor.engine") and top not in ENGINE_MAY | set(PACKAGES):
        return f"{one}; the engine may import {', '.join(sorted(ENGINE_MAY))}"
    if is_pure(one.module) and top in IMPURE:
        return f"{one}; a pure file has no clock, no chance and no side effects"
    return _against_the_arrows(one) if top in (*PACKAGES, "tests") else None


def is_pure(module: str) -> bool:
    """Tell whether a module promises to be pure."""
    return any(fnmatchcase(module, pattern) for pattern in PURE)


def room_of(name: str) -> str | None:
    """Return the room of a module, or of a name in it; None when no pattern fits."""
    fitting = [
        (len(pattern), room)
        for room, patterns in ROOMS.items()
        for pattern in patterns
        if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
    ]
    return max(fitting)[1] if fitting else None


def _against_the_arrows(one: Import) -> str | None:
    # The package itself is the front door of one of its rooms.
    here = "api" if one.module == "supervisor" else room_of(one.module)
    there = room_of(one.target)
    if here is not None and there in (here, *ARROWS[here]):
        return None
    allowed = ", ".join(ARROWS[here]) if here and ARROWS[here] else "nothing else of ours"
    return f"{one}; {here or 'a module without a room'} may import {allowed}"


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the file of every module of the product."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if path.name == "__init__.py" else parts), path


def project() -> Iterator[Import]:
    """Read the imports of the whole product."""
    for module, path in modules():
        yield from imports(module, path.read_text(), is_package=path.name == "__init__.py")


def test_imports_of_the_product_point_one_way() -> None:
    """No import goes against the arrows, and no pure file can reach a clock, a socket or a file."""
    assert [message for one in project() if (message := wrong(one))] == []


def test_every_module_has_a_room() -> None:
    """A new module gets its row in the table when it is made; without one it may import nothing of ours."""
    packages = {"supervisor", "workers"}

    assert [module for module, _ in modules() if room_of(module) is None and module not in packages] == []
    assert set(ROOMS) == set(ARROWS)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("supervisor.engine.x", "import time", "imports time; the engine may import"),
        ("supervisor.engine.x", "from loguru import logger", "imports loguru.logger; the engine may"),
        ("supervisor.engine.x", "def f():\n    import random", ":2 imports random; the engine may"),
        (
            "supervisor.engine.x",
            "import supervisor.host.port",
            "engine may import nothing else of ours",
        ),
        (
            "supervisor.engine.x",
            "from ..host import port",
            "imports supervisor.host.port; engine may",
        ),
        (
            "supervisor.host.real",
            "from protocol.messages import control",
            "host may import engine",
        ),
        ("supervisor.host.boot", "from protocol import codec", "boot may import host, engine, control"),
        ("supervisor.link.x", "from supervisor.host import port", "link may import engine, protocol"),
        ("supervisor.link.x", "from supervisor import runtime", "link may import engine, protocol"),
        ("supervisor.runtime", "from supervisor.cli import main", "runtime may import host, link"),
        ("supervisor.cli.start", "from workers.demo import tree_file", "cli may import runtime"),
        ("supervisor.cli.start", "import_module('workers.demo')", "cli may import runtime"),
        ("workers.feed.x", "import supervisor.engine.spec", "feed may import shared, protocol"),
        ("workers.feed.x", "from workers.broker.core import Broker", "feed may import shared, protocol"),
        ("workers.shared.x", "from workers.feed import core", "shared may import protocol"),
        ("protocol.x", "from workers.shared import core", "protocol may import control"),
        ("protocol.x", "from supervisor import engine", "protocol may import control"),
        ("protocol.x", "from tests.support import world", "protocol may import control"),
        ("supervisor.stray", "from protocol import codec", "a module without a room may import nothing"),
        ("protocol.transport.memory", "import zmq.asyncio", "only protocol.transport.zeromq may"),
        ("protocol.codec", "import socket", "a pure file has no clock"),
        ("workers.broker.core", "import sqlite3", "a pure file has no clock"),
        ("workers.broker.core", "from os import environ", "a pure file has no clock"),
    ],
)
def test_what_points_the_wrong_way_is_found(module: str, source: str, complaint: str) -> None:
    """The checker can fail: each of these source texts breaks one arrow."""
    [message] = [message for one in imports(module, source) if (message := wrong(one))]

    assert complaint in message
    assert message.startswith(f"{module}:")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "supervisor.engine.x",
            "from dataclasses import dataclass\nfrom supervisor.engine.spec import Program",
        ),
        (
            "supervisor.host.real",
            "import os, signal\nfrom supervisor.engine import events\nfrom . import port",
        ),
        ("supervisor.host.boot", "from protocol.messages.control import Launch"),
        ("supervisor.cli.start", "from supervisor import runtime\nfrom protocol import places"),
        ("supervisor.cli.start", "TREE = 'workers.demo:tree_file'"),
        (
            "workers.feed.__main__",
            "import asyncio\nfrom workers.shared import worker\nfrom protocol import codec",
        ),
        ("protocol.transport.zeromq", "import zmq"),
        ("protocol.transport.memory", "from random import Random"),
    ],
)
def test_what_points_the_right_way_is_left_in_peace(module: str, source: str) -> None:
    """The checker objects to nothing that the architecture allows."""
    assert [message for one in imports(module, source) if (message := wrong(one))] == []


def test_relative_imports_are_resolved() -> None:
    """From a package one dot is the package itself; from a module it is the package around it."""
    source = "from . import a\nfrom .b import c\nfrom ..d import e"

    of_a_module = [one.target for one in imports("workers.feed.x", source)]
    of_a_package = [one.target for one in imports("workers.feed", source, is_package=True)]
    assert of_a_module == of_a_package == ["workers.feed.a", "workers.feed.b.c", "workers.d.e"]
