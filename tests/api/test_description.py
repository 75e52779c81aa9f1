"""From a described tree to a checked one."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import supervisor
from supervisor import Child, Supervisor
from supervisor.api import ConfigError
from supervisor.api.target import NoTarget, target_of
from supervisor.config import Source, checked
from supervisor.engine.spec import Intensity, SupervisorSpec, WorkerSpec
from tests.api import puppets

PUPPETS = "tests.api.puppets"


def problems(tree: Supervisor) -> list[str]:
    """Return what is wrong with a description, without where it was said."""
    with pytest.raises(ConfigError) as caught:
        tree.check()
    return [str(problem).partition(": ")[2] for problem in caught.value.problems]


def problems_of_file(**tables: Any) -> list[str]:
    """Return what is wrong with the same tables in a tree file."""
    here = Path("/nowhere")
    source = Source(path=here / "tree.toml", name="tree.toml", demo=False, home=here)
    with pytest.raises(ConfigError) as caught:
        checked(dict(tables), source, environ={}, cwd=here)
    return [str(problem).partition(": ")[2] for problem in caught.value.problems]


@pytest.mark.req("S1")
def test_defaults_are_those_of_a_tree_file() -> None:
    """What is left out is as it would be in a file."""
    tree = Supervisor([Child("a", start=f"{PUPPETS}:serves"), Child("b", command=["true"])]).check()
    here = Path.cwd()
    tables = {"child": [{"id": "a", "start": f"{PUPPETS}:serves"}, {"id": "b", "command": ["true"]}]}
    source = Source(path=here / "tree.toml", name="tree.toml", demo=False, home=here)
    from_file = checked(tables, source, environ={}, cwd=here, base={})

    assert tree.root == from_file.root
    assert tree.state_dir == from_file.state_dir


@pytest.mark.req("S1")
def test_every_key_arrives() -> None:
    """Durations in words, tables and words become what the engine takes."""
    child = Child(
        "a",
        start=puppets.serves,
        config={"depth": (1, 2), "place": Path("x"), "nothing": None},
        restart="transient",
        backoff={"initial": "500ms", "max": "1m"},
        intensity={"max_restarts": 3, "period": "10s"},
        max_consecutive_failures="infinity",
        on_exhausted="escalate",
        shutdown="infinity",
        heartbeat="none",
        limits={"memory": "1MiB"},
        no_restart_exit_codes=(3, 4),
    )
    (spec,) = Supervisor([child]).check().root.children

    assert isinstance(spec, WorkerSpec)
    assert spec.program.start == f"{PUPPETS}:serves"
    assert spec.program.config == {"depth": [1, 2], "place": "x", "nothing": None}
    assert (spec.restart, spec.backoff.initial, spec.backoff.max) == ("transient", 0.5, 60.0)
    assert spec.intensity == Intensity(max_restarts=3, period=10.0)
    assert (spec.max_consecutive_failures, spec.on_exhausted, spec.shutdown) == (None, "escalate", "infinity")
    assert (spec.heartbeat, spec.program.limits.memory, spec.no_restart_exit_codes) == (None, 2**20, (3, 4))


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    "keys",
    [
        {"command": ["true"], "restart": "allways"},
        {"command": ["true"], "start": "a:b"},
        {},
        {"command": ["true"], "backoff": {"inital": "1s"}},
        {"command": ["true"], "shutdown": -1},
        {"start": "no target"},
        {"start": "a:b", "user": "nobody"},
        {"start": "a:b", "config": {"x": 2**70}},
    ],
)
def test_mistakes_are_told_as_those_of_a_file(keys: dict[str, Any]) -> None:
    """The same place, what was found, what is allowed, and the nearest known word."""
    assert problems(Supervisor([Child("a", **keys)])) == problems_of_file(child=[{"id": "a", **keys}])


@pytest.mark.req("S12")
def test_all_mistakes_are_told_at_once() -> None:
    """Of the tree, of its groups and of their children."""
    group: Any = Supervisor([Child("a", command=["true"])], id="g", strategy="one_for_none")  # type: ignore[arg-type]
    found = problems(Supervisor([Child("a", command=[]), group], max_restarts=-1))

    assert [problem.partition(": found")[0] for problem in found] == [
        "supervisor.max_restarts",
        "child a: command",
        "group g: strategy",
        'child a: the id "a" is used twice; every id is unique',
    ]


@pytest.mark.req("S12")
def test_config_that_no_process_could_be_given() -> None:
    """An object of the program is refused before anything starts."""
    (found,) = problems(Supervisor([Child("a", start=puppets.serves, config={"lock": object()})]))

    assert found.startswith("child a: config: found")
    assert "allowed is what a tree file can hold" in found


@pytest.mark.req("S2")
def test_groups_and_pools_nest() -> None:
    """Groups at any depth, in place; a pool has a template and no children yet."""
    pool = Supervisor([Child("one", start=puppets.serves)], id="pool", strategy="simple_one_for_one")
    inner = Supervisor([Child("b", command=["true"]), pool], id="inner", strategy="one_for_all")
    root = Supervisor([Child("a", command=["true"]), inner, Child("c", command=["true"])]).check().root

    assert [child.id for child in root.children] == ["a", "inner", "c"]
    group = root.children[1]
    assert isinstance(group, SupervisorSpec)
    assert (group.strategy, [child.id for child in group.children]) == ("one_for_all", ["b", "pool"])
    assert isinstance(group.children[1], SupervisorSpec)
    assert group.children[1].children == ()
    assert group.children[1].template is not None


@pytest.mark.req("S2")
def test_pool_needs_one_template_and_a_group_a_child() -> None:
    """Both are said at once, by name."""
    pool = Supervisor(
        [Child("a", command=["true"]), Child("b", command=["true"])], id="p", strategy="simple_one_for_one"
    )
    empty = Supervisor([], id="e")
    found = problems(Supervisor([pool, empty]))

    assert found == [
        'group p: with strategy = "simple_one_for_one" has one Child, the template of all instances; '
        "found 2 children",
        "group e: has no children; at least one is needed",
    ]


def test_callables_are_told_by_name() -> None:
    """Functions and what lies in classes at the top of a module."""
    assert target_of(puppets.serves) == f"{PUPPETS}:serves"
    assert target_of(Source.__eq__) == "supervisor.config.tree:Source.__eq__"


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (lambda launch: launch, "is not at the top of a module"),
        (functools.partial(puppets.serves), "a partial has no name by which a child could import it"),
        (Path("x").exists, "is something else"),
    ],
)
def test_callables_that_no_child_can_find(start: Any, why: str) -> None:
    """Each with its reason, instead of a child that cannot start."""
    with pytest.raises(NoTarget, match=why):
        target_of(start)
    (found,) = problems(Supervisor([Child("a", start=start, ready="immediate")]))

    assert found.startswith("child a: start: ")
    assert why in found


def test_callable_without_argument_must_be_ready_at_once() -> None:
    """It has nobody to say it to. With that it is not expected to beat either."""
    (found,) = problems(Supervisor([Child("a", start=puppets.plain)]))
    (spec,) = Supervisor([Child("a", start=puppets.plain, ready="immediate")]).check().root.children

    assert "takes no argument" in found
    assert isinstance(spec, WorkerSpec)
    assert spec.heartbeat is None


def test_environment_overrides_files_not_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables for the keys of some tree file change nothing here; that of the state directory does."""
    monkeypatch.setenv("SUPERVISOR__FEED__SYMBOL", "x")
    monkeypatch.setenv("SUPERVISOR_STATE_DIR", str(tmp_path / "from-environment"))
    child = Child("a", command=["true"])

    assert Supervisor([child]).check().state_dir == tmp_path / "from-environment"
    assert Supervisor([child], state_dir=tmp_path / "x").check().state_dir == tmp_path / "x"


SENDABLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), SENDABLE, max_size=4))
def test_any_plain_config_arrives_as_it_is(config: dict[str, Any]) -> None:
    """Whatever a message can carry."""
    (spec,) = Supervisor([Child("a", start="a:b", config=config)]).check().root.children

    assert isinstance(spec, WorkerSpec)
    assert spec.program.config == config


def test_importing_the_package_loads_next_to_nothing() -> None:
    """Children and commands import it too: no room of it, no zmq; describing a tree needs no root either."""
    script = (
        "import sys, supervisor; before = set(sys.modules)\n"
        "assert not [m for m in before if m.startswith(('supervisor.', 'zmq', 'msgspec'))]\n"
        "from supervisor import Child, Supervisor\n"
        "assert not [m for m in sys.modules if m.startswith(('zmq', 'multiprocess', 'supervisor.runtime'))]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_has_no_other_names() -> None:
    """A name that is not there is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'Sypervisor'"):
        getattr(supervisor, "Sypervisor")  # noqa: B009 - mypy knows it too
