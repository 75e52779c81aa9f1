"""status, restart, stop and start NAME: what the operator sees, and the exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from protocol.messages.operator import Answer, AskChange, OperatorReply, Outcome
from tests.cli.conftest import FakeRoot, Shell, child


@pytest.mark.req("O2")
def test_no_root_is_4_with_nothing_on_stdout(shell: Shell) -> None:
    """Without a root every operator command ends with 4 and one sentence on stderr."""
    for arguments in (["status"], ["status", "--json"], ["restart", "feed"], ["stop"], ["start", "feed"]):
        result = shell(*arguments)
        assert (result.exit_code, result.stdout) == (4, "")
        assert result.stderr.startswith("supervisor: no root is running")


@pytest.mark.req("O2")
def test_json_is_what_the_root_says(shell: Shell, root: FakeRoot) -> None:
    """--json passes the root's object through; 0 when all wanted children are ready."""
    root.register()
    result = shell("status", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == root.status()


@pytest.mark.req("O2")
@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"state": "ready"}, 0),
        ({"state": "backoff"}, 3),
        ({"state": "parked"}, 3),
        ({"state": "stopped", "wanted": False}, 0),
        ({"state": "starting", "type": "supervisor"}, 0),
    ],
)
def test_exit_status_says_whether_all_is_ready(
    shell: Shell, root: FakeRoot, facts: dict[str, object], code: int
) -> None:
    """3 when a wanted process is not ready; what an operator stopped is not wanted."""
    root.register()
    root.children = [child("feed", **facts)]

    assert shell("status").exit_code == code


@pytest.mark.req("O2")
def test_table(shell: Shell, root: FakeRoot) -> None:
    """The table has a line a child with all that O2 names, and beneath it why one is parked."""
    root.register()
    last = {"at": "x", "code": None, "signal": "SIGKILL", "reason": "killed", "uptime": 4.2}
    root.children = [
        child("feed", last_exit=last),
        child(
            "broker", path="root/market/broker", state="parked", health="critical", pid=None, uptime=None,
            max_restarts=None, cpu_percent=None, memory=None, next_restart_in=65.2,
            last_error="no champion [x]",
            last_exit=last | {"signal": None, "code": 78, "reason": "config"},
        ),
    ]  # fmt: skip
    head, columns, feed, broker, why = shell("status").stdout.splitlines()

    assert head.startswith("DEMO  running, healthy, pid 4711, up 12s, state in ")
    assert columns.split() == [
        "NAME",
        "STATE",
        "HEALTH",
        "PID",
        "UPTIME",
        "RESTARTS",
        "LAST",
        "EXIT",
        "CPU",
        "MEMORY",
        "NEXT",
    ]
    assert feed.split() == [
        "feed",
        "ready",
        "healthy",
        "4713",
        "8.1s",
        "2/20",
        "killed",
        "(SIGKILL)",
        "0.4%",
        "30.0",
        "MiB",
        "-",
    ]
    assert broker.split() == [
        "broker",
        "parked",
        "critical",
        "-",
        "-",
        "2/-",
        "config",
        "(code",
        "78)",
        "-",
        "-",
        "1m",
        "5s",
    ]
    assert broker.startswith("  broker")
    assert why == "broker: no champion [x]"


@pytest.mark.req("O2")
def test_a_root_that_does_not_answer_is_5(shell: Shell, root: FakeRoot) -> None:
    """A suspended root is told apart from none."""
    root.register()
    root.silent = 1
    result = shell("status")

    assert (result.exit_code, result.stdout) == (5, "")
    assert "no answer" in result.stderr


@pytest.mark.req("O3")
@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_asks_again_under_the_same_id_until_it_is_done(shell: Shell, root: FakeRoot, verb: str) -> None:
    """A slow change is asked for in slices, but it is one request."""
    root.register()
    root.silent = 3
    root.answer = lambda ask: Answer(
        request=ask.request, ok=True, outcomes=tuple(Outcome(child=name, ok=True) for name in ask.names)
    )
    result = shell(verb, "feed", "broker")

    assert result.exit_code == 0
    asks = [ask for ask in root.asked if isinstance(ask, AskChange)]
    assert len(asks) == 4
    assert len({ask.request for ask in asks}) == 1
    assert (asks[0].verb, asks[0].names, asks[0].everything, asks[0].wait) == (
        verb,
        ("feed", "broker"),
        False,
        True,
    )
    done = {"restart": "ready again", "stop": "stopped", "start": "ready"}[verb]
    assert result.stdout.splitlines() == [f"feed: {done}", f"broker: {done}"]


