"""Champions: what was chosen is what runs, or nothing is traded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.strategy.market import candles, drive, made
from workers.shared.config import decode
from workers.shared.exits import PersonMustLook
from workers.strategy.champion import Champion, UnfitChampion, parse, text_of
from workers.strategy.champion_file import read
from workers.strategy.choice import Choice, choose
from workers.strategy.config import StrategyConfig
from workers.strategy.fingerprint import fingerprint
from workers.strategy.ma_cross import MaCross
from workers.strategy.remote import Remote
from workers.strategy.source import Source, source_of

OWN = """
from workers.strategy.api import Intent, Strategy

class Mine(Strategy):
    def on_candle(self, context, candle):
        return [Intent("enter_long")]
"""
HELPED = "from aid import LENGTH\n" + OWN


def helped(folder: Path) -> None:
    """Write a strategy with a helper, which has one of its own in a package."""
    (folder / "lib").mkdir()
    (folder / "own.py").write_text(HELPED)
    (folder / "aid.py").write_text("from lib.deep import LENGTH as LENGTH\n")
    (folder / "lib/__init__.py").write_text("")
    (folder / "lib/deep.py").write_text("LENGTH = 3\n")


@pytest.fixture(autouse=True)
def _no_modules_left() -> Iterator[None]:
    """Each test's folder has its own helpers."""
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.path[:] = path


def champion(folder: Path, **changes: Any) -> Champion:
    """Return a sealed champion whose strategy is a file in ``folder``."""
    own = folder / "own.py"
    if not own.exists():
        own.write_text(OWN)
    source = Source(own).digests()
    fields: dict[str, Any] = {
        "strategy": "own.py:Mine",
        "parameters": {"size": "0.1"},
        "symbol": "BTC/USDT",
        "timeframe": "1m",
        "provenance": "grid search 7",
        "created": "2026-11-20T00:00:00Z",
        "source": source.own,
        "helpers": dict(source.helpers),
    }
    return Champion(**fields | changes).sealed()


def put(path: Path, chosen: Champion) -> Path:
    """Write a champion; with a date of its own, as an edit has."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text_of(chosen, toml=path.suffix == ".toml"))
    os.utime(path, ns=(before + 1_000_000_000, before + 1_000_000_000))
    return path


def chosen(folder: Path, name: str = "c.json", **keys: Any) -> Choice:
    """Choose as a process does at birth."""
    config = decode({"champion": name, **keys}, StrategyConfig, "strategy")
    return choose(config, child="strategy", folder=folder)


@pytest.mark.req("T4")
@pytest.mark.parametrize("name", ["c.json", "c.toml"])
def test_a_champion_says_strategy_and_parameters(tmp_path: Path, name: str) -> None:
    """Its parameters run; each evaluation tells fingerprint, provenance and parameters."""
    put(tmp_path / name, champion(tmp_path))
    choice = chosen(tmp_path, name)

    assert Decimal("0.1") == choice.strategy.parameters.size
    facts = dict(choice.facts)
    assert ("grid search 7", {"size": "0.1"}) == (facts["source"], facts["parameters"])
    core = made(choice.strategy, guard=choice.guard, evaluated_as=choice.facts, parameters=choice.fingerprint)
    (line, *_) = drive(core, candles([1, 2])).named("evaluation")
    assert champion(tmp_path).fingerprint[:16] == line.facts["champion"]


@pytest.mark.req("T4")
@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (('"0.1"', '"0.2"'), "it was edited"),
        (("BTC/USDT", "ETH/USDT"), "it was edited"),
        (('"strategy"', '"stratgy"'), "it cannot be read"),
        (("{", "["), "it cannot be read"),
    ],
)
def test_an_edited_champion_does_not_start(tmp_path: Path, edit: tuple[str, str], told: str) -> None:
    """One digit is enough; the sentence names the file and what to do."""
    path = put(tmp_path / "c.json", champion(tmp_path))
    path.write_text(path.read_text().replace(*edit))

    with pytest.raises(PersonMustLook, match=r"champion .*c\.json: .*nothing is traded") as caught:
        chosen(tmp_path)
    assert told in str(caught.value)


@pytest.mark.req("T4")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fallback": True}, "it is a fallback"),
        ({"provenance": "Baseline"}, "it is a fallback"),
        ({"source": "0" * 64}, "the source of own.py:Mine is"),
    ],
)
def test_a_stopgap_does_not_start(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """A fallback, or one of other code, is refused however well it is sealed."""
    put(tmp_path / "c.json", champion(tmp_path, **changes))

    with pytest.raises(UnfitChampion) as caught:
        chosen(tmp_path)
    assert told in str(caught.value)


@pytest.mark.req("T4")
@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("aid.py", "LENGTH = 4\n", r"aid\.py, beside the source of own\.py:Mine, is \w{16}, it was \w{16}"),
        ("lib/deep.py", "LENGTH = 4\n", r"lib/deep\.py, beside .* is \w{16}, it was \w{16}"),
        ("lib/__init__.py", "import lib.more\n", r"lib/__init__\.py, beside"),
    ],
)
def test_a_champion_whose_helper_changed_does_not_start(
    tmp_path: Path, file: str, content: str, told: str
) -> None:
    """What a strategy imports from beside its file decides as much as the file itself."""
    helped(tmp_path)
    put(tmp_path / "c.toml", champion(tmp_path))
    assert chosen(tmp_path, "c.toml").strategy.parameters.size == Decimal("0.1")
    (tmp_path / "lib/more.py").write_text("")
    (tmp_path / file).write_text(content)

    with pytest.raises(UnfitChampion, match=told):
        chosen(tmp_path, "c.toml")


@pytest.mark.req("T4")
def test_a_helper_that_came_or_went_is_told(tmp_path: Path) -> None:
    """Also when the strategy's own file is what it was: a lazy import that finds something else now."""
    (tmp_path / "own.py").write_text("def late():\n    import aid\n" + OWN)
    put(tmp_path / "c.json", champion(tmp_path))
    (tmp_path / "aid.py").write_text("")
    with pytest.raises(UnfitChampion, match=r"aid\.py, .* is \w{16}, it was not imported"):
        chosen(tmp_path)

    put(tmp_path / "c.json", champion(tmp_path))
    chosen(tmp_path)
    (tmp_path / "aid.py").unlink()
    with pytest.raises(UnfitChampion, match=r"aid\.py cannot be read \(No such file"):
        chosen(tmp_path)


