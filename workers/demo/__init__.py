"""The built-in tree: recorded real market data, looped, traded on paper. Needs no network and no keys."""

from __future__ import annotations

from pathlib import Path


def tree_file() -> Path:
    """Return the path of the demo's tree file; its recording lies beside it."""
    return Path(__file__).with_name("demo.toml")
