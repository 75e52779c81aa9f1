"""Traces of OTP's supervisor, as files hold them: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

Json = dict[str, Any]

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "exit": ("id", "reason"),
    "start_child": ("supervisor",),
    "terminate_child": ("supervisor", "id"),
    "restart_child": ("supervisor", "id"),
    "delete_child": ("supervisor", "id"),
    "count_children": ("supervisor",),
    "which_children": ("supervisor",),
    "fail_next_starts": ("id", "times"),
    "ignore_next_starts": ("id", "times"),
    "sleep": ("ms",),
    "stop_tree": (),
    "together": ("supervisor", "steps"),
}
"""The kinds of steps, and what each of them must say."""
WORKER_KEYS = ("restart", "significant")
SUPERVISOR_KEYS = ("id", "strategy", "intensity", "period", "auto_shutdown")
KINDS: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("name", "do", "id", "reason", "supervisor", "result"), (str, "a string")),
    **dict.fromkeys(("type", "strategy", "restart", "auto_shutdown"), (str, "a string")),
    **dict.fromkeys(("times", "ms", "intensity", "period"), (int, "a whole number")),
    "significant": (bool, "true or false"),
}
"""What the value of a key is."""


class MalformedTraces(Exception):
    """A file does not have the form of a file of traces."""

    def __init__(self, path: Path, line: int | None, found: str) -> None:
        super().__init__(path, line, found)
        self.path, self.line, self.found = path, line, found

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{where}: {self.found}; a file of traces holds one JSON object a line, see tests/conformance"


@dataclass(frozen=True)
class Trace:
    """One scenario and what OTP did. ``observed`` begins with the first start; then one entry a step."""

    name: str
    about: str
    features: Sequence[str]
    tree: Json
    prepare: Sequence[Json]
    steps: Sequence[Json]
    observed: Sequence[Json]


def read_traces(path: Path) -> list[Trace]:
    """All traces of a file. Raises MalformedTraces."""
    try:
        lines = path.read_text("utf-8").split("\n")  # a string of JSON may hold other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedTraces(path, None, f"it cannot be read: {error}") from error
    traces = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                traces.append(_trace(json.loads(line, parse_constant=_no_number)))
            except (json.JSONDecodeError, RecursionError) as error:
                raise MalformedTraces(path, number, f"this is not JSON: {error}") from error
            except _Wrong as wrong:
                raise MalformedTraces(path, number, str(wrong)) from wrong
    if not traces:
        raise MalformedTraces(path, None, "it holds no trace")
    return traces


def supervisors_in(spec: Json) -> Iterator[str]:
    """The ids of all supervisors in a specification."""
    if spec.get("type") == "supervisor":
        yield spec["id"]
        for child in spec.get("children", ()):
            yield from supervisors_in(child)


class _Wrong(Exception):
    pass


def _trace(row: object) -> Trace:
    scenario = _need(row, "the trace", "name", "tree", "steps", "observed")
    who = f"trace {scenario['name']!r}"
    _check_spec(scenario["tree"], f"{who}, the tree")
    if scenario["tree"]["type"] != "supervisor":
        raise _Wrong(f"{who}, the tree is a {scenario['tree']['type']}, not a supervisor")
    prepare, steps, observed = scenario.get("prepare", []), scenario["steps"], scenario["observed"]
    for title, some in (("preparation", prepare), ("step", steps)):
        _check_steps(some, f"{who}, {title}")
    for number, entry in enumerate(_list(observed, f"{who}, observed")):
        _need(entry, f"{who}, observed {number}", "result")
    if len(observed) != len(steps) + 1:
        raise _Wrong(f"{who} has {len(steps)} steps and {len(observed)} observations; one more is needed")
    about = scenario.get("about") or scenario.get("family") or ""
    features = _list(scenario.get("features", []), f"{who}, features")
    return Trace(scenario["name"], about, features, scenario["tree"], prepare, steps, observed)


def _check_steps(steps: object, where: str) -> None:
    for number, step in enumerate(_list(steps, where), 1):
        here = f"{where} {number}"
        kind = _need(step, here, "do")["do"]
        _need(step, f"{here} ({kind})", *REQUIRED.get(kind, ()))
        if kind == "start_child":
            _check_started(step, f"{here} ({kind})")
        elif kind == "together":
            _check_steps(step["steps"], f"{here} (together), step")


def _check_started(step: Json, where: str) -> None:
    if "spec" in step:
        _need(step["spec"], f"{where}, spec", "id")
        _check_spec(step["spec"], f"{where}, spec")
    elif "id" not in step:
        raise _Wrong(f"{where} has neither 'spec' nor 'id'")


def _check_spec(spec: object, where: str) -> None:
    kind = _need(spec, where, "type")["type"]
    checked = _need(spec, where, *(SUPERVISOR_KEYS if kind == "supervisor" else WORKER_KEYS))
    if kind != "supervisor":
        return
    if "template" in checked or checked["strategy"] == "simple_one_for_one":
        _need(checked, where, "template")
        _check_spec(checked["template"], f"{where}, template")
    for number, child in enumerate(_list(checked.get("children", []), f"{where}, children"), 1):
        _need(child, f"{where}, child {number}", "id")
        _check_spec(child, f"{where}, child {number}")


def _need(value: object, where: str, *keys: str) -> Json:
    if not isinstance(value, dict):
        raise _Wrong(f"{where} is {type(value).__name__}, not an object")
    missing = [key for key in keys if key not in value]
    if missing:
        raise _Wrong(f"{where} has no key {missing[0]!r}")
    for key in keys:
        kind, name = KINDS.get(key, (object, ""))
        # To Python true and false are whole numbers too.
        if not isinstance(value[key], kind) or (kind is int and isinstance(value[key], bool)):
            raise _Wrong(f"{where}, {key!r} is {type(value[key]).__name__}, not {name}")
    return value


def _no_number(constant: str) -> NoReturn:
    raise _Wrong(f"{constant} is no number of JSON")


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(f"{where} is {type(value).__name__}, not a list")
    return value
