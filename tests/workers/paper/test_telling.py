"""The commands that tell a broker something: what they write, what they ask, how they end."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from protocol.codec import INSTRUCTIONS
from protocol.journal import Journal, open_readonly, read_records
from protocol.messages.instruction import CancelOrder, Instruction, KillSwitch, Pause, PlaceOrder, Resume
from protocol.messages.trading import AtPrice, Away, Bracket, Cancel, EquityFraction, Quantity, WholePosition
from protocol.places import RootEntry, register
from tests.workers.broker.bench import BTC, Bench, D, candle, order
from workers.broker import store
from workers.paper import _telling, cli
from workers.shared.instructing import instructions_file
from workers.strategy import tables


@pytest.fixture
def books(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a state directory with the books of a broker that does not run: no command waits for it."""
    monkeypatch.setattr(_telling, "ANSWER_S", 0)
    bench = Bench([candle(1, "100"), candle(2, "100")], {"s": [order(1)]}, lockstep=False).run()
    journal = Journal.open(state_dir / "data" / "broker.db", stream="broker", tables=store.TABLES)
    for step in bench.steps:
        journal.commit(state=step.state, statements=[(w.sql, w.parameters) for w in step.writes])
    journal.close()
    return state_dir


def run(books: Path, *words: str, said: str | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, [*words, "--state-dir", str(books)], input=said)


def told(books: Path) -> list[Instruction]:
    """Return what was written for the broker."""
    if not (path := instructions_file(books, "broker")).exists():
        return []
    with closing(open_readonly(path)) as connection:
        return [INSTRUCTIONS.decode(r.body).instruction for r in read_records(connection, after=0, limit=99)]


@pytest.mark.req("O6")
@pytest.mark.parametrize(
    ("words", "instruction"),
    [
        (("pause",), Pause()),
        (("pause", "--strategy", "s"), Pause(strategy="s")),
        (("resume",), Resume()),
        (("kill-switch", "on"), KillSwitch(on=True)),
        (("kill-switch", "off"), KillSwitch(on=False)),
    ],
)
def test_a_word_is_written_for_a_broker_that_is_down(
    books: Path, words: tuple[str, ...], instruction: Instruction
) -> None:
    """The command says that it will be done."""
    result = run(books, *words)

    assert result.exit_code == 0, result.output
    assert "written" in result.output
    assert told(books) == [instruction]


@pytest.mark.req("O6")
def test_a_manual_order_is_shown_and_placed_when_confirmed(books: Path) -> None:
    """The market is the one that the broker has seen."""
    words = (
        "order",
        "buy",
        "0.01",
        "--limit",
        "99",
        "--stop-loss",
        "2%",
        "--take-profit",
        "110",
        "--post-only",
    )
    refused = run(books, *words, said="n\n")
    assert refused.exit_code == 1
    assert f"buy 0.01 {BTC}, limit" in refused.output
    assert told(books) == []

    assert run(books, *words, said="y\n").exit_code == 0
    (placed,) = told(books)
    assert isinstance(placed, PlaceOrder)
    sent = placed.order
    assert (sent.size, sent.kind, sent.limit, sent.post_only) == (Quantity(D("0.01")), "limit", D(99), True)
    assert sent.bracket == Bracket(stop=Away(D("0.02")), target=AtPrice(D(110)))


@pytest.mark.parametrize(
    ("size", "meant", "reduces"),
    [("5%", EquityFraction(D("0.05")), False), ("all", WholePosition(), True)],
)
def test_sizes_of_a_manual_order(books: Path, size: str, meant: object, reduces: bool) -> None:
    """A part of the equity, or all that is held."""
    assert run(books, "order", "sell", size, "--yes").exit_code == 0
    (placed,) = told(books)

    assert isinstance(placed, PlaceOrder)
    assert (placed.order.size, placed.order.reduce_only) == (meant, reduces)


