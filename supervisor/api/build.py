"""From a described tree to a checked one: the same tables, checks and sentences as those of a tree file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from supervisor.api.child import Child
from supervisor.api.errors import NotGuarded
from supervisor.api.target import NoTarget, target_of
from supervisor.config import ConfigError, Problem, Source, Tree, Wishes, checked
from supervisor.engine.spec import ChildSpec, SupervisorSpec, WorkerSpec
from supervisor.host.startable import imported_now, takes_nothing

if TYPE_CHECKING:
    from supervisor.api.supervisor import Supervisor

POOL: Final = "simple_one_for_one"
ROOT: Final = "root"
_NOT_KEYS: Final = frozenset({"children", "console", "state_dir"})
_OVERRIDES: Final = "SUPERVISOR__"


def tree_of(supervisor: Supervisor) -> Tree:
    """Check a description. Raises ConfigError with all that is wrong, NotGuarded."""
    module = imported_now()
    if module is not None:
        raise NotGuarded(module)
    tables = _Tables(_program())
    tables.add_root(supervisor)
    if tables.problems:
        raise ConfigError(tables.problems)
    here = Path.cwd()
    # Code says all there is to say: the variables that override a tree file are not for it.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OVERRIDES)}
    state_dir = None if supervisor.state_dir is None else str(supervisor.state_dir)
    tree = checked(
        tables.data,
        Source(path=here / tables.origin, name=tables.origin, demo=False, home=here),
        environ=environ,
        cwd=here,
        wishes=Wishes(state_dir=state_dir),
        base={},
    )
    return replace(tree, root=_with_templates(tree.root))


class _Tables:
    """The description as the tables of a tree file."""

    def __init__(self, origin: str) -> None:
        self.origin = Path(origin).name
        self.problems: list[Problem] = []
        self.data: dict[str, Any] = {"supervisor": {}, "child": [], "group": []}

    def add_root(self, supervisor: Supervisor) -> None:
        self.data["supervisor"] = {"preload": ["protocol.child"], **_keys(supervisor)}
        self._add_children(supervisor, ROOT)

    def _add_children(self, supervisor: Supervisor, parent: str) -> None:
        if not supervisor.children:
            self._report(_named(supervisor, parent), "has no children; at least one is needed")
        if supervisor.strategy == POOL:
            self._check_template(supervisor, parent)
        for child in supervisor.children:
            if isinstance(child, Child):
                self.data["child"].append({**self._child(child), "parent": parent})
            else:
                self.data["group"].append({**_keys(child), "parent": parent})
                self._add_children(child, str(child.id))

    def _check_template(self, supervisor: Supervisor, parent: str) -> None:
        if len(supervisor.children) != 1 or not isinstance(supervisor.children[0], Child):
            says = f'with strategy = "{POOL}" has one Child, the template of all instances'
            self._report(_named(supervisor, parent), f"{says}; found {len(supervisor.children)} children")

    def _child(self, child: Child) -> dict[str, Any]:
        keys = _keys(child)
        if callable(child.start):
            try:
                keys["start"] = target_of(child.start)
            except NoTarget as why:
                self._report(f"child {child.id}: start", str(why))
            if takes_nothing(child.start) and child.ready != "immediate":
                says = (
                    'takes no argument, so it cannot say that it is ready: allowed with ready = "immediate"'
                )
                self._report(f"child {child.id}: start", says)
        return keys

    def _report(self, key: str, says: str) -> None:
        self.problems.append(Problem(origin=self.origin, key=key, says=says))


def _named(supervisor: Supervisor, parent: str) -> str:
    return "supervisor" if parent == ROOT and supervisor.id is None else f"group {supervisor.id}"


def _keys(described: Child | Supervisor) -> dict[str, Any]:
    values = {field.name: getattr(described, field.name) for field in fields(described)}
    return {key: plain(value) for key, value in values.items() if value is not None and key not in _NOT_KEYS}


def plain(value: Any) -> Any:
    """Return a value in the types that a tree file has; what has none there stays as it is."""
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return str(value) if isinstance(value, Path) else value


def _with_templates(spec: SupervisorSpec) -> SupervisorSpec:
    """Make the one child of each pool its template."""
    if spec.strategy == POOL:
        (template,) = spec.children
        assert isinstance(template, WorkerSpec)
        return replace(spec, children=(), template=template)
    return replace(spec, children=tuple(map(_with_templates_beneath, spec.children)))


def _with_templates_beneath(child: ChildSpec) -> ChildSpec:
    return _with_templates(child) if isinstance(child, SupervisorSpec) else child


def _program() -> str:
    """What people call the program that describes the tree."""
    return getattr(sys.modules["__main__"], "__file__", None) or "python"
