"""Makes a running tree into the one that a changed file describes: only what differs is touched."""

from __future__ import annotations

from supervisor.engine.changes import changes, needs_fresh_start, needs_new_process, obstacle, specs_beneath
from supervisor.engine.child import ChildNode, Record
from supervisor.engine.commands import Reply, Report
from supervisor.engine.completion import complete
from supervisor.engine.context import Context
from supervisor.engine.group import Node, SupervisorNode, beneath
from supervisor.engine.lane import Operation
from supervisor.engine.phase import Phase
from supervisor.engine.spec import ChildSpec, SupervisorSpec, WorkerSpec
from supervisor.engine.worker import WorkerNode


class Reload:
    """Applies a new specification. What must happen to a child queues up in its lane like everything else."""

    def __init__(self, ctx: Context, root: SupervisorNode) -> None:
        self._ctx = ctx
        self._root = root

    def apply(self, spec: SupervisorSpec, request: str | None) -> None:
        """Begin to become ``spec``; answered at once with what differs, or why it cannot be."""
        reason = self._obstacle(spec)
        if reason is not None:
            self._reply(request, ok=False, detail=reason)
            return
        difference = changes(self._root.spec, spec)
        if difference:
            facts = {
                "what": str(difference),
                "added": difference.added,
                "removed": difference.removed,
                "changed": difference.changed,
                "adjusted": difference.adjusted,
                "reordered": difference.reordered,
            }
            self._ctx.emit(Report("reloaded", self._root.id, facts=facts))
            self._merge(self._root, spec)
        self._reply(request, ok=True, detail=str(difference))

    def _obstacle(self, spec: SupervisorSpec) -> str | None:
        if self._root.closing:
            return "the tree is stopping"
        wanted = {child.id for child in specs_beneath(spec)}
        leaving = [node.id for node in beneath(self._root) if is_leaving(node) and node.id in wanted]
        if leaving:
            return f"still being removed, try again when it is gone: {', '.join(leaving)}"
        return obstacle(self._root.spec, spec)

    def _merge(self, group: SupervisorNode, spec: SupervisorSpec) -> None:
        wanted = {child.id: child for child in spec.children}
        there = {child.id: child for child in group.children}
        leaving = [child for child in group.children if child.id not in wanted]
        group.take_spec(spec)
        for child in leaving:
            if not child.leaving:
                self._remove(group, child)
        members = [self._member(group, there.get(name), shall) for name, shall in wanted.items()]
        group.children = [*members, *leaving]  # who leaves is stopped first when all are stopped in reverse
        if group.phase in {Phase.STARTING, Phase.READY}:
            group.lane.post(complete(group))

    def _member(self, group: SupervisorNode, child: Node | None, spec: ChildSpec) -> Node:
        if child is None:
            child = group.adopt(spec)
        elif isinstance(child, WorkerNode) and isinstance(spec, WorkerSpec):
            self._change_worker(group, child, spec)
        elif isinstance(child, SupervisorNode) and isinstance(spec, SupervisorSpec):
            self._change_group(group, child, spec)
        return child

    def _change_worker(self, group: SupervisorNode, child: WorkerNode, spec: WorkerSpec) -> None:
        anew = needs_new_process(child.spec, spec)
        child.take_spec(spec)
        if spec.restart == "permanent":
            child.finished = False  # by its new type an end is not for good
        if anew:
            child.forgive()
            if child.phase is Phase.STARTING:
                child.cut()
            child.queue.post(self._restarted(group, child))

    def _change_group(self, parent: SupervisorNode, group: SupervisorNode, spec: SupervisorSpec) -> None:
        waits = group.shall is not None
        if not waits and not needs_fresh_start(group.spec, spec):
            self._merge(group, spec)
            return
        if not waits:
            group.queue.post(self._rebuilt(parent, group))
        _call_off_rebuilding(group)
        group.shall = spec  # of several the last one counts
        stays = {child.id for child in specs_beneath(spec)}
        for node in beneath(group):
            node.leaving = node.leaving or node.id not in stays

    def _restarted(self, group: SupervisorNode, child: WorkerNode) -> Operation[None]:
        yield from child.stop("restarted")
        child.forget_next_start()
        child.record = Record.STOPPED
        yield from group.start_all((child,))
        if not group.parallel:  # others may wait for the start that was cut
            yield from complete(group)

    def _rebuilt(self, parent: SupervisorNode, group: SupervisorNode) -> Operation[None]:
        if group.shall is None:  # it was down meanwhile and is what it shall be
            return
        yield from group.stop("restarted")
        group.forget_next_start()
        group.record = Record.STOPPED
        group.rebuild()  # where it was down before
        yield from parent.start_all((group,))

    def _remove(self, group: SupervisorNode, child: Node) -> None:
        child.wanted = False
        child.leaving = True
        _call_off_rebuilding(child)
        child.forget_next_start()
        if child.phase is Phase.STARTING:
            child.cut()
        child.queue.post(self._removed(group, child))

    def _removed(self, group: SupervisorNode, child: Node) -> Operation[None]:
        yield from child.stop("stopped")
        group.forget(child)
        if not group.parallel and not group.closing:  # they may have waited for it
            yield from complete(group)

    def _reply(self, request: str | None, *, ok: bool, detail: str) -> None:
        if request is not None:
            self._ctx.emit(Reply(request, self._root.id, ok, detail))


def _call_off_rebuilding(node: Node) -> None:
    """What is to go, or to be made anew as a whole, needs not change before."""
    if isinstance(node, SupervisorNode):
        node.shall = None
        for child in node.children:
            _call_off_rebuilding(child)


def is_leaving(node: ChildNode) -> bool:
    """Whether it is on its way out, by itself or with a group above it."""
    return node.leaving or (node.parent is not None and is_leaving(node.parent))
