"""Does to the engine what was done to OTP's supervisor, and writes down what happens in the same form.

The driver is the world of the engine: processes that start at once (or fail to), end when told to, and a
clock that only moves when nothing else can happen.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from supervisor.engine import commands, events
from supervisor.engine.engine import Engine
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import SupervisorSpec
from tests.conformance.specs import MS, ON_SHUTDOWN, NotUnderstood, child_spec, supervisor_spec
from tests.conformance.traces import REQUIRED, Json, Trace, supervisors_in

FEATURES = (
    "together",
    "timed",
    "simple_one_for_one",
    "ignore",
    "shutdown_modes",
    "shutdown_tuple",
    "unordered",
)
STATUSES = {
    "normal": ExitStatus(code=0),
    "shutdown": ExitStatus(code=0),
    "shutdown_tuple": ExitStatus(code=0),
    "abnormal": ExitStatus(code=1),
    "killed": ExitStatus(signal="SIGKILL"),
}
"""What a reason of Erlang's is for the engine. ``kill`` is what is done, ``killed`` what is seen."""
ON_REQUEST = {"exit": "shutdown", "crash": "abnormal"}
BEGIN_S = 1000.5
OK: Json = {"result": "ok"}


class TwoAtOnce(Exception):
    """The engine had a process started whose predecessor lives."""


@dataclass(frozen=True)
class Process:
    """A live worker."""

    incarnation: int
    on_shutdown: str


