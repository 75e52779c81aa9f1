"""What differs between the tree as it is and the tree as it shall be. Compares only; nothing is done here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from supervisor.engine.spec import ChildSpec, SupervisorSpec, WorkerSpec

_NEEDS_NEW_PROCESS = ("program", "ready", "heartbeat")
"""A worker in which one of these differs is restarted; the rest is policy, and applies at once."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Ids in start order. ``changed`` get a new process (or, a group, a fresh start), ``adjusted`` do not.

    ``reordered`` are supervisors of which some children change places; that touches no process.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    adjusted: tuple[str, ...] = ()
    reordered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        parts = [f"{field.name}: {', '.join(getattr(self, field.name))}" for field in fields(self)]
        return "; ".join(part for part in parts if not part.endswith(": ")) or "nothing changed"


def needs_new_process(old: WorkerSpec, new: WorkerSpec) -> bool:
    """Whether the difference can only take effect in a new process."""
    return any(getattr(old, name) != getattr(new, name) for name in _NEEDS_NEW_PROCESS)


def needs_fresh_start(old: SupervisorSpec, new: SupervisorSpec) -> bool:
    """Whether a group must be stopped and started to become what it shall be."""
    return old.strategy != new.strategy or old.template != new.template


def changes(old: SupervisorSpec, new: SupervisorSpec) -> Changes:
    """All differences beneath the root."""
    before = {child.id: child for child in specs_beneath(old)}
    after = {child.id: child for child in specs_beneath(new)}
    both = [(name, before[name], after[name]) for name in after if name in before]
    altered = {name: _is_changed(was, shall) for name, was, shall in both if _own(was) != _own(shall)}
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name, deep in altered.items() if deep),
        adjusted=tuple(name for name, deep in altered.items() if not deep),
        reordered=tuple(_reordered(old, new)),
    )


def obstacle(old: SupervisorSpec, new: SupervisorSpec) -> str | None:
    """Why a running tree cannot become the new one; None if it can."""
    if old.strategy != new.strategy:
        return f"the root's strategy cannot change from {old.strategy} to {new.strategy} while it runs"
    before, after = _places(old), _places(new)
    for name in after.keys() & before.keys():
        if before[name] != after[name]:
            (was, parent), (shall, other) = before[name], after[name]
            return (
                f"{name} cannot change from {was} in {parent} to {shall} in {other} while it runs: "
                "remove it, reload, and add it again"
            )
    return None


def specs_beneath(spec: SupervisorSpec) -> Iterator[ChildSpec]:
    """The specifications of all children at any depth, parents before their children."""
    for child in spec.children:
        yield child
        if isinstance(child, SupervisorSpec):
            yield from specs_beneath(child)


def _places(spec: SupervisorSpec) -> dict[str, tuple[str, str]]:
    places: dict[str, tuple[str, str]] = {}
    for child in spec.children:
        if isinstance(child, SupervisorSpec):
            places[child.id] = ("a group", spec.id)
            places |= _places(child)
        else:
            places[child.id] = ("a worker", spec.id)
    return places


def _reordered(old: SupervisorSpec, new: SupervisorSpec) -> Iterator[str]:
    before = {child.id: child for child in old.children}
    both = [child.id for child in new.children if child.id in before]
    if both != [name for name in before if name in both]:
        yield new.id
    for child in new.children:
        was = before.get(child.id)
        if isinstance(child, SupervisorSpec) and isinstance(was, SupervisorSpec):
            yield from _reordered(was, child)


def _own(spec: ChildSpec) -> tuple[object, ...]:
    """The fields of a specification but for its children."""
    return tuple(getattr(spec, field.name) for field in fields(spec) if field.name != "children")


def _is_changed(old: ChildSpec, new: ChildSpec) -> bool:
    if isinstance(old, WorkerSpec) and isinstance(new, WorkerSpec):
        return needs_new_process(old, new)
    if isinstance(old, SupervisorSpec) and isinstance(new, SupervisorSpec):
        return needs_fresh_start(old, new)
    return True
