"""Two implementations of one description: where nothing was recorded, they say the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.conformance.driver import Driver
from tests.conformance.reference import Reference
from tests.conformance.test_random import scenarios
from tests.conformance.traces import Json, Trace, read_traces, supervisors_in

DATA = Path(__file__).parent / "data"


@pytest.mark.req("S2")
@pytest.mark.parametrize("path", sorted(DATA.glob("*.jsonl")), ids=lambda path: path.stem)
def test_reference_does_what_otp_did(path: Path) -> None:
    """It is judged by the recordings first."""
    assert [trace.name for trace in read_traces(path) if list(retold(trace)) != list(trace.observed)] == []


@pytest.mark.req("S2")
@settings(max_examples=80)
@given(scenarios())
def test_engine_does_what_the_reference_does(scenario: tuple[Json, list[Json], list[Json]]) -> None:
    """Any tree, any steps: the same events, answers and lists after each of them."""
    tree, prepare, steps = scenario
    reference, driver = Reference(tree), Driver(tree)
    expected, seen = reference.start(prepare), driver.start(prepare)
    assert comparable(seen, tree) == comparable(expected, tree)
    for step in steps:
        allowed = described(step, reference)
        if allowed is not None:
            expected, seen = reference.step(allowed), driver.step(allowed)
            assert comparable(seen, tree, step) == comparable(expected, tree, step), step


def retold(trace: Trace) -> Iterator[Json]:
    """What the reference sees of a trace."""
    reference = Reference(trace.tree)
    yield reference.start(trace.prepare)
    for step in trace.steps:
        yield reference.step(step)


def comparable(entry: Json, tree: Json, step: Json | None = None) -> Json:
    """An entry; without the order of its events where processes end at the same time."""
    killed = step is not None and step.get("reason") == "kill" and step["id"] in entry["supervisors"]
    at_once = killed or "simple_one_for_one" in str(tree)
    return {**entry, "events": sorted(entry["events"])} if at_once else entry


def described(step: Json, reference: Reference) -> Json | None:
    """The step, or what of it the description speaks about; None: nothing."""
    if step["do"] == "together":
        above = step["supervisor"]
        inner = [one for one in step["steps"] if belongs(one, above, reference)]
        return {**step, "steps": [one for one in inner if described(one, reference) is not None]}
    if step["do"] != "start_child":
        return step
    there = reference.supervisors.get(step["supervisor"])
    if there is not None and there.simple != ("spec" not in step):
        return None
    return step if is_new(step, reference) else None


def belongs(step: Json, above: str, reference: Reference) -> bool:
    """Whether a step may happen together with others that concern this supervisor."""
    if step["do"] == "exit":
        return step["id"] not in reference.supervisors and reference.owner(step["id"]) in {above, None}
    return bool(step.get("supervisor", above) == above)


def is_new(step: Json, reference: Reference) -> bool:
    """Whether no other supervisor has, or may have again, a child of that id."""
    name = step["id"] if "id" in step else step["spec"]["id"]
    places: set[Any] = {
        one.id for one in reference.supervisors.values() for it in one.members if it.id == name
    }
    return places <= {step["supervisor"]} and name not in set(supervisors_in(reference.tree))