class Driver:
    """Drives one tree; each method of a step gives the entry that is to be compared."""

    def __init__(self, tree: Json) -> None:
        spec = supervisor_spec(tree)
        self.running: set[str] = set()
        self.processes: dict[str, Process] = {}
        self.known = dict.fromkeys(supervisors_in(tree))
        self._root = spec.id
        self._simple = set(_simple_in(spec))
        self._engine = Engine(spec, uniform=lambda: 0.0, otp=True)
        self._now = BEGIN_S
        self._failing: Counter[str] = Counter()
        self._ignoring: Counter[str] = Counter()
        self._told: deque[events.Event] = deque()
        self._alarms: list[tuple[float, int, events.Timer]] = []
        self._armed: set[events.Timer] = set()
        self._numbers = itertools.count(1)
        self._answers: dict[str, commands.CallResult] = {}
        self._events: list[list[str]] = []
        self._start_failure: Json | None = None

    def start(self, prepare: Sequence[Json] = ()) -> Json:
        """Start the tree."""
        for step in prepare:
            self._together(step)
        self._handle([events.Boot()])
        return self._entry(self._start_failure or OK, unordered=False)

    def step(self, step: Json) -> Json:
        """Do one step and wait until everything is quiet. Raises NotUnderstood."""
        self._events = []
        return self._entry(self._do(step), unordered=step.get("unordered", False))

    def _do(self, step: Json) -> Json:
        if step["do"] != "together":
            return self._done([step])[0]
        if step["supervisor"] not in self.running:
            return {"result": "error:noproc"}
        return {**OK, "results": self._done(step["steps"])}

    def _done(self, steps: Sequence[Json]) -> list[Json]:
        """Do steps before the engine can react to the first of them."""
        happened: list[events.Event] = []
        results: list[Callable[[], Json]] = []
        for step in steps:
            result, event = self._together(step)
            results.append(result)
            happened += [] if event is None else [event]
        self._handle(happened)
        return [result() for result in results]

    # What a step is: its result, to be asked for when all is quiet, and what the engine is told.

    def _together(self, step: Json) -> tuple[Callable[[], Json], events.Event | None]:
        match step["do"]:
            case "exit":
                return self._exit(step["id"], step["reason"])
            case "fail_next_starts":
                self._failing[step["id"]] = step["times"]
            case "ignore_next_starts":
                self._ignoring[step["id"]] = step["times"]
            case "sleep":
                self._now += step["ms"] / MS
            case "stop_tree":
                return _ok, events.ShutdownAsked()
            case "together":
                raise NotUnderstood("a step within together", "together", tuple(REQUIRED))
            case _:
                return self._call(step)
        return _ok, None

    def _exit(self, child: str, reason: str) -> tuple[Callable[[], Json], events.Event | None]:
        if child in self.running:
            if reason != "kill":
                raise NotUnderstood("the exit of a supervisor with reason", reason, ("kill",))
            return _ok, events.SupervisorKilled(child)
        if child not in self.processes:
            return _not_running, None
        seen = "killed" if reason == "kill" else reason
        if seen not in STATUSES:
            raise NotUnderstood("the reason", reason, (*STATUSES, "kill"))
        return _ok, self._ended(child, seen)

    def _call(self, step: Json) -> tuple[Callable[[], Json], events.Event]:
        request = f"call {next(self._numbers)}"
        event = self._call_event(step, step.get("supervisor", ""), request)
        return lambda: _rendered(step, self._answers[request], self._simple), event

    def _call_event(self, step: Json, supervisor: str, request: str) -> events.Event:
        match step["do"]:
            case "start_child":
                return self._start_child(step, supervisor, request)
            case "terminate_child":
                return events.TerminateChild(supervisor, step["id"], request)
            case "restart_child":
                return events.RestartChild(supervisor, step["id"], request)
            case "delete_child":
                return events.DeleteChild(supervisor, step["id"], request)
            case "count_children":
                return events.CountChildren(supervisor, request)
            case "which_children":
                return events.WhichChildren(supervisor, request)
            case unknown:
                raise NotUnderstood("the kind of step", unknown, tuple(REQUIRED))

    def _start_child(self, step: Json, supervisor: str, request: str) -> events.Event:
        if "spec" not in step:
            return events.StartChild(supervisor, step["id"], request)
        self.known.update(dict.fromkeys(supervisors_in(step["spec"])))
        spec = child_spec(step["spec"])
        self._simple |= set(_simple_in(spec) if isinstance(spec, SupervisorSpec) else ())
        return events.StartChild(supervisor, spec, request)

    # What is seen.

    def _entry(self, result: Json, *, unordered: bool) -> Json:
        entry = {
            **result,
            "events": sorted(self._events) if unordered else self._events,
            "supervisors": {name: "running" if name in self.running else "terminated" for name in self.known},
            "children": {name: self._children(name) for name in self.known if name in self.running},
        }
        return {**entry, "unordered": True} if unordered else entry

    def _children(self, supervisor: str) -> list[list[str]]:
        self._handle([events.WhichChildren(supervisor, "look")])
        listed = [[child.id, child.state] for child in reversed(self._answers["look"].which or ())]
        return sorted(listed) if supervisor in self._simple else listed

    # The world.

    def _handle(self, together: Iterable[events.Event]) -> None:
        self._perform(self._engine.handle_all(together, self._now))
        while self._told or self._armed:
            if self._told:
                event = self._told.popleft()
            else:
                self._now, _, timer = heapq.heappop(self._alarms)
                if timer not in self._armed:
                    continue
                self._armed.remove(timer)
                event = events.TimerFired(timer)
            self._perform(self._engine.handle(event, self._now))

    def _perform(self, wanted: Sequence[commands.Command]) -> None:
        for command in wanted:
            match command:
                case commands.Spawn(child, incarnation):
                    self._spawn(command)
                case commands.SpawnSupervisor(supervisor, incarnation):
                    self._told.append(
                        self._refusal(supervisor, incarnation) or events.Spawned(supervisor, incarnation, 0)
                    )
                case commands.Signal(child):
                    way = ON_REQUEST.get(self.processes[child].on_shutdown)
                    if way is not None:
                        self._told.append(self._ended(child, way))
                case commands.Kill(child):
                    if child in self.processes:
                        self._told.append(self._ended(child, "killed"))
                case commands.Arm(timer, at):
                    self._armed.add(timer)
                    heapq.heappush(self._alarms, (at, timer.serial, timer))
                case commands.Disarm(timer):
                    self._armed.discard(timer)
                case commands.Report():
                    self._reported(command)
                case commands.Answer(request, result):
                    self._answers[request] = result

    def _spawn(self, command: commands.Spawn) -> None:
        child, incarnation = command.child, command.incarnation
        refusal = self._refusal(child, incarnation)
        if isinstance(refusal, events.SpawnFailed):
            self._events.append(["start_failed", child])
        if refusal is not None:
            self._told.append(refusal)
            return
        if child in self.processes:
            raise TwoAtOnce(child)
        self._events.append(["start", child])
        self.processes[child] = Process(incarnation, command.spec.program.config[ON_SHUTDOWN])
        self._told += [events.Spawned(child, incarnation, 0), events.Ready(child, incarnation)]

    def _refusal(self, child: str, incarnation: int) -> events.SpawnFailed | events.StartIgnored | None:
        if self._failing[child] > 0:
            self._failing[child] -= 1
            return events.SpawnFailed(child, incarnation, "it was told to fail")
        if self._ignoring[child] > 0:
            self._ignoring[child] -= 1
            self._events.append(["start_ignored", child])
            return events.StartIgnored(child, incarnation)
        return None

    def _ended(self, child: str, reason: str) -> events.Exited:
        process = self.processes.pop(child)
        self._events.append(["stop", child, reason])
        return events.Exited(child, process.incarnation, STATUSES[reason])

    def _reported(self, report: commands.Report) -> None:
        if report.child not in self.known:
            return
        if report.event == "ready":
            self.running.add(report.child)
            self._events.append(["start", report.child])
        elif report.event == "exited":
            self._supervisor_ended(report)

    def _supervisor_ended(self, report: commands.Report) -> None:
        self.running.discard(report.child)
        match report.facts["reason"]:
            case "start_failed":
                self._events.append(["start_failed", report.child])
                if report.child == self._root:
                    self._start_failure = _start_failure(report)
            case "killed":
                self._events.append(["stop", report.child, "killed"])
            case _:
                self._events.append(["stop", report.child, "shutdown"])


