"""What a specification may not say. The rules and their names are OTP's."""

from __future__ import annotations

from enum import Enum

from supervisor.engine.spec import ChildSpec, SupervisorSpec


class Mistake(Enum):
    """What is wrong with a specification; the value is OTP's word for it."""

    INVALID_INTENSITY = "invalid_intensity"
    INVALID_PERIOD = "invalid_period"
    BAD_COMBINATION = "bad_combination"
    DUPLICATE_CHILD_NAME = "duplicate_child_name"

    @property
    def detail(self) -> str:
        """Where it lies and what it is: in the supervisor's own data, or in the specs of its children."""
        own = self in {Mistake.INVALID_INTENSITY, Mistake.INVALID_PERIOD}
        return f"{'supervisor_data' if own else 'start_spec'}:{self.value}"


def mistake_in(spec: SupervisorSpec) -> Mistake | None:
    """The first mistake in a supervisor's own data and in its children, not in what is beneath them."""
    if spec.intensity.max_restarts < 0:
        return Mistake.INVALID_INTENSITY
    if spec.intensity.period < 1:
        return Mistake.INVALID_PERIOD
    seen: set[str] = set()
    for child in spec.children if spec.template is None else (spec.template,):
        mistake = mistake_in_child(child, spec)
        if mistake is not None:
            return mistake
        if child.id in seen:
            return Mistake.DUPLICATE_CHILD_NAME
        seen.add(child.id)
    return None


def mistake_in_child(child: ChildSpec, supervisor: SupervisorSpec) -> Mistake | None:
    """What keeps the child from being one of this supervisor's."""
    if not child.significant:
        return None
    # The end of a significant child ends its supervisor: one that never ends so, and a child that is always
    # restarted, contradict that.
    if supervisor.auto_shutdown == "never" or child.restart == "permanent":
        return Mistake.BAD_COMBINATION
    return None


def mistake_beneath(spec: ChildSpec) -> Mistake | None:
    """The first mistake anywhere in a specification, that of a worker having none in itself."""
    if not isinstance(spec, SupervisorSpec):
        return None
    mistakes = (mistake_in(spec), *map(mistake_beneath, spec.children))
    return next((mistake for mistake in mistakes if mistake is not None), None)
