"""Checked tables -> specifications, and the checks that need more than one key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from supervisor.config.probes import PROBES, ReadyWord
from supervisor.config.reading import Path, Reading
from supervisor.config.schema import CHILD, GROUP
from supervisor.engine.spec import (
    Backoff,
    ChildSpec,
    Heartbeat,
    Intensity,
    Limits,
    Probe,
    Program,
    SupervisorSpec,
    WorkerSpec,
)  # fmt: skip

ROOT: Final = "root"
Values = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """A ``[[child]]`` or ``[[group]]`` with its checked values."""

    id: str
    values: Values
    path: Path
    is_group: bool

    @property
    def parent(self) -> str:
        """The id of the group it stands in."""
        return str(self.values.get("parent", ROOT))


def read_members(data: Mapping[str, Any], reading: Reading) -> list[Member]:
    """Check every child and group by itself, and return them in the order of the file, children first."""
    members = []
    for section, keys in (("child", CHILD), ("group", GROUP)):
        for index, raw in enumerate(reading.tables(data.get(section, []), (section,))):
            path: Path = (section, index)
            if isinstance(raw.get("id"), str):
                reading.name(path, f"{section} {raw['id'][:64]}")
            values = reading.table(raw, keys, path)
            if "id" not in raw:
                reading.report(path, 'the key "id" is missing')
            members.append(Member(values.get("id", ""), values, path, is_group=section == "group"))
    return members


def check_members(members: Sequence[Member], root: Values, reading: Reading) -> None:
    """Check what concerns several keys or several members."""
    _check_ids(members, reading)
    _check_parents(members, reading)
    for member in members:
        _check_significant(member, members, root, reading)
        if not member.is_group:
            _check_program(member, reading)
            _check_child(member, reading)


def _check_ids(members: Sequence[Member], reading: Reading) -> None:
    seen: set[str] = set()
    for member in members:
        if member.id and member.id in seen:
            reading.report(member.path, f'the id "{member.id}" is used twice; every id is unique')
        seen.add(member.id)


def _check_parents(members: Sequence[Member], reading: Reading) -> None:
    groups = {member.id: member for member in members if member.is_group and member.id}
    for member in members:
        if member.parent != ROOT and member.parent not in groups:
            reading.wrong((*member.path, "parent"), member.parent, "the id of a [[group]]", [ROOT, *groups])
    for member in groups.values():
        if member.id in _ancestors(member, groups):
            reading.report((*member.path, "parent"), "the group stands within itself")


def _ancestors(member: Member, groups: Mapping[str, Member]) -> set[str]:
    seen: set[str] = set()
    above = member.parent
    while above in groups and above not in seen:
        seen.add(above)
        above = groups[above].parent
    return seen


def _check_significant(member: Member, members: Sequence[Member], root: Values, reading: Reading) -> None:
    if not member.values.get("significant"):
        return
    path = (*member.path, "significant")
    if member.values.get("restart", "permanent") == "permanent":
        reading.report(path, 'found true with restart = "permanent", allowed with transient or temporary')
    above = next((group.values for group in members if group.is_group and group.id == member.parent), root)
    if above.get("auto_shutdown", "never") == "never":
        reading.report(path, f'found true, but auto_shutdown of {member.parent} is "never"')


def _check_program(member: Member, reading: Reading) -> None:
    raw = member.values
    if "start" in raw and "command" in raw:
        reading.report(member.path, 'has both "start" and "command"; one of them says what to run')
    elif not reading.given(member.path, raw, "start", "command"):
        reading.report(member.path, 'has neither start = "module:callable" nor command = ["program"]')
    if "command" in raw:
        _check_command(member, reading)
    else:
        _check_worker(member, reading)


def _check_worker(member: Member, reading: Reading) -> None:
    """Check that a Python worker has no key that is for commands."""
    raw = member.values
    if "user" in raw:
        reading.report((*member.path, "user"), "is for commands; a Python worker runs as the root's user")
    if raw.get("ready", "message") not in {"message", "immediate"}:
        reading.report(
            (*member.path, "ready"),
            'notify and probes are for commands; a Python worker says it: allowed is "message" | "immediate"',
        )
    if "liveness" in raw:
        reading.report((*member.path, "liveness"), "is for commands; a Python worker sends heartbeats")


def _check_command(member: Member, reading: Reading) -> None:
    """Check how a command is known to be ready and alive."""
    raw = member.values
    if raw.get("ready") == "message":
        allowed = f'"immediate" | "notify" | {PROBES}'
        reading.report((*member.path, "ready"), f"a command says no message; allowed is {allowed}")
    watched = reading.given(member.path, raw, "liveness")
    if isinstance(raw.get("heartbeat"), dict) and not watched:
        says = 'a command sends no beats by itself; allowed is "none", or beside it liveness = "notify" | '
        reading.report((*member.path, "heartbeat"), says + PROBES)
    if raw.get("heartbeat") == "none" and watched:
        reading.report((*member.path, "heartbeat"), 'found "none", but liveness asks for beats; drop one')


def _check_child(member: Member, reading: Reading) -> None:
    intensity = member.values.get("intensity", {})
    for key in ("max_restarts", "period"):
        if intensity and not reading.given((*member.path, "intensity"), intensity, key):
            reading.report((*member.path, "intensity"), f'the key "{key}" is missing')
    backoff = Backoff(**member.values.get("backoff", {}))
    if backoff.initial > backoff.max:
        reading.report(
            (*member.path, "backoff"), f"initial ({backoff.initial:g} s) is above max ({backoff.max:g} s)"
        )


def build_root(root: Values, members: Sequence[Member], base: Values, config_dir: FilePath) -> SupervisorSpec:
    """Make the whole specification. Only for members that passed every check."""
    return SupervisorSpec(
        id=ROOT,
        children=tuple(_children(ROOT, members, base, config_dir)),
        strategy=root.get("strategy", "one_for_one"),
        intensity=Intensity(max_restarts=root.get("max_restarts", 20), period=root.get("period", 600.0)),
        auto_shutdown=root.get("auto_shutdown", "never"),
        on_exhausted=root.get("on_exhausted", "hold"),
        probe=root.get("probe", 300.0),
    )


def _children(
    parent: str, members: Sequence[Member], base: Values, config_dir: FilePath
) -> Iterator[ChildSpec]:
    """Yield what stands in ``parent``; a group takes the place of the first child below it."""
    own = [member for member in members if member.parent == parent]
    for member in sorted(own, key=lambda member: _place(member, members)):
        if member.is_group:
            yield _group(member, tuple(_children(member.id, members, base, config_dir)))
        else:
            yield _worker(member, base, config_dir)


def _place(member: Member, members: Sequence[Member]) -> float:
    if not member.is_group:
        return members.index(member)
    below = [_place(inner, members) for inner in members if inner.parent == member.id]
    return min(below, default=len(members))


def _group(member: Member, children: tuple[ChildSpec, ...]) -> SupervisorSpec:
    raw = member.values
    return SupervisorSpec(
        id=member.id,
        children=children,
        strategy=raw.get("strategy", "rest_for_one"),
        intensity=Intensity(max_restarts=raw.get("max_restarts", 5), period=raw.get("period", 60.0)),
        auto_shutdown=raw.get("auto_shutdown", "never"),
        restart=raw.get("restart", "permanent"),
        significant=raw.get("significant", False),
    )


_PLAIN: Final = (
    "restart", "significant", "max_consecutive_failures", "on_exhausted", "shutdown", "ready_timeout",
    "max_runtime", "no_restart_exit_codes",
)  # fmt: skip


def _worker(member: Member, base: Values, config_dir: FilePath) -> WorkerSpec:
    raw = member.values
    python = "start" in raw
    ready: ReadyWord | Probe = raw.get("ready", "message" if python else "immediate")
    # A worker that says nothing at its start is not expected to say anything later, unless the file says so.
    beats = ready == "message" or "liveness" in raw
    heartbeat = raw.get("heartbeat", {} if beats else "none")
    return WorkerSpec(
        id=member.id,
        program=_program(raw, base, config_dir),
        backoff=Backoff(**raw.get("backoff", {})),
        intensity=Intensity(**raw["intensity"]) if raw.get("intensity") else None,
        ready=ready if isinstance(ready, str) else "probe",
        heartbeat=None if heartbeat == "none" else Heartbeat(**heartbeat),
        **{key: raw[key] for key in _PLAIN if key in raw},
    )


def _program(raw: Values, base: Values, config_dir: FilePath) -> Program:
    # A command's relative paths must not depend on where the operator stood when starting the tree.
    directory = raw.get("directory") or (None if "start" in raw else ".")
    ready = raw.get("ready")
    return Program(
        start=raw.get("start"),
        command=raw.get("command", ()),
        config=merged(base, raw.get("config", {})),
        environment=raw.get("environment", {}),
        directory=None if directory is None else str(config_dir.joinpath(directory)),
        user=raw.get("user"),
        limits=Limits(**raw.get("limits", {})),
        readiness=None if isinstance(ready, str) else ready,
        liveness=raw.get("liveness"),
    )


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``over`` on ``base``, table by table; neither is changed."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(below, value) if both and isinstance(below, dict) else value
    return result