@pytest.mark.req("O3")
def test_failure_is_told_with_its_exit_status(shell: Shell, root: FakeRoot) -> None:
    """The root's sentence and code reach the operator: here an unknown name with the nearest match."""
    root.register()
    root.answer = lambda ask: Answer(
        request=ask.request, ok=False, code=2, message='no child "fed"; did you mean "feed"?'
    )
    result = shell("restart", "fed")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == 'supervisor: no child "fed"; did you mean "feed"?\n'


@pytest.mark.req("O3")
def test_outcomes_that_failed(shell: Shell, root: FakeRoot) -> None:
    """Each child that failed is named with the reason, on stderr; exit status 1."""
    root.register()
    root.answer = lambda ask: Answer(
        request=ask.request, ok=False,
        outcomes=(
            Outcome(child="feed", ok=True, detail="pid 7"),
            Outcome(child="broker", ok=False, detail="parked"),
        ),
    )  # fmt: skip
    result = shell("restart", "--all", "--no-wait")

    assert result.exit_code == 1
    assert result.stdout == "feed: pid 7\n"
    assert result.stderr.splitlines() == ["broker: parked", "supervisor: restart failed: broker"]
    (ask,) = root.asked
    assert isinstance(ask, AskChange)
    assert (ask.everything, ask.wait) == (True, False)


@pytest.mark.req("O3")
def test_time_is_over(shell: Shell, root: FakeRoot) -> None:
    """--timeout ends the waiting with 5, and says that the root goes on."""
    root.register()
    root.silent = 10**9
    result = shell("restart", "feed", "--timeout", "10ms")

    assert result.exit_code == 5
    assert "the root goes on with it" in result.stderr


@pytest.mark.req("O3")
def test_interrupted_client_stops_nothing(shell: Shell, root: FakeRoot) -> None:
    """Ctrl+C ends the waiting with 130; nothing else is asked of the root."""

    def interrupt(_ask: AskChange) -> OperatorReply:
        raise KeyboardInterrupt

    root.register()
    root.answer = interrupt
    result = shell("restart", "feed")

    assert result.exit_code == 130
    assert len(root.asked) == 1


@pytest.mark.req("S8")
def test_stop_returns_when_the_root_is_gone(shell: Shell, root: FakeRoot) -> None:
    """stop without names stops the tree and waits for the root's process; no answer any more is fine then."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    def end(ask: AskChange) -> OperatorReply:
        process.communicate(b"\n")
        return Answer(request=ask.request, ok=True)

    root.register(process.pid)
    root.answer = end
    result = shell("stop")

    assert (result.exit_code, result.stdout) == (0, "stopped\n")
    (ask,) = root.asked
    assert isinstance(ask, AskChange)
    assert (ask.verb, ask.everything) == ("stop", True)


@pytest.mark.req("O3")
@pytest.mark.parametrize(
    "arguments", [["restart"], ["restart", "a", "--all"], ["stop", "a", "--all"], ["start", "a", "--all"],
                  ["start", "a", "--detach"], ["restart", "a", "--timeout", "soon"], ["statsu"]]
)  # fmt: skip
def test_usage_errors(shell: Shell, arguments: list[str]) -> None:
    """What makes no sense is a usage error, told before a root is looked for."""
    assert shell(*arguments).exit_code == 2


@pytest.mark.req("O2")
def test_several_roots_must_be_told_apart(shell: Shell, root: FakeRoot) -> None:
    """With two roots the operator says which; --state-dir and the variable do."""
    root.register()
    other = FakeRoot(root.state_dir.parent / "other", root.runtime_dir)
    other.register()

    assert shell("status").exit_code == 2
    assert shell("status", "--state-dir", str(root.state_dir)).exit_code == 0
    shell.environ["SUPERVISOR_STATE_DIR"] = str(root.state_dir)
    assert shell("status").exit_code == 0


@pytest.mark.req("O2")
def test_config_says_which_root(shell: Shell, root: FakeRoot) -> None:
    """--config leads to the state directory of that tree."""
    root.register()
    path = shell.write(f'[supervisor]\nstate_dir = "{root.state_dir}"\n[[child]]\nid = "a"\ncommand = ["x"]')

    assert shell("status", "--config", str(path)).exit_code == 0
    path.write_text(path.read_text().replace("/var", "/other"))
    assert shell("status", "--config", str(path)).exit_code == 4


@pytest.mark.req("S12")
def test_reload_says_what_differs_or_what_is_wrong(shell: Shell, root: FakeRoot) -> None:
    """Applied: the differences and 0. Mistakes: their sentences on stderr and 2."""
    root.register()
    done = shell("reload")
    assert (done.exit_code, done.stdout) == (0, "added: web\n")

    root.mistakes = "tree.toml: child.restrat: did you mean restart?"
    refused = shell("reload")
    assert refused.exit_code == 2
    assert "restrat" in refused.stderr
