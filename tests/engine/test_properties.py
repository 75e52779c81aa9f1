"""What holds for every policy and every pattern of failure, over simulated weeks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.engine import events
from supervisor.engine.delay import restart_delay
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import Backoff, Intensity, SupervisorSpec, WorkerSpec
from tests.support.world import Life, World

WEEK_S = 7 * 24 * 3600.0
BACKOFFS = st.builds(
    Backoff,
    initial=st.floats(0.0, 30.0),
    factor=st.floats(1.0, 10.0),
    max=st.floats(0.0, 600.0),
    jitter=st.floats(0.0, 1.0),
    stable_after=st.floats(1.0, 120.0),
)
LIVES = st.lists(
    st.builds(
        Life,
        ready_after=st.sampled_from([0.0, 0.5, None]),
        dies_after=st.floats(0.0, 400.0),
        status=st.sampled_from([ExitStatus(code=1), ExitStatus(code=0), ExitStatus(signal="SIGSEGV")]),
        stops_in=st.sampled_from([0.0, 3.0]),
    ),
    max_size=60,
)


@pytest.mark.req("S1")
@given(backoff=BACKOFFS, attempt=st.integers(1, 10_000), uniform=st.floats(0.0, 1.0, exclude_max=True))
def test_delay_is_within_its_bounds_whatever_the_attempt(
    backoff: Backoff, attempt: int, uniform: float
) -> None:
    """Within [0, max], spread downward by at most the jitter, never shorter for a later attempt."""
    delay = restart_delay(backoff, attempt, lambda: uniform)
    longest = restart_delay(backoff, attempt, lambda: 0.0)

    assert 0.0 <= delay <= backoff.max
    assert longest * (1 - backoff.jitter) - 1e-9 <= delay <= longest
    assert longest <= restart_delay(backoff, attempt + 1, lambda: 0.0)


@pytest.mark.req("S1")
@pytest.mark.req("S5")
@settings(max_examples=60)
@given(
    backoff=BACKOFFS,
    lives=LIVES,
    allowed=st.integers(0, 6),
    period=st.sampled_from([10.0, 60.0, 3600.0]),
    exhausted=st.sampled_from(["park", "escalate"]),
)
def test_no_restart_beyond_the_intensity_in_any_period(
    backoff: Backoff, lives: list[Life], allowed: int, period: float, exhausted: str
) -> None:
    """However it fails over two weeks: at most so many restarts within any period."""
    spec = WorkerSpec(
        id="a",
        backoff=backoff,
        intensity=Intensity(max_restarts=allowed, period=period),
        on_exhausted=exhausted,  # type: ignore[arg-type]
        max_consecutive_failures=None,
        ready_timeout=5.0,
    )
    world = World(SupervisorSpec(id="root", children=(spec,), probe=2 * WEEK_S))
    world.script("a", *lives)
    world.boot().run_for(2 * WEEK_S - 1.0)

    starts = world.spawned_at["a"]
    assert all(sum(1 for at in starts if end - period <= at <= end) <= allowed + 1 for end in starts)
    assert len(world.alive["a"]) <= 1
    assert world.view("a").state in {"ready", "parked", "held"}


@pytest.mark.req("S8")
@settings(max_examples=60)
@given(
    slow=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 4.0)), min_size=1, max_size=8),
    when=st.floats(0.0, 60.0),
)
def test_start_is_in_order_and_stop_in_reverse(slow: list[tuple[float, float]], when: float) -> None:
    """Whenever the stop comes: what was started was started in order, and ends in reverse."""
    names = [f"w{number}" for number in range(len(slow))]
    world = World(SupervisorSpec(id="root", children=tuple(WorkerSpec(id=name) for name in names)))
    for name, (ready_after, stops_in) in zip(names, slow, strict=True):
        world.script(name, Life(ready_after=ready_after, stops_in=stops_in))
    world.boot().run_for(when)
    started = [child for _, child in world.reported("spawned")]
    world.tell(events.ShutdownAsked())
    world.run_for(100.0)

    assert started == names[: len(started)]
    assert [child for _, child in world.reported("exited")] == started[::-1]
    assert world.exit_code == 0