@pytest.mark.parametrize("size", ["NaN", "-1", "0", "much", "1e", "inf", "1e999999", "1e-999999%", "9e999%"])
def test_a_size_that_is_none_is_a_usage_error(books: Path, size: str) -> None:
    """Nothing is written."""
    result = run(books, "order", "buy", "--yes", "--", size)

    assert result.exit_code == 2
    assert told(books) == []


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e300", "0", "-1", "0.0001", "315360001", "soon"])
def test_an_expiry_that_is_none_was_a_traceback_or_accepted(books: Path, seconds: str) -> None:
    """A sentence and exit 2; nothing is written."""
    result = run(books, "order", "buy", "1", "--yes", f"--expires-in={seconds}")

    assert (result.exit_code, told(books)) == (2, [])
    assert seconds in result.stderr


def test_an_expiry_was_a_time_of_the_wall_clock(books: Path) -> None:
    """What is written is how long: the broker alone knows the time of its data."""
    assert run(books, "order", "buy", "1", "--yes", "--expires-in", "1.5").exit_code == 0
    (placed,) = told(books)

    assert isinstance(placed, PlaceOrder)
    assert (placed.expires_in_ms, placed.order.expires_ms) == (1500, None)


@pytest.mark.parametrize(("given", "shown"), [("3600", "3600 s"), ("0.0015", "0.001 s"), ("1.5", "1.5 s")])
def test_the_confirmation_did_not_show_the_expiry(books: Path, given: str, shown: str) -> None:
    """What is confirmed is what is told; without an expiry nothing is said of one."""
    asked = run(books, "order", "buy", "1", "--expires-in", given, said="n\n")
    assert f"  expires {shown} after it is taken on, in time of the data\n" in asked.output
    assert "expires" not in run(books, "order", "buy", "1", said="n\n").output
    assert told(books) == []


def test_a_cancel_names_its_order(books: Path) -> None:
    """By the id that ``paper orders`` shows."""
    assert run(books, "cancel", "s-1-0", "--json").exit_code == 0
    (cancel,) = told(books)

    assert isinstance(cancel, CancelOrder)
    assert cancel.cancel.target == "s-1-0"


def test_cancels_are_listed_with_what_became_of_them(state_dir: Path) -> None:
    """Whoever asked for them; a denial with its code."""
    bench = Bench([candle(1, "100")], {"s": []}, lockstep=False).run()
    journal = Journal.open(state_dir / "data" / "broker.db", stream="broker", tables=store.TABLES)
    wish = Cancel(client_order_id="c", strategy="s", row=1, leg=0, target="nobody", decided_ms=0)
    write = store.insert_cancel(wish, row=1, at_ms=60_000, code="unknown_order", detail="no such order")
    journal.commit(state=bench.state, statements=[(write.sql, write.parameters)])
    journal.close()

    (shown,) = map(json.loads, run(state_dir, "cancels", "--json").stdout.splitlines())
    assert (shown["target"], shown["status"], shown["code"]) == ("nobody", "denied", "unknown_order")
    assert "unknown_order" in run(state_dir, "cancels").output


def test_where_no_books_are_nothing_is_written(state_dir: Path) -> None:
    """In words, exit 1."""
    result = run(state_dir, "pause")

    assert result.exit_code == 1
    assert "no worker" in result.output


@pytest.mark.req("O6")
def test_a_backup_is_the_books_of_one_moment(books: Path, tmp_path: Path) -> None:
    """Taken while they are open for writing; never over a file unless that is said."""
    target = tmp_path / "copy.db"
    with closing(sqlite3.connect(books / "data" / "broker.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM orders")
        assert run(books, "backup", str(target)).exit_code == 0
        writer.execute("ROLLBACK")
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM orders").fetchone() == (1,)

    again = run(books, "backup", str(target))
    assert again.exit_code == 2
    assert "--force" in again.output
    assert run(books, "backup", str(target), "--force").exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]


