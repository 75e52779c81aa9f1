"""The fake host's own matters: its clock, its scripts, and that no sequence of calls breaks its promises."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.engine.events import Exited, ExitStatus, Spawned, SpawnFailed
from supervisor.engine.spec import Program
from supervisor.host.fake import FakeHost, Script
from supervisor.host.port import Birth, HostEvent

SCRIPTS = st.builds(
    Script,
    fails=st.sampled_from([None, None, None, "no such thing"]),
    spawn_takes=st.sampled_from([0.0, 0.5]),
    exits_after=st.sampled_from([None, 0.0, 2.0]),
    term_takes=st.sampled_from([None, 0.0, 3.0]),
    kill_takes=st.sampled_from([0.0, 1.0]),
)
CALLS = st.tuples(st.sampled_from(["spawn", "terminate", "kill", "crash", "wait"]), st.integers(0, 4))


def birth(child: str, incarnation: int = 1) -> Birth:
    """Any birth will do."""
    return Birth(child, incarnation, Program(start="tests:fake"))


def timed(script: Script) -> tuple[FakeHost, list[tuple[float, HostEvent]]]:
    """A host with one script for ``a``, and the list into which its events go with their times."""
    heard: list[tuple[float, HostEvent]] = []
    host = FakeHost(lambda event: heard.append((host.now(), event)), {"a": [script]})
    return host, heard


@pytest.mark.req("S1")
def test_time_of_events() -> None:
    """Events happen at their own simulated times, however far the clock is moved at once."""
    host, heard = timed(Script(spawn_takes=1.0, exits_after=2.5))
    host.spawn(birth("a"))

    host.advance(100.0)

    assert heard == [(1.0, Spawned("a", 1, 1000)), (3.5, Exited("a", 1, ExitStatus(code=0)))]
    assert host.now() == 100.0


@pytest.mark.req("S1")
def test_scripts_are_used_up() -> None:
    """After the last script a child runs for ever and obeys."""
    heard: list[HostEvent] = []
    host = FakeHost(heard.append, {"a": [Script(exits_after=0.0, exit_status=ExitStatus(signal="SIGSEGV"))]})
    for incarnation in (1, 2):
        host.spawn(birth("a", incarnation))
        host.run_until_quiet()
    host.terminate("a", 2)
    host.run_until_quiet()

    ends = [event.status for event in heard if isinstance(event, Exited)]
    assert ends == [ExitStatus(signal="SIGSEGV"), ExitStatus(code=0)]


@pytest.mark.req("S1")
def test_slow_to_stop() -> None:
    """One that takes 9 s to stop can be killed meanwhile, and ends once."""
    host, heard = timed(Script(term_takes=9.0))
    host.spawn(birth("a"))
    host.advance(1.0)
    host.terminate("a", 1)
    host.advance(5.0)
    host.kill("a", 1)
    host.run_until_quiet()

    assert heard[1:] == [(6.0, Exited("a", 1, ExitStatus(signal="SIGKILL")))]


@pytest.mark.req("S1")
def test_alarms_share_the_clock() -> None:
    """What an engine arms goes off in order with the rest; a cancelled alarm does not."""
    order: list[str] = []
    host = FakeHost(lambda event: order.append(type(event).__name__), {"a": [Script(spawn_takes=2.0)]})
    host.spawn(birth("a"))
    host.call_later(1.0, lambda: order.append("early"))
    host.call_later(3.0, lambda: order.append("never")).cancelled = True
    host.call_later(2.0, lambda: order.append("late"))

    host.run_until_quiet()

    assert order == ["early", "Spawned", "late"]


@pytest.mark.req("S1")
def test_crash_of_nobody_is_an_error() -> None:
    """A test that crashes a child which does not run is mistaken, and is told so."""
    with pytest.raises(KeyError):
        FakeHost(lambda event: None).crash("a")


@pytest.mark.req("S1")
@given(st.lists(SCRIPTS, max_size=6), st.lists(CALLS, max_size=25))
def test_promises_hold(scripts: list[Script], calls: list[tuple[str, int]]) -> None:
    """Every spawn is answered once; every Spawned is followed by one Exited; nobody is left after close."""
    heard: list[HostEvent] = []
    host = FakeHost(heard.append, {"a": scripts})
    incarnation = 0
    for verb, number in calls:
        before = list(heard)
        if verb == "spawn":
            incarnation += 1
            host.spawn(birth("a", incarnation))
        elif verb == "wait":
            host.advance(number / 2)
        elif verb == "crash":
            if "a" in host.pids():
                host.crash("a")
        else:
            getattr(host, verb)("a", number)
        assert verb == "wait" or heard == before
    asyncio.run(host.close())

    answered = [event.incarnation for event in heard if isinstance(event, Spawned | SpawnFailed)]
    spawned = [event.incarnation for event in heard if isinstance(event, Spawned)]
    exited = [event.incarnation for event in heard if isinstance(event, Exited)]
    assert sorted(answered) == list(range(1, incarnation + 1))
    assert sorted(exited) == sorted(spawned)
    assert host.pids() == {}
