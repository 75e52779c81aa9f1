"""A recording from its first row to its last: undisturbed, at any speed, and while everything is killed."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.disturbance.__main__ import slower_until_all, verdict
from ops.disturbance.books import Books
from ops.disturbance.plan import WORKERS, Blow, plan
from protocol.places import recall

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "workers/demo/btc-perp_1m_2022-01-09.csv.gz"
MINUTE = 60_000
BLOW = Blow(0, "feed", "SIGKILL", 0.0)


def books(fills: str, digest: str = "a") -> Books:
    """Books with a fill for each letter."""
    return Books(digest, {"fills": Counter(fills)})


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the project's modules as a command."""
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def paper(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``paper``."""
    return command(str(Path(sys.executable).with_name("paper")), *words)


def replayed(*words: str) -> dict[str, Any]:
    """Run ``paper replay --json``; its object."""
    done = paper("replay", "--json", *words)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def wave(folder: Path, header: str, row: str, count: int) -> Path:
    """Write a recording whose prices go up and down, so that averages cross."""
    path = folder / "wave.csv"
    prices = [1000 + 10 * abs(n % 60 - 30) + n % 7 for n in range(count)]
    path.write_text("\n".join([header, *(row.format(n=n, t=n * MINUTE, p=p) for n, p in enumerate(prices))]))
    return path


@pytest.mark.req("X2")
@pytest.mark.req("F1")
@pytest.mark.usefixtures("runtime_dir")
def test_a_replay_says_what_came_of_it_the_same_at_any_speed(tmp_path: Path) -> None:
    """As fast as it goes or paced: one digest, and the one of the books that were kept."""
    candles = wave(tmp_path, "ts_ms,open,high,low,close,volume", "{t},{p},{p},{p},{p},1", 600)
    books = tmp_path / "books"
    fast = replayed(str(candles))
    paced = replayed(str(candles), "--speed", "40000", "--state-dir", str(books))

    assert ["candles", "seconds", "candles_per_second", "orders", "fills", "digest"] == list(fast)
    assert fast["candles"] == 600
    assert fast["fills"] > 10
    assert paced["digest"] == fast["digest"]
    known = recall(books)
    assert known is not None
    assert known.temporary, "other commands would take it for the user's own root"
    assert paper("ledger", "--digest", "--state-dir", str(books)).stdout.strip() == fast["digest"]
    assert len(paper("fills", "--json", "--state-dir", str(books)).stdout.splitlines()) == fast["fills"]


@pytest.mark.req("X2")
@pytest.mark.usefixtures("runtime_dir")
def test_trades_of_one_millisecond_are_decisions_of_their_own(tmp_path: Path) -> None:
    """A tape on which all trades share one: each is a row, and no order is taken for another."""
    header, row = "ts_ms,price,amount,side,trade_id", "1600000000000,{p},0.5,buy,{n}"
    found = replayed(str(wave(tmp_path, header, row, 600)), "--state-dir", str(tmp_path / "books"))
    orders = paper("orders", "--json", "--state-dir", str(tmp_path / "books")).stdout.splitlines()

    assert found["candles"] == 600
    assert found["fills"] > 10
    assert {json.loads(order)["status"] for order in orders} == {"filled"}


@pytest.mark.usefixtures("runtime_dir")
@pytest.mark.parametrize("child", ["feed", "strategy"])
def test_a_replay_that_cannot_go_on_says_why_and_ends(child: str) -> None:
    """A worker that refuses its configuration is parked; waiting for it would be for ever."""
    done = paper("replay", str(BUNDLED), "--set", f"{child}.tme=close")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"paper: {child} is parked: {child}.config.tme: found 'tme'; no such key")


@pytest.mark.req("X2")
@pytest.mark.req("B5")
@pytest.mark.req("T1")
def test_kills_at_random_positions_leave_the_same_books() -> None:
    """ops/chaos on the bundled recording: everything killed once, one digest, nothing lost, nothing twice."""
    done = command("-m", "ops.disturbance", "--kills", "6", "--seed", "134", "--json")
    report = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert (report["kills"], report["lost"], report["doubled"]) == (6, 0, 0)
    assert set(report["victims"]) == {*WORKERS, "forkserver", "root"}
    assert report["digest"] == report["digest_disturbed"]
    assert report["fills"] > 100


@pytest.mark.slow
@pytest.mark.req("X2")
@pytest.mark.req("T1")
def test_kills_in_a_group_of_strategies_leave_the_same_books() -> None:
    """One strategy runs ahead, one waits for the fills of each row, and they fall together: one digest."""
    done = command("-m", "ops.disturbance", "--tree", "group", "--kills", "12", "--seed", "1", "--json")
    report = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert (report["kills"], report["lost"], report["doubled"]) == (12, 0, 0)
    assert "listener" in report["victims"]
    assert report["digest"] == report["digest_disturbed"]


CANDLE = "{t},{p},{p},{p},{p},1"
TRADE = "{t},{p},0.5,buy,{n}"
CANDLES, TRADES = "ts_ms,open,high,low,close,volume", "ts_ms,price,amount,side,trade_id"
ROWS = [(n, n * MINUTE, 1000 + 10 * abs(n % 60 - 30) + n % 7) for n in range(200)]


def lines(row: str, rows: Sequence[tuple[int, int, int]]) -> list[str]:
    return [row.format(n=n, t=1_600_000_020_000 + t, p=p) for n, t, p in rows]


ODD = {
    "one row": "\n".join([CANDLES, *lines(CANDLE, ROWS[:1])]),
    "holes": "\n".join([CANDLES, *lines(CANDLE, [it for it in ROWS if it[0] % 10 > 3])]) + "\n",
    "twice and backwards": "\n".join([CANDLES, *lines(CANDLE, [*ROWS[:150], *ROWS[100:], *ROWS[::-1]])]),
    "CRLF, a mark and blanks": "\ufeff"
    + "\r\n".join([CANDLES.replace(",", " , "), *lines(CANDLE, ROWS), "", ""]),
    "trades of one moment": "\n".join([TRADES, *lines(TRADE, [(n, 0, p) for n, _, p in ROWS])]),
    "trades with more columns": "\n".join([f"{TRADES},what", *(f"{it},x" for it in lines(TRADE, ROWS))]),
}


@pytest.mark.slow
@pytest.mark.req("X2")
@pytest.mark.parametrize(
    ("form", "name"), list(zip(ODD, ["data.csv", "data.csv.gz"] * len(ODD), strict=False))
)
def test_any_file_of_the_form_survives_kills(tmp_path: Path, form: str, name: str) -> None:
    """Whatever a file is like that a replay takes: killed on the way, the same books."""
    content = ODD[form].encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    done = command("-m", "ops.disturbance", "--kills", "3", "--seed", "5", "--json", "--file", str(path))
    report = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert (report["kills"], report["lost"], report["doubled"]) == (3, 0, 0)
    assert report["digest"] == report["digest_disturbed"]


@pytest.mark.parametrize("content", ["", CANDLES, f"{CANDLES}\nx,y\n", "time,price\n1,2\n"])
def test_a_file_without_rows_is_refused_in_words(tmp_path: Path, content: str) -> None:
    """Nothing to replay is no success, and no traceback."""
    path = tmp_path / "data.csv"
    path.write_text(content)
    done = command("-m", "ops.disturbance", "--kills", "1", "--file", str(path))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"chaos: recording {path}: ")


@given(seed=st.integers(0, 10**6), kills=st.integers(0, 50), rows=st.integers(1, 50_000))
def test_a_plan_is_decided_by_its_seed(seed: int, kills: int, rows: int) -> None:
    """As many blows as wanted, in the order of their rows, none after the end; the same when asked again."""
    blows = plan(seed, kills, rows)

    assert len(blows) == kills
    assert plan(seed, kills, rows) == blows
    assert sorted(blow.row for blow in blows) == [blow.row for blow in blows]
    assert all(0 <= blow.row <= rows for blow in blows)
    assert all(blow.means != "restart" or blow.victim in WORKERS for blow in blows)


@pytest.mark.parametrize(("missed", "runs"), [(0, [1]), (1, [1, 4]), (2, [1, 4, 16]), (9, [1, 4, 16])])
def test_a_run_that_was_over_before_the_last_blow_is_made_again_slower(missed: int, runs: list[int]) -> None:
    """On a busy machine the rest of a quick run is shorter than a question to the root: 19 of 20 kills."""
    tried = list[int]()

    def run(slower: int) -> dict[str, Any]:
        tried.append(slower)
        return verdict(3, [BLOW] * (2 if len(tried) <= missed else 3), books("xy"), books("xy"))

    report = slower_until_all(run)
    assert (tried, report["runs"]) == (runs, len(runs))
    assert (report["ok"], report["kills"]) == ((True, 3) if missed < 3 else (False, 2))


def test_a_run_that_was_over_too_soon_and_differs_is_the_last_one() -> None:
    """A second run, in which the fault did not show, would have hidden it."""
    tried = list[int]()

    def run(slower: int) -> dict[str, Any]:
        tried.append(slower)
        return verdict(1, [], books("xy"), books("x")) if len(tried) == 1 else {"ok": True, "same": True}

    report = slower_until_all(run)
    assert (tried, report["ok"], report["lost"]) == ([1], False, 1)


@pytest.mark.parametrize(
    ("made", "digest", "fills", "told"),
    [
        (1, "a", "xy", (True, 0, 0)),
        (0, "a", "xy", (False, 0, 0)),
        (1, "b", "xy", (False, 0, 0)),
        (1, "a", "x", (False, 1, 0)),
        (1, "a", "xyy", (False, 0, 1)),
    ],
)
def test_what_is_no_success(made: int, digest: str, fills: str, told: tuple[bool, int, int]) -> None:
    """Too few kills, another digest, something lost or something twice."""
    report = verdict(1, [BLOW] * made, books("xy"), books(fills, digest))

    assert told == (report["ok"], report["lost"], report["doubled"])
