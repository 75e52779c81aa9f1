"""Whatever stands in a tree file, the environment and the options: a tree, or ConfigError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.config import ConfigError, workers
from supervisor.config.schema import BACKOFF, CHILD, GROUP, SUPERVISOR
from tests.config.test_config import read

KEYS = sorted(
    {*CHILD, *GROUP, *SUPERVISOR, *BACKOFF, "period", "misses", "memory", "x", "tcp", "http", "exec"}
)
WORDS = [
    "permanent",
    "transient",
    "never",
    "root",
    "g",
    "feed",
    "1s",
    "infinity",
    "none",
    "a:b",
    "",
    "\0",
    "notify",
    "h:1",
    "http://h/",
]
SCALARS = (
    st.sampled_from(WORDS) | st.integers() | st.floats() | st.booleans() | st.dates() | st.text(max_size=5)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
TABLES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
TREES = st.fixed_dictionaries(
    {},
    optional={
        "supervisor": TABLES | VALUES,
        "defaults": st.fixed_dictionaries({}, optional={"config": VALUES}) | VALUES,
        "child": st.lists(TABLES | VALUES, max_size=4) | VALUES,
        "group": st.lists(TABLES | VALUES, max_size=3) | VALUES,
        "x": VALUES,
    },
)
ENVIRONS = st.dictionaries(
    st.sampled_from(
        ["SUPERVISOR__FEED__X", "SUPERVISOR__G__PERIOD", "SUPERVISOR____", "SUPERVISOR__FEED__BACKOFF"]
    ),
    st.text(max_size=5),
)


def toml(value: object) -> str:
    """Write a value as TOML, inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, default=str).replace("\x7f", "\\u007f")


@pytest.mark.req("S12")
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=TREES, environ=ENVIRONS, sets=st.lists(st.text(max_size=12) | st.just("feed.a.b=1"), max_size=2))
def test_no_file_raises_anything_but_config_error(
    tmp_path: Path, data: dict[str, Any], environ: dict[str, str], sets: list[str]
) -> None:
    """Whatever a file, the environment and the options say: a tree, or ConfigError."""
    text = "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in data.items())
    try:
        tree = read(tmp_path, text, *sets, environ=environ)
    except ConfigError as error:
        assert error.problems
        assert str(error)
    else:
        assert workers(tree.root)


@pytest.mark.req("S12")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_no_text_raises_anything_but_config_error(tmp_path: Path, text: str) -> None:
    """Random text instead of a file: ConfigError."""
    with pytest.raises(ConfigError):
        read(tmp_path, text)
