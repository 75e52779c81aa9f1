"""A second supervisor, written from the description of OTP's alone, as plainly as can be.

Everything is done at once and by recursion: no lanes, no commands, nothing shared with the engine.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Union

from tests.conformance.driver import OK
from tests.conformance.specs import DEFAULT_SHUTDOWN_MS
from tests.conformance.traces import Json

if TYPE_CHECKING:
    from tests.conformance.reference import Reference

NORMAL = {"normal", "shutdown", "shutdown_tuple"}
STOPPED, RUNNING, RESTARTING = "stopped", "running", "restarting"


class Failed(Exception):
    """A start came to nothing: the ids from there down, and what is wrong with the specification."""

    def __init__(self, path: list[str], mistake: str | None = None) -> None:
        super().__init__(path, mistake)
        self.path, self.mistake = path, mistake


class Ignored(Exception):
    """A start was answered with "ignore"."""


class Member:
    """An entry of a supervisor's list."""

    def __init__(self, spec: Json) -> None:
        self.spec, self.id, self.state = spec, spec["id"], STOPPED
        self.process: Process | None = None

    @property
    def restart(self) -> str:
        """Its restart type."""
        return str(self.spec.get("restart", "permanent"))

    @property
    def significant(self) -> bool:
        """Whether its end may be that of its supervisor."""
        return bool(self.spec.get("significant"))


class Worker:
    """A process without children."""

    def __init__(self, spec: Json, above: Supervisor) -> None:
        self.spec, self.above, self.alive = spec, above, True