def difference(trace: Trace) -> str | None:
    """What is seen first that OTP did not do, as a readable text. Raises NotUnderstood."""
    for feature in trace.features:
        if feature not in FEATURES:
            raise NotUnderstood("the feature", feature, FEATURES)
    driver = Driver(trace.tree)
    seen = driver.start(trace.prepare)
    for number, expected in enumerate(trace.observed):
        if number:
            seen = driver.step(trace.steps[number - 1])
        if seen != expected:
            what = "the first start" if number == 0 else f"step {number}, {trace.steps[number - 1]}"
            return f"{trace.name}: {what}\n" + "\n".join(_differing(expected, seen))
    return None


def _differing(expected: Json, seen: Json) -> Iterable[str]:
    for key in sorted(expected.keys() | seen.keys()):
        there = [entry.get(key, "(not there)") for entry in (expected, seen)]
        if there[0] != there[1]:
            yield f"  {key}:\n    OTP:    {there[0]}\n    engine: {there[1]}"


def _ok() -> Json:
    return OK


def _not_running() -> Json:
    return {"result": "error:not_running"}


def _simple_in(spec: SupervisorSpec) -> Iterable[str]:
    if spec.strategy == "simple_one_for_one":
        yield spec.id
    for child in spec.children:
        if isinstance(child, SupervisorSpec):
            yield from _simple_in(child)


def _start_failure(report: commands.Report) -> Json:
    mistake, failed_path = report.facts["mistake"], report.facts["failed_path"]
    if mistake is not None:
        return {"result": f"error:{mistake}"}
    assert isinstance(failed_path, tuple)
    return {"result": "error:start_failed", "failed_path": list(failed_path[1:])}


def _rendered(step: Json, result: commands.CallResult, simple: set[str]) -> Json:
    if result.error == "start_failed":
        return {"result": "error:start_failed", "failed_path": list(result.failed_path)}
    if result.error is not None:
        return {"result": f"error:{result.error}"}
    rendered: Json = {"result": "ok:ignored"} if result.ignored else dict(OK)
    if result.counts is not None:
        rendered["counts"] = asdict(result.counts)
    if result.which is not None:
        which = [[child.id, child.state, child.type] for child in result.which]
        # OTP has no order among instances: sorted by id, as in "children".
        rendered["which"] = sorted(which) if step["supervisor"] in simple else which
    return rendered