@pytest.mark.req("T4")
@pytest.mark.parametrize(
    ("line", "helpers"),
    [
        ("import aid", {"aid.py"}),
        ("import aid as other, os", {"aid.py"}),
        ("from aid import LENGTH, OTHER", {"aid.py"}),
        ("from . import aid", {"aid.py"}),
        ("from .aid import LENGTH", {"aid.py"}),
        ("def f():\n    import aid", {"aid.py"}),
        ("import lib", {"lib/__init__.py"}),
        ("import lib.deep", {"lib/__init__.py", "lib/deep.py"}),
        ("from lib import deep", {"lib/__init__.py", "lib/deep.py"}),
        ("from lib.deep import x", {"lib/__init__.py", "lib/deep.py"}),
        ("from lib.deep import *", {"lib/__init__.py", "lib/deep.py"}),
        ("import lib.up", {"lib/__init__.py", "lib/up.py", "lib/deep.py", "aid.py"}),
        ("import circle", {"circle.py"}),
        ("import spoilt", {"spoilt.py"}),
        ("import msgspec, site_packages_of_my_own.x, json", set()),
        ("from .. import outside", set()),
        ("from workers.strategy.api import Strategy", set()),
    ],
)
def test_the_source_is_what_is_imported_from_beside(tmp_path: Path, line: str, helpers: set[str]) -> None:
    """However it is imported, and whatever that imports in turn; nothing from elsewhere."""
    folder = tmp_path / "mine"
    folder.mkdir()
    helped(folder)
    (folder / "aid.py").write_text("")
    (folder / "lib/up.py").write_text("from . import deep\nfrom ..aid import LENGTH\n")
    (folder / "circle.py").write_text("import own, circle\n")
    (folder / "spoilt.py").write_bytes(b"import aid = \xff\0")
    (tmp_path / "outside.py").write_text("")
    (folder / "own.py").write_text(line)

    assert helpers == set(Source(folder / "own.py").digests().helpers)


@pytest.mark.req("T4")
def test_the_source_of_a_shipped_strategy_is_its_file_and_what_it_counts_with() -> None:
    """Not the interface, which any release may explain better."""
    assert {"indicators.py"} == set(source_of(MaCross).digests().helpers)
    assert {"inquiry.py"} == set(source_of(Remote).digests().helpers)


def test_a_champion_from_before_helpers_were_sealed_is_whole(tmp_path: Path) -> None:
    """A strategy without any has the fingerprint that it always had."""
    old = champion(tmp_path)
    content = msgspec.structs.asdict(old)
    del content["fingerprint"], content["helpers"]

    assert fingerprint(content) == old.fingerprint


@pytest.mark.req("T4")
def test_missing_champion_does_not_start(tmp_path: Path) -> None:
    """Nothing is traded on what the tree file would say without it."""
    with pytest.raises(UnfitChampion, match="No such file"):
        chosen(tmp_path)