class Supervisor:
    """A process with a list and an inbox."""

    def __init__(self, world: Reference, spec: Json, above: Supervisor | None) -> None:
        self.world, self.spec, self.id, self.above = world, spec, spec["id"], above
        self.alive = True
        self.simple = spec["strategy"] == "simple_one_for_one"
        self.members: list[Member] = []
        self.restarts: list[int] = []
        self.inbox: deque[tuple[Any, ...]] = deque()
        self.ends_with = "shutdown"

    def work(self) -> None:
        """Handle every message, one after the other."""
        while self.alive and self.inbox:
            match self.inbox.popleft():
                case "died", process, reason:
                    self.died(process, reason)
                case "retry", member:
                    if member in self.members and member.state == RESTARTING:
                        self.restart(member)
                case "call", call, result:
                    result.update(self.call(call))
                case _:
                    self.end()

    # The end.

    def end(self, *, by_itself: bool = False) -> None:
        """Stop everybody; the one above learns of it unless it ordered it."""
        if self.simple:
            longest = max((self.stop(member) for member in self.members), default=0)
            self.world.now += longest
        else:
            for member in reversed(self.members):
                self.stop_and_wait(member)
        self.over()
        if by_itself and self.above is not None:
            self.above.inbox.append(("died", self, "shutdown"))

    def over(self) -> None:
        """Be gone, and the inbox with it."""
        self.alive = False
        for message in self.inbox:
            if message[0] == "call":
                message[2].update(result="error:terminated")
        self.inbox.clear()
        self.world.events.append(["stop", self.id, self.ends_with])
        if self.world.supervisors.get(self.id) is self:
            del self.world.supervisors[self.id]

    def kill(self) -> None:
        """Be lost: the workers are linked and die too, the supervisors beneath are told and end in order."""
        for member in self.members:
            if isinstance(member.process, Worker) and member.process.alive:
                member.process.alive = False
                self.world.events.append(["stop", member.id, "killed"])
        for member in self.members:
            if isinstance(member.process, Supervisor) and member.process.alive:
                member.process.ends_with = "killed"
                member.process.inbox.append(("stop",))
                member.process.work()
        self.ends_with = "killed"
        self.over()
        if self.above is not None:
            self.above.inbox.append(("died", self, "killed"))

    def stop(self, member: Member) -> int:
        """Stop a child; the milliseconds that it takes."""
        process, member.process, member.state = member.process, None, STOPPED
        if process is None or not process.alive:
            return 0
        if isinstance(process, Supervisor):
            process.inbox.append(("stop",))
            process.work()
            return 0
        process.alive = False
        reason, took = how_it_stops(process.spec)
        self.world.events.append(["stop", member.id, reason])
        return took

    def stop_and_wait(self, member: Member) -> None:
        """Stop a child and wait until it is gone."""
        took = self.stop(member)
        self.world.now += took

    # Deaths.

    def died(self, process: Process, reason: str) -> None:
        """Take the death of a child that nobody asked for."""
        member = next((it for it in self.members if it.process is process), None)
        if member is None:
            return
        if member.restart == "permanent" or (member.restart == "transient" and reason not in NORMAL):
            self.restart(member)
            return
        member.process, member.state = None, STOPPED
        if member.restart == "temporary" or self.simple:
            self.members.remove(member)
        if member.significant and self.ends_without(member):
            self.end(by_itself=True)

    def ends_without(self, member: Member) -> bool:
        """Auto-shutdown."""
        if self.spec["auto_shutdown"] == "all_significant":
            others = [it for it in self.members if it is not member and it.significant]
            return all(it.state == STOPPED for it in others)
        return bool(self.spec["auto_shutdown"] == "any_significant")

    def restart(self, member: Member) -> None:
        """Count it; give up, or stop the group and start it again."""
        now = self.world.now // 1000
        self.restarts = [*(at for at in self.restarts if at >= now - self.spec["period"]), now]
        if len(self.restarts) > self.spec["intensity"]:
            member.process, member.state = None, STOPPED
            self.end(by_itself=True)
            return
        group = self.group(member)
        for one in reversed(group):
            self.stop_and_wait(one)
        stay = [one for one in group if one is member or one.restart != "temporary"]
        self.members = [one for one in self.members if one in stay or one not in group]
        for one in stay:
            try:
                self.start(one)
            except Ignored:
                continue
            except Failed:
                one.state = RESTARTING
                self.inbox.append(("retry", one))
                return

    def group(self, member: Member) -> list[Member]:
        """Who is restarted with it."""
        match self.spec["strategy"]:
            case "one_for_all":
                return list(self.members)
            case "rest_for_one":
                return self.members[self.members.index(member) :]
            case _:
                return [member]

    def start(self, member: Member) -> None:
        """Start a member of the list. Raises Failed, Ignored."""
        member.process = self.world.begin(member.spec, self)
        member.state = RUNNING

    # Calls.

    def call(self, call: Json) -> Json:
        """Serve an operator."""
        match call["do"]:
            case "start_child":
                return self.start_child(call)
            case "count_children":
                return {**OK, "counts": self.counts()}
            case "which_children":
                listed = [[it.id, it.state, it.spec["type"]] for it in reversed(self.members)]
                return {**OK, "which": sorted(listed) if self.simple else listed}
        member = next((it for it in self.members if it.id == call["id"]), None)
        if self.simple:
            return self.call_about_instance(call, member)
        if member is None:
            return {"result": "error:not_found"}
        return self.call_about(call["do"], member)

    def start_child(self, call: Json) -> Json:
        """Append a new child."""
        spec = {**self.spec["template"], "id": call["id"]} if self.simple else call["spec"]
        if contradicts(spec, self.spec):
            return {"result": "error:bad_combination"}
        there = next((it for it in self.members if it.id == spec["id"]), None)
        if there is not None:
            return {"result": f"error:already_{'started' if there.state == RUNNING else 'present'}"}
        member = Member(spec)
        try:
            self.start(member)
        except Failed as failed:
            return {"result": "error:start_failed", "failed_path": failed.path}
        except Ignored:
            if member.restart != "temporary" and not self.simple:
                self.members.append(member)
            return {"result": "ok:ignored"}
        self.members.append(member)
        return OK

    def counts(self) -> Json:
        """What count_children says."""
        workers = sum(it.spec["type"] == "worker" for it in self.members)
        active = sum(it.process is not None and (it.process.alive or self.simple) for it in self.members)
        specs = 1 if self.simple else len(self.members)
        return {
            "specs": specs, "active": active, "supervisors": len(self.members) - workers, "workers": workers,
        }  # fmt: skip

    def call_about_instance(self, call: Json, member: Member | None) -> Json:
        """Instances go by process: an id that was once started stands for its latest one."""
        latest = self.world.workers.get(call["id"])
        if call["do"] != "terminate_child" or (member is None and latest is None):
            return {"result": "error:simple_one_for_one"}
        if member is not None:
            self.stop_and_wait(member)
            self.members.remove(member)
        elif latest is not None and latest.alive:
            return {"result": "error:not_found"}
        return OK

    def call_about(self, verb: str, member: Member) -> Json:
        """Terminate, delete or restart a child of the list."""
        if verb == "terminate_child":
            self.stop_and_wait(member)
            if member.restart == "temporary":
                self.members.remove(member)
            return OK
        if member.state != STOPPED:
            return {"result": f"error:{member.state}"}
        if verb == "delete_child":
            self.members.remove(member)
            return OK
        try:
            self.start(member)
        except Failed as failed:
            return {"result": "error:start_failed", "failed_path": failed.path}
        except Ignored:
            return {"result": "ok:ignored"}
        return OK


Process = Union[Worker, Supervisor]  # noqa: UP007 - both names come after their first use


def how_it_stops(spec: Json) -> tuple[str, int]:
    """The reason with which a worker ends when it is to, and after how many milliseconds."""
    patience, way = spec.get("shutdown", DEFAULT_SHUTDOWN_MS), spec.get("on_shutdown", "exit")
    if patience == "brutal_kill":
        return "killed", 0
    if way == "hang":
        return "killed", patience
    return ("shutdown" if way == "exit" else "abnormal"), 0


def contradicts(child: Json, supervisor: Json) -> bool:
    """Significant, where that can mean nothing."""
    never = supervisor["auto_shutdown"] == "never" or child.get("restart", "permanent") == "permanent"
    return bool(child.get("significant")) and never
