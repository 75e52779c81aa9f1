"""The tree file: defaults, everything it may hold, what overrides it, and every way to get it wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from supervisor.config import ConfigError, Source, Tree, Wishes, find_tree, load, workers
from supervisor.config.overrides import parse_value
from supervisor.engine.spec import (
    Backoff,
    ExecProbe,
    Heartbeat,
    HttpProbe,
    Intensity,
    Limits,
    Probe,
    SupervisorSpec,
    TcpProbe,
    WorkerSpec,
)

ONE = '[[child]]\nid = "feed"\nstart = "workers.feed:main"\n'
FOREIGN = '[[child]]\nid = "web"\ncommand = ["web"]\n'


def read(
    directory: Path, text: str, *sets: str, environ: dict[str, str] | None = None, **wishes: Any
) -> Tree:
    """Load a tree from its text."""
    path = directory / "tree.toml"
    path.write_text(text, encoding="utf-8")
    source = Source(path=path, name="tree.toml", demo=False, home=directory)
    return load(source, environ=environ or {}, cwd=directory, wishes=Wishes(sets=sets, **wishes))


def problems(directory: Path, text: str, *sets: str, **more: Any) -> str:
    """Load a tree that must be refused; return what was said."""
    with pytest.raises(ConfigError) as caught:
        read(directory, text, *sets, **more)
    return str(caught.value)


def only_worker(tree: Tree) -> WorkerSpec:
    """Return the one process of a tree."""
    (worker,) = workers(tree.root)
    return worker


@pytest.mark.req("S12")
def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    """A child with nothing but an id and a start has every documented default."""
    tree = read(tmp_path, ONE)

    assert tree.root.strategy == "one_for_one"
    assert tree.root.intensity == Intensity(max_restarts=20, period=600.0)
    assert (tree.root.on_exhausted, tree.root.probe, tree.root.auto_shutdown) == ("hold", 300.0, "never")
    assert (tree.state_dir, tree.config_dir) == (tmp_path / "var", tmp_path)
    assert (tree.preload, tree.alert_command) == (("workers.shared",), ())
    worker = only_worker(tree)
    assert worker.backoff == Backoff(initial=0.0, factor=2.0, max=60.0, jitter=0.1, stable_after=60.0)
    assert (worker.restart, worker.shutdown, worker.ready, worker.ready_timeout) == (
        "permanent",
        5.0,
        "message",
        30.0,
    )
    assert worker.heartbeat == Heartbeat(interval=1.0, misses=5)
    assert (worker.intensity, worker.max_consecutive_failures, worker.on_exhausted) == (None, 10, "park")
    assert (worker.max_runtime, worker.no_restart_exit_codes) == (0.0, (78,))
    assert worker.program.config == {"mode": "dry-run"}


@pytest.mark.req("S12")
def test_every_key_of_the_contract_is_read(tmp_path: Path) -> None:
    """All keys of a tree file reach the specification with their meaning."""
    tree = read(
        tmp_path,
        """
        [supervisor]
        strategy = "rest_for_one"
        max_restarts = 3
        period = "1m"
        on_exhausted = "exit"
        probe = 30
        auto_shutdown = "any_significant"
        state_dir = "state"
        preload = ["json"]
        alert_command = ["mail", "me"]
        [[child]]
        id = "feed"
        start = "a.b:c.d"
        restart = "transient"
        significant = true
        backoff = { initial = "1s", factor = 3, max = "2m", jitter = 0, stable_after = "5m" }
        intensity = { max_restarts = 4, period = "10m" }
        max_consecutive_failures = 7
        on_exhausted = "escalate"
        shutdown = "brutal_kill"
        ready_timeout = "infinity"
        ready = "message"
        heartbeat = { interval = "200ms", misses = 2 }
        limits = { memory = "300MiB", open_files = 1024, nice = 5 }
        max_runtime = "1d"
        no_restart_exit_codes = [78, 2]
        directory = "work"
        environment = { A = "b" }
        """,
    )
    worker = only_worker(tree)

    assert tree.root.intensity == Intensity(max_restarts=3, period=60.0)
    assert (tree.root.on_exhausted, tree.root.probe, tree.state_dir) == ("exit", 30.0, tmp_path / "state")
    assert (tree.preload, tree.alert_command) == (("json",), ("mail", "me"))
    assert worker.backoff == Backoff(initial=1.0, factor=3.0, max=120.0, jitter=0.0, stable_after=300.0)
    assert worker.intensity == Intensity(max_restarts=4, period=600.0)
    assert (worker.shutdown, worker.ready_timeout, worker.max_runtime) == ("brutal_kill", None, 86400.0)
    assert worker.program.limits == Limits(memory=300 * 2**20, open_files=1024, nice=5)
    assert worker.program.directory == str(tmp_path / "work")
    assert worker.no_restart_exit_codes == (78, 2)


@pytest.mark.req("S10")
def test_command_defaults(tmp_path: Path) -> None:
    """A command counts as ready at once, sends no beats, and runs where its tree file lies."""
    worker = only_worker(read(tmp_path, '[[child]]\nid = "x"\ncommand = ["node", "x.js"]'))

    assert (worker.ready, worker.heartbeat) == ("immediate", None)
    assert worker.program.command == ("node", "x.js")
    assert worker.program.directory == str(tmp_path)


@pytest.mark.req("S3")
@pytest.mark.parametrize(
    ("value", "ready", "probe"),
    [
        ('"immediate"', "immediate", None),
        ('"notify"', "notify", None),
        ('{ tcp = "127.0.0.1:8080" }', "probe", TcpProbe("127.0.0.1", 8080)),
        ('{ tcp = "[::1]:80" }', "probe", TcpProbe("::1", 80)),
        ('{ http = "https://h:1/x?y=z" }', "probe", HttpProbe("https://h:1/x?y=z")),
        ('{ exec = ["./probe", ""] }', "probe", ExecProbe(("./probe", ""))),
    ],
)
def test_every_way_a_command_can_be_ready(
    tmp_path: Path, value: str, ready: str, probe: Probe | None
) -> None:
    """Each form of the contract reaches the specification; the heartbeat stays off."""
    worker = only_worker(read(tmp_path, f"{FOREIGN}ready = {value}"))

    assert (worker.ready, worker.program.readiness, worker.program.liveness) == (ready, probe, None)
    assert worker.heartbeat is None


@pytest.mark.req("S4")
def test_every_way_a_command_can_be_watched(tmp_path: Path) -> None:
    """liveness brings the usual heartbeat, or the one that the file gives it."""
    told = only_worker(read(tmp_path, FOREIGN + 'liveness = "notify"'))
    heartbeat = 'heartbeat = { interval = "2s", misses = 3 }'
    asked = only_worker(read(tmp_path, f'{FOREIGN}{heartbeat}\nliveness = {{ tcp = "localhost:1" }}'))

    assert (told.ready, told.program.liveness, told.heartbeat) == ("immediate", "notify", Heartbeat())
    assert asked.program.liveness == TcpProbe("localhost", 1)
    assert asked.heartbeat == Heartbeat(interval=2.0, misses=3)


@pytest.mark.req("S2")
def test_groups_nest_and_stand_where_their_first_child_stands(tmp_path: Path) -> None:
    """Groups take part in the start order at the place of the first child below them."""
    child = '[[child]]\nid = "{}"\ncommand = ["x"]\nparent = "{}"\n'
    text = "".join(
        child.format(*pair) for pair in (("a", "root"), ("b", "inner"), ("c", "root"), ("d", "outer"))
    )
    groups = '[[group]]\nid = "outer"\n[[group]]\nid = "inner"\nparent = "outer"\nstrategy = "one_for_all"\n'
    tree = read(tmp_path, text + groups)

    assert [child.id for child in tree.root.children] == ["a", "outer", "c"]
    outer = tree.root.children[1]
    assert isinstance(outer, SupervisorSpec)
    assert (outer.strategy, outer.intensity) == ("rest_for_one", Intensity(max_restarts=5, period=60.0))
    assert [child.id for child in outer.children] == ["inner", "d"]
    assert [worker.id for worker in workers(tree.root)] == ["a", "b", "d", "c"]


@pytest.mark.req("S12")
def test_later_sources_win(tmp_path: Path) -> None:
    """defaults, child, environment, --set and the mode option override each other in that order."""
    text = '[defaults.config]\na = 1\nb = 1\nc = 1\nmode = "live"\nt = { x = 1, y = 1 }\n' + ONE
    text += "[child.config]\nb = 2\nc = 2\nt = { y = 2 }\n"
    environ = {"SUPERVISOR__FEED__C": "3", "SUPERVISOR__FEED__D": "3", "SUPERVISOR__FEED__T__Z": "[1, 2]"}
    config = only_worker(
        read(tmp_path, text, "feed.d=4", "feed.mode=x", environ=environ, mode="paper")
    ).program.config

    assert config == {"a": 1, "b": 2, "c": 3, "d": 4, "mode": "paper", "t": {"x": 1, "y": 2, "z": [1, 2]}}


@pytest.mark.req("O1")
def test_overrides_reach_the_child_its_config_and_the_sections(tmp_path: Path) -> None:
    """A key of the child itself is set there, any other in its config; sections and groups have names too."""
    tree = read(
        tmp_path,
        ONE.replace("feed", "my-feed.1", 1),
        "my-feed.1.shutdown=3s",
        "supervisor.max_restarts=99",
        "my-feed.1.backoff.max=2m",
        "my-feed.1.config.restart=yes",
        "my-feed.1.heartbeat=2h",
        "defaults.config.seed=7",
        environ={"SUPERVISOR__MY_FEED_1__RESTART": "transient", "SUPERVISOR__MY_FEED_1__SYMBOL": "ETH/USDT"},
    )
    worker = only_worker(tree)

    assert tree.root.intensity.max_restarts == 99
    assert (worker.shutdown, worker.restart, worker.backoff.max) == (3.0, "transient", 120.0)
    expected = {"mode": "dry-run", "symbol": "ETH/USDT", "restart": "yes", "heartbeat": "2h", "seed": 7}
    assert worker.program.config == expected


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("3", 3),
        ("true", True),
        ('"3"', "3"),
        ("ETH/USDT", "ETH/USDT"),
        ("[1]", [1]),
        ("", ""),
        ("1\nb = 2", "1\nb = 2"),
    ],
)
def test_override_values(raw: str, value: object) -> None:
    """A value is what TOML makes of it, else the text itself."""
    assert parse_value(raw) == value


@pytest.mark.req("O1")
def test_restart_delay_and_state_dir(tmp_path: Path) -> None:
    """--restart-delay sets every initial backoff and lifts a lower cap; --state-dir is relative to here."""
    tree = read(tmp_path, ONE, restart_delay=90.0, state_dir="elsewhere")

    assert only_worker(tree).backoff == Backoff(initial=90.0, max=90.0)
    assert tree.state_dir == tmp_path / "elsewhere"


@pytest.mark.req("O1")
def test_only_keeps_children_and_whole_groups(tmp_path: Path) -> None:
    """--only takes ids of children and of groups; groups left without children go."""
    child = '[[child]]\nid = "{}"\ncommand = ["x"]\nparent = "{}"\n'
    text = "".join(child.format(*pair) for pair in (("a", "root"), ("b", "g"), ("c", "g"), ("d", "h")))
    text += '[[group]]\nid = "g"\n[[group]]\nid = "h"\n'

    assert [w.id for w in workers(read(tmp_path, text, only=("g",)).root)] == ["b", "c"]
    kept = read(tmp_path, text, only=("c", "a")).root
    assert [w.id for w in workers(kept)] == ["a", "c"]
    assert [c.id for c in kept.children] == ["a", "g"]


WRONG = {
    "unknown section": (ONE + "[supervisr]", 'unknown key "supervisr" (did you mean "supervisor"?)'),
    "unknown key": (ONE + "restrat = 1", 'child feed: restrat: unknown key "restrat" (did you'),
    "nested unknown key": (ONE + "backoff = { maxx = 1 }", 'backoff.maxx: unknown key "maxx" (did you'),
    "wrong word": (ONE + 'restart = "permanet"', '(did you mean "permanent"?)'),
    "wrong type": (ONE + "significant = 3", "child feed: significant: found 3, allowed is true or false"),
    "negative": (ONE + "shutdown = -1", "child feed: shutdown: found -1"),
    "bad duration": (ONE + 'ready_timeout = "5 parsecs"', 'found "5 parsecs", allowed is a duration'),
    "duplicate": (ONE + ONE, 'the id "feed" is used twice'),
    "parent": (ONE + 'parent = "maket"\n[[group]]\nid = "market"', '(did you mean "market"?)'),
    "cycle": (
        ONE + '[[group]]\nid = "g"\nparent = "h"\n[[group]]\nid = "h"\nparent = "g"',
        "group g: parent: the group stands within itself",
    ),
    "both": (ONE + 'command = ["x"]', 'has both "start" and "command"'),
    "neither": ('[[child]]\nid = "x"', 'has neither start = "module:callable" nor command'),
    "significant permanent": (ONE + "significant = true", 'restart = "permanent"'),
    "significant never": (ONE + 'restart = "transient"\nsignificant = true', 'of root is "never"'),
    "id": ('[[child]]\nid = "a b"\ncommand = ["x"]', "letters, digits"),
    "reserved": ('[[child]]\nid = "system"\ncommand = ["x"]', "meaning of their own"),
    "no id": ('[[child]]\ncommand = ["x"]', 'the key "id" is missing'),
    "no child": ("[supervisor]", "the tree has no [[child]]"),
    "not tables": ("child = 3", "an array of tables"),
    "half intensity": (ONE + "intensity = { max_restarts = 3 }", 'the key "period" is missing'),
    "backoff": (ONE + 'backoff = { initial = "2m" }', "initial (120 s) is above max (60 s)"),
    "beats of a command": ('[[child]]\nid = "x"\ncommand = ["x"]\nheartbeat = {}', "sends no beats"),
    "beats and none": (FOREIGN + 'liveness = "notify"\nheartbeat = "none"', "drop one"),
    "message of a command": (FOREIGN + 'ready = "message"', 'allowed is "immediate" | "notify" | { tcp'),
    "notify of a worker": (ONE + 'ready = "notify"', "notify and probes are for commands"),
    "probe of a worker": (ONE + 'ready = { tcp = "h:1" }', "notify and probes are for commands"),
    "liveness of a worker": (ONE + 'liveness = "notify"', "a Python worker sends heartbeats"),
    "liveness": (FOREIGN + 'liveness = "notfy"', 'did you mean "notify"?'),
    "tcp without port": (FOREIGN + 'ready = { tcp = "localhost" }', "the port from 1 to 65535"),
    "tcp port 0": (FOREIGN + 'ready = { tcp = "localhost:0" }', "the port from 1 to 65535"),
    "tcp port too high": (FOREIGN + 'liveness = { tcp = "[::1]:65536" }', "the port from 1 to 65535"),
    "tcp bare v6": (FOREIGN + 'ready = { tcp = "::1:80" }', "the port from 1 to 65535"),
    "tcp number": (FOREIGN + "ready = { tcp = 80 }", "the port from 1 to 65535"),
    "http scheme": (FOREIGN + 'ready = { http = "ftp://h/x" }', "http or https"),
    "http no host": (FOREIGN + 'ready = { http = "http:///x" }', "http or https"),
    "http port": (FOREIGN + 'ready = { http = "http://h:x/" }', "http or https"),
    "http blank": (FOREIGN + 'ready = { http = "http://h/a b" }', "http or https"),
    "http password": (FOREIGN + 'ready = { http = "http://u:p@h/" }', "no user and no password"),
    "exec empty": (FOREIGN + "ready = { exec = [] }", "the program first"),
    "exec text": (FOREIGN + 'liveness = { exec = "./probe" }', "the program first"),
    "two probes": (FOREIGN + 'ready = { tcp = "h:1", exec = ["x"] }', "one of { tcp"),
    "no probe": (FOREIGN + "ready = { }", "one of { tcp"),
    "unknown probe": (FOREIGN + 'ready = { udp = "h:1" }', "one of { tcp"),
    "user of a worker": (ONE + 'user = "nobody"', "is for commands"),
    "start": ('[[child]]\nid = "x"\nstart = "nonsense"', '"package.module:callable"'),
    "syntax": (ONE + "restart =", "tree.toml:4: is not TOML"),
    "huge number": (ONE + f"[child.config]\nx = {10**30}", "64 bits"),
}  # fmt: skip


@pytest.mark.req("S12")
@pytest.mark.parametrize("case", WRONG)
def test_refused_with_place_and_advice(tmp_path: Path, case: str) -> None:
    """Every mistake is told with the file, the key, what was found and what is allowed."""
    text, said = WRONG[case]
    told = problems(tmp_path, text)

    assert said in told
    assert told.startswith("tree.toml:")


@pytest.mark.req("S12")
def test_all_problems_are_told_at_once_each_by_its_origin(tmp_path: Path) -> None:
    """File, variable and option each speak for their own mistakes, all in one answer."""
    told = problems(
        tmp_path,
        ONE + "shutdwn = 3\nsignificant = 1",
        "feed.restart=nevr", "fed.x=1", "nonsense",
        environ={"SUPERVISOR__FEED__MAX_RUNTIME": "-2", "SUPERVISOR__FED__X": "1", "SUPERVISOR__FEED": "1"},
        only=("fee",),
    )  # fmt: skip

    assert [line.split(", allowed is")[0] for line in told.splitlines()] == [
        'environment variable SUPERVISOR__FED__X: the tree has no child "FED" (did you mean "FEED"?)',
        "environment variable SUPERVISOR__FEED: allowed is SUPERVISOR__CHILD__KEY=value",
        '--set fed.x=1: the tree has no child "fed" (did you mean "feed"?)',
        "--set nonsense: allowed is --set child.key=value",
        'tree.toml: child feed: shutdwn: unknown key "shutdwn" (did you mean "shutdown"?)',
        "tree.toml: child feed: significant: found 1",
        "environment variable SUPERVISOR__FEED__MAX_RUNTIME: child feed: max_runtime: found -2",
        '--set feed.restart=nevr: child feed: restart: found "nevr"',
        '--only: the tree has no child "fee" (did you mean "feed"?)',
    ]


@pytest.mark.req("S12")
@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = " + b"[" * 100_000, b"x = 1" + b"0" * 5000])
def test_hostile_files(tmp_path: Path, content: bytes) -> None:
    """A file that is no text, nested without end or with an endless number is one sentence."""
    path = tmp_path / "tree.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^tree.toml"):
        load(Source(path=path, name="tree.toml", demo=False, home=tmp_path), environ={}, cwd=tmp_path)


@pytest.mark.req("S12")
def test_search_order(tmp_path: Path) -> None:
    """--config, then $SUPERVISOR_CONFIG, then the working directory, then the home."""
    home, here = tmp_path / "home", tmp_path / "here"
    at_home = home / ".config" / "supervisor-tree" / "supervisor.toml"
    for path in (at_home, here / "supervisor.toml", here / "named.toml", here / "env.toml"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ONE)
    environ = {"HOME": str(home), "SUPERVISOR_CONFIG": "env.toml"}

    assert find_tree("named.toml", environ, here).path == here / "named.toml"
    assert find_tree(None, environ, here).path == here / "env.toml"
    del environ["SUPERVISOR_CONFIG"]
    assert find_tree(None, environ, here).path == here / "supervisor.toml"
    assert find_tree(None, environ, home).path == at_home


@pytest.mark.req("S12")
def test_missing_file(tmp_path: Path) -> None:
    """A tree file that is named but not there is one sentence."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        find_tree("nowhere.toml", {}, tmp_path)


def test_built_in_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package brings a tree along by an entry point; its state lies where the operator stands."""
    site, here = tmp_path / "site", tmp_path / "here"
    info = site / "sample-1.dist-info"
    info.mkdir(parents=True)
    here.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[supervisor_tree.trees]\nsample = sample_tree:tree_file\n")
    (site / "sample_tree.py").write_text(
        "from pathlib import Path\ndef tree_file():\n    return Path(__file__).with_name('sample.toml')\n"
    )
    (site / "sample.toml").write_text(ONE)
    monkeypatch.syspath_prepend(site)

    source = find_tree("sample", {}, here)
    tree = load(source, environ={}, cwd=here)
    assert (tree.name, tree.demo, tree.config_dir, tree.state_dir) == ("sample", False, site, here / "var")
