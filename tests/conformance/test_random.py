"""Random trees and random steps: whatever comes, the engine keeps what every supervisor promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.conformance.driver import Driver
from tests.conformance.traces import Json

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
RESTARTS = st.sampled_from(["permanent", "permanent", "transient", "temporary"])
REASONS = st.sampled_from(["normal", "shutdown", "shutdown_tuple", "abnormal", "kill"])
MAX_DEPTH = 3


class Names:
    """Gives ids that no other child of the tree has."""

    def __init__(self) -> None:
        self.workers: list[str] = []
        self.supervisors: list[str] = []

    def worker(self) -> str:
        """A new id for a worker."""
        self.workers.append(f"w{len(self.workers)}")
        return self.workers[-1]

    def supervisor(self) -> str:
        """A new id for a supervisor."""
        self.supervisors.append(f"s{len(self.supervisors)}")
        return self.supervisors[-1]


def worker(draw: st.DrawFn, name: str, *, auto: str = "never") -> Json:
    """A worker that may be a child of a supervisor with this auto_shutdown, now and then one that may not."""
    restart = draw(RESTARTS)
    allowed = auto != "never" and restart != "permanent"
    return {
        "id": name,
        "type": "worker",
        "restart": restart,
        "significant": draw(st.booleans()) if allowed else draw(st.integers(0, 30)) == 0,
        "shutdown": draw(st.sampled_from([5000, 300, "brutal_kill"])),
        "on_shutdown": draw(st.sampled_from(["exit", "exit", "hang", "crash"])),
    }


def supervisor(draw: st.DrawFn, names: Names, depth: int = 1) -> Json:
    """A supervisor with everything beneath it."""
    name = names.supervisor()
    auto = draw(st.sampled_from(["never", "never", "any_significant", "all_significant"]))
    spec: Json = {
        "id": name,
        "type": "supervisor",
        "intensity": draw(st.sampled_from([0, 1, 2, 3, 5, 8])),
        "period": draw(st.sampled_from([1, 3600])),
        "auto_shutdown": auto,
        "restart": draw(RESTARTS),
        "significant": False,
    }
    if draw(st.integers(0, 7)) == 0:
        template = worker(draw, "template")
        return {**spec, "strategy": "simple_one_for_one", "template": template, "children": []}
    nested = st.booleans() if depth < MAX_DEPTH else st.just(value=False)
    children = [
        supervisor(draw, names, depth + 1) if draw(nested) else worker(draw, names.worker(), auto=auto)
        for _ in range(draw(st.integers(0 if depth > 1 else 1, 4)))
    ]
    return {**spec, "strategy": draw(st.sampled_from(STRATEGIES)), "children": children}


def step(draw: st.DrawFn, names: Names, kinds: tuple[str, ...]) -> Json:
    """One step about a child or supervisor that may be there, or not any more, or not yet."""
    kind = draw(st.sampled_from(kinds))
    above = draw(st.sampled_from(names.supervisors))
    child = draw(st.sampled_from([*names.workers, *names.supervisors]))
    match kind:
        case "exit":
            reason = "kill" if child in names.supervisors else draw(REASONS)
            return {"do": kind, "id": child, "reason": reason}
        case "fail_next_starts" | "ignore_next_starts":
            return {"do": kind, "id": child, "times": draw(st.integers(0, 3))}
        case "sleep":
            return {"do": kind, "ms": draw(st.sampled_from([100, 2500]))}
        case "start_child" if draw(st.booleans()):
            return {"do": kind, "supervisor": above, "id": names.worker()}
        case "start_child":
            new = (
                supervisor(draw, names, MAX_DEPTH)
                if draw(st.booleans())
                else worker(draw, draw(st.sampled_from([names.worker(), *names.workers])))
            )
            return {"do": kind, "supervisor": above, "spec": new}
        case "together":
            inner = [step(draw, names, CALLS) for _ in range(draw(st.integers(1, 4)))]
            return {"do": kind, "supervisor": above, "steps": inner}
        case _:
            return {"do": kind, "supervisor": above, "id": child}


CALLS = (
    *("exit",) * 5,
    *("start_child", "terminate_child", "restart_child", "delete_child"),
    *("count_children", "which_children", "fail_next_starts"),
)
STEPS = (*CALLS, *("exit",) * 4, "together", "together", "ignore_next_starts", "sleep")


@st.composite
def scenarios(draw: st.DrawFn) -> tuple[Json, list[Json], list[Json]]:
    """A tree, what is prepared, and the steps."""
    names = Names()
    tree = supervisor(draw, names)
    if not names.workers:
        names.worker()
    prepare = [step(draw, names, ("fail_next_starts",))] if draw(st.integers(0, 9)) == 0 else []
    return tree, prepare, [step(draw, names, STEPS) for _ in range(draw(st.integers(1, 20)))]


@pytest.mark.req("S2")
@settings(max_examples=300)
@given(scenarios())
def test_any_tree_survives_any_steps(scenario: tuple[Json, list[Json], list[Json]]) -> None:
    """At rest after each step: nothing lives twice or without its supervisor, and the lists say what is."""
    tree, prepare, steps = scenario
    driver = Driver(tree)
    check(driver, driver.start(prepare))
    for one in steps:
        check(driver, driver.step(one))
    event("ends running" if driver.running else "ended")
    check(driver, driver.step({"do": "stop_tree"}))

    assert not driver.running
    assert not driver.processes


def check(driver: Driver, seen: Json) -> None:
    """What is true of every tree at rest. That nothing lives twice the driver itself sees to."""
    listed = list(entries(seen))
    ids = [child for child, _ in listed]
    alive = {*driver.processes, *driver.running}
    root = next(iter(driver.known))

    assert len(ids) == len(set(ids)), "one child, one place"
    assert {state for _, state in listed} <= {"running", "stopped"}, "nobody is restarting at rest"
    assert alive - {root} == {child for child, state in listed if state == "running"}
    assert root in driver.running or not alive
    check_answers(seen)


def entries(seen: Json) -> Iterator[tuple[str, str]]:
    """Every child in every list, with its state."""
    for children in seen["children"].values():
        yield from children


def check_answers(seen: Json) -> None:
    """A step has one result; a failed start has a path."""
    answers: list[Any] = [seen, *seen.get("results", ())]

    assert all(isinstance(answer["result"], str) for answer in answers)
    failed = [answer for answer in answers if answer["result"] == "error:start_failed"]
    assert all("failed_path" in answer for answer in failed)
