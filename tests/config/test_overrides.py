"""Keys from outside the file that fit nothing: told, never silently a worker's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.test_config import FOREIGN, ONE, only_worker, problems, read


@pytest.mark.req("S12")
def test_a_mistyped_key_of_a_command(tmp_path: Path) -> None:
    """A command reads no configuration: an unknown key is an error with the nearest known one."""
    said = problems(tmp_path, FOREIGN, "web.shutdwn=9s")
    assert "--set web.shutdwn=9s" in said
    assert 'unknown key "shutdwn" (did you mean "shutdown"?)' in said
    assert 'did you mean "shutdown"?' in problems(
        tmp_path, FOREIGN, environ={"SUPERVISOR__WEB__SHUTDWN": "9s"}
    )


@pytest.mark.req("S12")
@pytest.mark.parametrize("key", ["limits", "backoff", "intensity"])
def test_a_table_given_as_a_number(tmp_path: Path, key: str) -> None:
    """A child's own key of wrong shape is an error that names what is allowed."""
    said = problems(tmp_path, ONE, f"feed.{key}=3")
    assert f"--set feed.{key}=3" in said
    assert f"feed.{key}.KEY=value" in said
    assert f"feed.config.{key}=3" in said


@pytest.mark.req("S12")
def test_workers_keep_their_own_keys(tmp_path: Path) -> None:
    """What a worker may read still goes to it, also a plain heartbeat and what is said outright."""
    tree = read(tmp_path, ONE, "feed.symbol=X", "feed.heartbeat=2h", "feed.config.limits=3")
    config = only_worker(tree).program.config
    assert (config["symbol"], config["heartbeat"], config["limits"]) == ("X", "2h", 3)
