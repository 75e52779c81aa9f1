"""``supervisor init --exchange NAME``: a tree file for a live market, in dry-run mode.

Reached through the entry point group ``supervisor_tree.templates``, for the supervisor knows nothing of
exchanges.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from workers.feed.config import KNOWN
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.through_ccxt import library
from workers.feed.through_ccxt.exchange import PREFIX

METAVAR: Final = "NAME"
HELP: Final = f"Trade a live market of this exchange on paper: {KNOWN}."

_TREE: Final = re.compile(r"^\[supervisor\]\n", re.MULTILINE)


def apply(text: str, named: str, folder: Path) -> str:
    """Return a tree file for a live market of exchange ``named``, beneath the comments that head ``text``.

    Raises ValueError with a sentence for an exchange that is not known.
    """
    if (problem := _problem(named)) is not None:
        raise ValueError(f"--exchange {named}: {problem}")
    found = _TREE.search(text)
    head = text if found is None else text[: found.start()]
    tree = Path(__file__).with_name("exchange.toml").read_text(encoding="utf-8")
    kind = EXCHANGES[named].kinds[0] if named in EXCHANGES else "spot"
    tree = tree.replace('exchange = "binance"', f'exchange = "{named}"')
    return head + tree.replace('market = "spot"', f'market = "{kind}"')


def _problem(named: str) -> str | None:
    if named.startswith(PREFIX):
        return library.problem(named.removeprefix(PREFIX))
    return None if named in EXCHANGES else f"no such exchange; allowed: {KNOWN}"