@pytest.mark.req("T4")
@pytest.mark.parametrize("harm", ["edited", "gone", "replaced", "source", "helper", "helpers own"])
def test_a_champion_harmed_while_it_runs_trades_nothing_more(tmp_path: Path, harm: str) -> None:
    """The evaluation after the harm raises: exit 78, and nothing of that step goes out."""
    helped(tmp_path)
    path = put(tmp_path / "c.json", champion(tmp_path))
    choice = chosen(tmp_path)
    core = made(choice.strategy, guard=choice.guard)
    records = candles([1, 2, 3, 4])
    drive(core, records[:2])
    if harm == "edited":
        path.write_text(path.read_text().replace('"0.1"', '"0.9"'))
    elif harm == "gone":
        path.unlink()
    elif harm == "replaced":
        put(path, champion(tmp_path, parameters={"size": "0.2"}))
    elif harm == "source":
        (tmp_path / "own.py").write_text(HELPED + "# other\n")
    elif harm == "helper":
        (tmp_path / "aid.py").write_text("from lib.deep import LENGTH as LENGTH  # other\n")
    else:
        (tmp_path / "lib/deep.py").unlink()
    core.receive("feed", records[2:])

    with pytest.raises(UnfitChampion):
        core.step()


@pytest.mark.req("T4")
def test_a_champion_that_was_only_touched_goes_on(tmp_path: Path) -> None:
    """Another date, or another spelling of the same content, is no edit."""
    path = put(tmp_path / "c.json", champion(tmp_path))
    choice = chosen(tmp_path)
    path.write_text(path.read_text().replace("\n", "\n\n"))

    choice.guard.verify()


@pytest.mark.req("T4")
def test_a_champion_of_another_market_is_refused_at_first_contact(tmp_path: Path) -> None:
    """It is chosen by symbol and timeframe."""
    put(tmp_path / "c.json", champion(tmp_path, symbol="ETH/USDT"))
    choice = chosen(tmp_path)

    with pytest.raises(UnfitChampion, match="chosen for ETH/USDT 1m, the feed sends BTC/USDT 1m"):
        made(choice.strategy, guard=choice.guard)


@pytest.mark.req("T4")
def test_of_a_folder_the_one_for_the_market_is_taken(tmp_path: Path) -> None:
    """Chosen by symbol and timeframe; none, or two, is an error."""
    put(tmp_path / "a.json", champion(tmp_path, parameters={"size": "0.3"}))
    put(tmp_path / "b.toml", champion(tmp_path, symbol="ETH/USDT"))

    found = chosen(tmp_path, ".", symbol="BTC/USDT", timeframe="1m")
    assert Decimal("0.3") == found.strategy.parameters.size
    with pytest.raises(UnfitChampion, match="name both"):
        chosen(tmp_path, ".")
    put(tmp_path / "c.json", champion(tmp_path))
    with pytest.raises(UnfitChampion, match=r"2 champions .* a\.json, c\.json"):
        chosen(tmp_path, ".", symbol="BTC/USDT", timeframe="1m")


@pytest.mark.parametrize("keys", [{"parameters": {"size": "0.1"}}, {"strategy": "ma_cross"}])
def test_what_a_champion_says_is_not_said_twice(tmp_path: Path, keys: dict[str, Any]) -> None:
    """Two sources for one fact are a mistake in the tree file."""
    put(tmp_path / "c.json", champion(tmp_path))

    with pytest.raises(PersonMustLook, match="leave"):
        chosen(tmp_path, **keys)


VALUES = st.one_of(st.integers(-(2**40), 2**40), st.text(max_size=12), st.booleans(), st.floats(-1e9, 1e9))


@pytest.mark.req("T4")
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=5), st.booleans())
def test_what_is_written_is_read_back(parameters: dict[str, Any], toml: bool) -> None:
    """In either format, with the same fingerprint."""
    whole = Champion(
        strategy='a "b"\\.py:C',
        parameters=parameters,
        symbol="X",
        timeframe="1m",
        provenance="π\n",
        created="t",
        source="s",
    ).sealed()
    found = parse(text_of(whole, toml=toml).encode(), "c.toml" if toml else "c.json")

    assert whole == found
    assert whole.fingerprint == found.true_fingerprint


@given(st.binary(max_size=40), st.sampled_from(["c.json", "c.toml"]))
def test_whatever_stands_in_the_file_is_one_sentence(content: bytes, name: str) -> None:
    """No other error gets out."""
    with pytest.raises(UnfitChampion):
        parse(content, name)


def test_every_field_counts(tmp_path: Path) -> None:
    """A change of any field is another fingerprint."""
    whole = champion(tmp_path)
    names = [name for name in msgspec.structs.asdict(whole) if name != "fingerprint"]
    other: dict[str, Any] = {**dict.fromkeys(names, "x"), "parameters": {}, "helpers": {"x": "y"}}
    others = {msgspec.structs.replace(whole, **{name: other[name]}).true_fingerprint for name in names}

    assert len(names) == len(others - {whole.fingerprint})
    assert whole == read(put(tmp_path / "c.json", whole))
