"""The regular health line, and the status for systemd."""

from __future__ import annotations

from typing import Any

import pytest

from supervisor.engine.view import ChildView
from supervisor.runtime.health import health_facts, health_level, status_line
from tests.cli.conftest import child


def status(health: str, *children: dict[str, Any]) -> dict[str, Any]:
    """Return a status object."""
    return {"schema": 1, "root": {"health": health, "uptime": 300.0}, "children": list(children)}


@pytest.mark.req("H1")
def test_one_short_fact_for_each_unhealthy_child() -> None:
    """The line has the root's health, uptime and restarts; children that are well are not named."""
    crashed = {"reason": "crashed", "code": 1}
    tree = status(
        "critical",
        child("feed", restarts=3),
        child("broker", state="parked", health="critical", last_exit=crashed, restarts=10),
        child("strategy", health="degraded", waiting_for="feed", restarts=0),
        child("notifier", health="degraded", last_error="no network", restarts=0),
        child("web", state="backoff", health="degraded", restarts=0),
        child("market", type="supervisor", restarts=0),
    )

    assert health_level(tree) == "WARNING"
    assert health_facts(tree) == {
        "health": "critical",
        "uptime": 300.0,
        "children": 5,
        "restarts": 13,
        "unwell": {
            "broker": "parked: crashed",
            "strategy": "waiting for feed",
            "notifier": "no network",
            "web": "backoff",
        },
    }


@pytest.mark.req("H1")
def test_a_healthy_tree_says_so_quietly() -> None:
    """Nobody is named, and the level is INFO."""
    tree = status("healthy", child("feed"))

    assert (health_level(tree), health_facts(tree)["unwell"]) == ("INFO", {})


def view(name: str, state: Any, *, wanted: bool = True) -> ChildView:
    """Return one child of a tree."""
    return ChildView(
        id=name, path=f"root/{name}", type="worker", state=state, wanted=wanted, pid=None, incarnation=None,
        since=None, restarts=0, restarts_in_window=0, max_restarts=20, period=600.0, consecutive_failures=0,
        next_start_at=None, waiting_for=None, last_exit=None,
    )  # fmt: skip


@pytest.mark.req("X3")
@pytest.mark.parametrize(
    ("views", "line"),
    [
        ([], "0 of 0 children ready"),
        ([view("a", "ready"), view("b", "stopped", wanted=False)], "1 of 1 children ready"),
        ([view("a", "ready"), view("b", "parked")], "1 of 2 children ready; b parked"),
        (
            [view(name, "backoff") for name in "abcdefg"],
            "0 of 7 children ready; a backoff, b backoff, c backoff, d backoff, e backoff, and 2 more",
        ),
    ],
)
def test_status_line_names_some_of_those_that_are_not_ready(views: list[ChildView], line: str) -> None:
    """Short however large the tree is."""
    assert status_line(views) == line
