"""``paper report`` and ``paper equity`` on real databases."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from protocol.journal import Journal
from protocol.messages.trading import Quantity, StrategyRecord, Through, WholePosition
from tests.workers.broker.bench import Bench, D, candle, order
from workers.broker import store
from workers.broker.breakers import DAY_MS, Limits
from workers.broker.matching import Terms
from workers.paper import cli
from workers.paper.equity import plot

FREE = Terms(taker=D(0), slippage_bps=D(0))


@pytest.fixture
def books(state_dir: Path) -> Path:
    """Give the books of three round trips over some hours, ended by a breaker."""
    prices = {61: "110", 181: "105", 301: "99"}
    market = []
    price = "100"
    for row in range(1, 400):
        price = prices.get(row, price)
        market.append(candle(row, price))
    said: list[StrategyRecord] = []
    for row in (10, 130, 250):
        said.append(order(row, size=Quantity(D(10))))
        said.append(order(row + 60, "sell", WholePosition(), reduce_only=True))
    said.append(order(320, size=Quantity(D(-1))))
    bench = Bench(
        market, {"s": [*said, Through(400)]}, terms=FREE, limits=Limits(losses=2, cooldown_ms=DAY_MS)
    ).run()
    journal = Journal.open(state_dir / "data" / "broker.db", stream="broker", tables=store.TABLES)
    for step in bench.steps:
        journal.commit(state=step.state, statements=[(w.sql, w.parameters) for w in step.writes])
    journal.close()
    return state_dir


def run(books: Path, *words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, [*words, "--state-dir", str(books)])


@pytest.mark.req("O6")
def test_the_report_of_three_trades_by_hand(books: Path) -> None:
    """+100, -50, -60: one of three won; two losses in a row paused the strategy."""
    result = run(books, "report", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)

    assert (found["trades"], found["wins"], found["losses"], found["realised"]) == (3, 1, 2, "-10")
    assert (found["equity"], found["gain"], found["fills"]) == ("9990", "-10", 6)
    assert found["win_rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["profit_factor"] == pytest.approx(100 / 110, abs=1e-6)
    assert found["expectancy"] == pytest.approx(-10 / 3, abs=1e-6)
    assert found["max_drawdown"] == pytest.approx(110 / 10100, abs=1e-6)
    assert found["denied"] == {"invalid_size": 1}
    assert found["by_strategy"]["s"]["trades"] == found["by_reason"]["signal"]["trades"] == 3
    assert [(one["trigger"], one["strategy"]) for one in found["trading"]] == [("losses", "s")]


@pytest.mark.req("O6", "X1")
def test_a_report_tells_from_when_on_fills_are_on_record(books: Path) -> None:
    """Only where older ones were forgotten: then the figures are of less than the whole account."""
    assert json.loads(run(books, "report", "--json").stdout)["kept_from_ms"] is None
    assert "on record from" not in run(books, "report").stdout

    with closing(sqlite3.connect(books / "data" / "broker.db")) as connection, connection:
        connection.execute("DELETE FROM fills WHERE number < 3")
        ((at_ms,),) = connection.execute("SELECT min(at_ms) FROM fills")
    assert json.loads(run(books, "report", "--json").stdout)["kept_from_ms"] == at_ms
    assert "on record from 1970-01-01T02:10:00.000Z" in run(books, "report").stdout


@pytest.mark.req("O6")
@pytest.mark.parametrize("period", ["--day", "--week", "--all"])
def test_the_report_for_people(books: Path, period: str) -> None:
    """One line a figure; what keeps the broker from trading comes last."""
    result = run(books, "report", period)

    assert result.exit_code == 0, result.output
    assert "profit factor" in result.output
    assert "s is reducing: losses, until" in result.output.splitlines()[-1]


@pytest.mark.req("O6")
def test_the_equity_is_drawn_in_the_terminal_and_listed(books: Path) -> None:
    """The highest and the lowest value stand beside it."""
    drawn = run(books, "equity").output
    listed = [json.loads(line) for line in run(books, "equity", "--json").stdout.splitlines()]

    assert "10100.00" in drawn
    assert "9990.00" in drawn
    assert listed[0]["equity"] == "10000"
    assert [point["at_ms"] for point in listed] == sorted(point["at_ms"] for point in listed)


def test_a_plot_of_nothing_and_of_one_value() -> None:
    """Neither is an error."""
    assert "no values" in plot(())[0]
    assert len(plot(((0, D(1)),))) > 1


@pytest.mark.req("O6")
def test_the_equity_is_drawn_into_a_file(books: Path, tmp_path: Path) -> None:
    """By matplotlib in a process of its own; without it the command says how to get it."""
    target = tmp_path / "equity.svg"
    result = run(books, "equity", "--out", str(target))

    if importlib.util.find_spec("matplotlib") is None:
        assert result.exit_code == 1
        assert "plots" in result.output
    else:
        assert result.exit_code == 0, result.output
        assert target.stat().st_size > 1000


def test_another_form_is_a_usage_error(books: Path) -> None:
    """Before anything is drawn."""
    assert run(books, "equity", "--out", "equity.bmp").exit_code == 2


def test_of_two_periods_the_last_was_taken(books: Path) -> None:
    """Both at once are a usage error; one, also the default by name, is what is shown."""
    both = run(books, "report", "--day", "--week")
    assert (both.exit_code, both.stderr) == (2, "paper: --day and --week were given: one period at a time\n")

    shown = {words: run(books, "report", *words, "--json").stdout for words in [(), ("--all",), ("--week",)]}
    assert [json.loads(text)["period"] for text in shown.values()] == ["all", "all", "week"]
