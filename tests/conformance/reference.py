"""A world of plain supervisors.

It has the shape of :class:`tests.conformance.driver.Driver`, so that the two can be compared on what nobody
has recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.conformance.driver import OK
from tests.conformance.plain_supervisor import (
    Failed,
    Ignored,
    Member,
    Process,
    Supervisor,
    Worker,
    contradicts,
)
from tests.conformance.traces import Json, supervisors_in

BEGIN_MS = 1_000_500


class Reference:
    """A tree of them, and what is seen of it."""

    def __init__(self, tree: Json) -> None:
        self.tree, self.now = tree, BEGIN_MS
        self.known = dict.fromkeys(supervisors_in(tree))
        self.supervisors: dict[str, Supervisor] = {}
        self.workers: dict[str, Worker] = {}
        self.events: list[list[str]] = []
        self._failing: Counter[str] = Counter()
        self._ignoring: Counter[str] = Counter()

    def start(self, prepare: Sequence[Json] = ()) -> Json:
        """Start the tree."""
        for step in prepare:
            self._send(step)
        try:
            self.begin(self.tree, None)
        except Failed as failed:
            if failed.mistake is not None:
                return self._entry({"result": f"error:{failed.mistake}"}, unordered=False)
            return self._entry(
                {"result": "error:start_failed", "failed_path": failed.path[1:]}, unordered=False
            )
        return self._entry(OK, unordered=False)

    def step(self, step: Json) -> Json:
        """Do one step and wait until everything is quiet."""
        self.events, unordered = [], step.get("unordered", False)
        if step["do"] != "together":
            result = self._send(step)
        elif step["supervisor"] not in self.supervisors:
            result = {"result": "error:noproc"}
        else:
            result = {**OK, "results": [self._send(one) for one in step["steps"]]}
        while busy := [one for one in self.supervisors.values() if one.inbox]:
            busy[0].work()
        return self._entry(result, unordered=unordered)

    def begin(self, spec: Json, above: Supervisor | None) -> Process:
        """Start a process, with everything beneath it. Raises Failed, Ignored."""
        name = spec["id"]
        if self._failing[name] > 0:
            self._failing[name] -= 1
            self._fail([name])
        if self._ignoring[name] > 0:
            self._ignoring[name] -= 1
            self.events.append(["start_ignored", name])
            raise Ignored
        if spec["type"] == "supervisor":
            return self._begin_supervisor(spec, above)
        assert above is not None
        self.workers[name] = Worker(spec, above)
        self.events.append(["start", name])
        return self.workers[name]

    def owner(self, worker: str) -> str | None:
        """The supervisor of a worker that lives."""
        there = self.workers.get(worker)
        return there.above.id if there is not None and there.alive else None

    def _begin_supervisor(self, spec: Json, above: Supervisor | None) -> Supervisor:
        mistake = mistake_in(spec)
        if mistake is not None:
            self._fail([spec["id"]], mistake)
        born = Supervisor(self, spec, above)
        for child in spec.get("children", ()):
            member = Member(child)
            try:
                born.start(member)
            except Ignored:
                if member.restart == "temporary":
                    continue
            except Failed as failed:
                for one in reversed(born.members):
                    born.stop_and_wait(one)
                self._fail([born.id, *failed.path])
            born.members.append(member)
        self.supervisors[born.id] = born
        self.events.append(["start", born.id])
        return born

    def _fail(self, path: list[str], mistake: str | None = None) -> None:
        self.events.append(["start_failed", path[0]])
        raise Failed(path, mistake)

    def _send(self, step: Json) -> Json:
        match step["do"]:
            case "exit":
                return self._exit(step["id"], step["reason"])
            case "fail_next_starts":
                self._failing[step["id"]] = step["times"]
            case "ignore_next_starts":
                self._ignoring[step["id"]] = step["times"]
            case "sleep":
                self.now += step["ms"]
            case "stop_tree":
                if self.tree["id"] in self.supervisors:
                    self.supervisors[self.tree["id"]].inbox.append(("stop",))
            case _:
                return self._call(step)
        return OK

    def _call(self, step: Json) -> Json:
        self.known.update(dict.fromkeys(supervisors_in(step.get("spec", {}))))
        supervisor = self.supervisors.get(step["supervisor"])
        if supervisor is None:
            return {"result": "error:noproc"}
        result: Json = {}
        supervisor.inbox.append(("call", step, result))
        return result

    def _exit(self, name: str, reason: str) -> Json:
        if name in self.supervisors:
            self.supervisors[name].kill()
            return OK
        worker = self.workers.get(name)
        if worker is None or not worker.alive:
            return {"result": "error:not_running"}
        worker.alive = False
        seen = "killed" if reason == "kill" else reason
        self.events.append(["stop", name, seen])
        worker.above.inbox.append(("died", worker, seen))
        return OK

    def _entry(self, result: Json, *, unordered: bool) -> Json:
        there = self.supervisors
        entry = {
            **result,
            "events": sorted(self.events) if unordered else self.events,
            "supervisors": {name: "running" if name in there else "terminated" for name in self.known},
            "children": {name: listed(there[name]) for name in self.known if name in there},
        }
        return {**entry, "unordered": True} if unordered else entry


def listed(supervisor: Supervisor) -> list[list[str]]:
    """Its list in start order; instances have none."""
    members = [[it.id, it.state] for it in supervisor.members]
    return sorted(members) if supervisor.simple else members


def mistake_in(spec: Json) -> str | None:
    """What OTP refuses in a supervisor's specification."""
    if spec["intensity"] < 0:
        return "supervisor_data:invalid_intensity"
    if spec["period"] < 1:
        return "supervisor_data:invalid_period"
    template = spec.get("template")
    ids: set[str] = set()
    for child in spec.get("children", ()) if template is None else ({"id": "template", **template},):
        if contradicts(child, spec):
            return "start_spec:bad_combination"
        if child["id"] in ids:
            return "start_spec:duplicate_child_name"
        ids.add(child["id"])
    return None