def test_a_backup_that_could_not_be_written_blamed_the_books(books: Path, tmp_path: Path) -> None:
    """The sentence names the target, whatever is in its way."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for target in ("none/x.db", "file/x.db", "folder", "n" * 300):
        result = run(books, "backup", str(tmp_path / target), "--force")
        assert result.exit_code == 1
        assert result.stderr.startswith(f"paper: {tmp_path / target} cannot be written: ")
    assert run(books, "backup", "").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir() if "new" in path.name) == []


def test_an_outcome_is_printed_as_json(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker made of it; a denial ends with 1."""
    monkeypatch.setattr(_telling, "_outcome", lambda _books, _told: "denied: unknown_order")
    result = run(books, "cancel", "nobody", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["outcome"] == "denied: unknown_order"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No root is known but those of this test."""
    monkeypatch.setenv("SUPERVISOR_RUNTIME_DIR", str(tmp_path / "run"))


def _ended(state_dir: Path, ended_ms: int) -> None:
    register(RootEntry(0, 0, str(state_dir), "demo", "/run/x", 1, ended_ms=ended_ms))


@pytest.mark.req("O6")
@pytest.mark.parametrize("words", [("pause",), ("kill-switch", "on"), ("cancel", "x"), ("order", "buy", "1")])
def test_an_instruction_went_silently_to_whatever_root_had_started_last(
    books: Path, registry: None, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """With nothing running and several candidates: exit 2, both are named, and nothing is written."""
    (tmp_path / "other").mkdir()
    _ended(books, 2)
    _ended(tmp_path / "other", 1)

    result = CliRunner().invoke(cli, words)

    assert result.exit_code == 2, result.output
    assert "--state-dir" in result.output and str(books) in result.output
    assert told(books) == []


@pytest.mark.req("O6")
def test_the_only_root_there_ever_was_is_told_and_named(books: Path, registry: None) -> None:
    """One candidate: the instruction is written, and stderr says where."""
    _ended(books, 2)

    result = CliRunner().invoke(cli, ["pause"])

    assert result.exit_code == 0, result.output
    assert str(books) in result.stderr
    assert told(books) == [Pause()]


def test_books_were_read_without_a_word_about_whose(books: Path, registry: None, tmp_path: Path) -> None:
    """A reading command takes those of the root that ended last, and says so on stderr only."""
    (tmp_path / "other").mkdir()
    _ended(books, 2)
    _ended(tmp_path / "other", 1)

    result = CliRunner().invoke(cli, ["fills", "--json"])

    assert result.exit_code == 0, result.output
    assert f"no root is running; this is about the one that ended last, on {books}" in result.stderr
    assert "no root" not in result.stdout


@pytest.mark.parametrize("words", [("fills",), ("ledger",), ("report",), ("equity",), ("positions",)])
def test_commands_that_read_books_did_not_take_the_tree_file(
    books: Path, registry: None, words: tuple[str, ...]
) -> None:
    """With --config: the state directory is the one that the file names, beside it."""
    tree = books.parent / "tree.toml"
    worker = 'id = "w"\ncommand = ["true"]\n'
    tree.write_text(f'[supervisor]\nstate_dir = "{books.name}"\n[[child]]\n{worker}')

    result = CliRunner().invoke(cli, [*words, "--config", str(tree)])

    assert result.exit_code == 0, result.output
    assert result.stderr == ""


def test_a_tree_file_that_is_not_there_is_a_mistake_in_usage(registry: None) -> None:
    """Exit status 2 and the supervisor's sentence."""
    result = CliRunner().invoke(cli, ["fills", "--config", "nowhere.toml"])

    assert result.exit_code == 2
    assert "nowhere.toml" in result.stderr


@pytest.mark.parametrize(
    ("outcome", "code", "detail"),
    [
        ("denied: unknown_order", "unknown_order", None),
        ("denied: stale, given late, too late: so", "stale", "given late, too late: so"),
    ],
)
def test_a_denial_did_not_say_why(
    books: Path, monkeypatch: pytest.MonkeyPatch, outcome: str, code: str, detail: str | None
) -> None:
    """The answer has the code and the sentence; in JSON each of its own."""
    monkeypatch.setattr(_telling, "_outcome", lambda _books, _told: outcome)
    shown = run(books, "order", "buy", "1", "--yes", "--json")
    answer = json.loads(shown.stdout)

    assert (shown.exit_code, answer["code"], answer["detail"]) == (1, code, detail)
    assert run(books, "order", "buy", "1", "--yes").stdout == f"broker: {outcome}\n"


def test_what_is_not_denied_has_neither_code_nor_detail(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it a failure."""
    monkeypatch.setattr(_telling, "_outcome", lambda _books, _told: "accepted")
    shown = run(books, "order", "buy", "1", "--yes", "--json")
    answer = json.loads(shown.stdout)

    assert (shown.exit_code, answer["code"], answer["detail"]) == (0, None, None)


@pytest.mark.parametrize("name", ["nosuch", ""])
def test_a_pause_of_a_strategy_that_is_none_was_taken(books: Path, name: str) -> None:
    """It is refused with those that there are; nothing is written."""
    result = run(books, "pause", "--strategy", name)

    assert (result.exit_code, told(books)) == (2, [])
    assert "known are manual, s\n" in result.stderr


def test_a_strategy_is_known_before_it_has_traded(books: Path) -> None:
    """By the database of its worker."""
    path = books / "data" / "quiet.db"
    Journal.open(path, stream="quiet", tables=tables.TABLES).close()

    assert run(books, "pause", "--strategy", "quiet").exit_code == 0
    assert told(books) == [Pause(strategy="quiet")]


@pytest.mark.parametrize("option", ["--limit", "--stop", "--trail", "--stop-loss", "--take-profit"])
@pytest.mark.parametrize("price", ["1e999999999999999999", "1e-200%"])
def test_a_price_of_a_million_digits_was_a_traceback_or_filled_the_terminal(
    books: Path, option: str, price: str
) -> None:
    """It is asked for again before anything is shown; a number that is only too large the broker denies."""
    result = run(books, "order", "buy", "1", option, price, said="y\n")

    assert (result.exit_code, told(books)) == (2, [])
    assert len(result.output) < 1000
    assert run(books, "order", "buy", "1e30", "--yes").exit_code == 0


@pytest.mark.parametrize(("symbol", "problem"), [("", "empty"), (" ", "empty"), ("x" * 65, "longer than 64")])
def test_an_empty_symbol_was_taken_for_none(books: Path, symbol: str, problem: str) -> None:
    """A sentence and exit 2."""
    result = run(books, "order", "buy", "1", "--yes", "--symbol", symbol)

    assert (result.exit_code, told(books)) == (2, [])
    assert f"--symbol is {problem}" in result.stderr


@pytest.mark.parametrize("name", sorted(cli.list_commands(click.Context(cli))))
def test_some_helps_had_no_example(name: str) -> None:
    """Each command has one, a group in each of its own; all that read books take --config and --state-dir."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    parts = list(command.commands.values()) if isinstance(command, click.Group) else [command]

    assert all("Example" in (part.help or "") for part in parts)
    options = {option for part in parts for one in part.params for option in one.opts}
    if "--state-dir" in options:
        assert "--config" in options


@pytest.mark.parametrize("words", [("report",), ("equity",), ("backup", "copy.db")])
def test_reading_commands_do_not_ask_which_root_ran(
    books: Path, registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Several ran before: the one that ended last is read, and named on stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    _ended(books, 2)
    _ended(tmp_path / "other", 1)
    result = CliRunner().invoke(cli, words)

    assert result.exit_code == 0, result.output
    assert str(books) in result.stderr
