"""What the exchange modules make of recorded frames, and of frames built after documentation."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest

from protocol.messages.market import Instrument
from tests.support.exchange.capture import answer
from tests.workers.feed.exchanges.markets import MINUTE, SAMPLES, Sample, market
from workers.feed.exchanges.bitunix import Bitunix
from workers.feed.exchanges.events import BadFrame, BestQuote, Event, Kline, MarkPrice, Pinged, Print, Refused
from workers.feed.exchanges.port import Kind
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES

COUNTS: dict[str, dict[str, int]] = {
    "binance-spot_2021-04-04": {"Kline": 44, "Print": 1227},
    "binance-futures_2021-07-22": {"Kline": 22, "BestQuote": 305, "Print": 40},
    "binance-futures-BTCUSDT_2023-04-04": {"BestQuote": 1365, "Print": 3763, "MarkPrice": 110},
    "bitfinex_2021-04-05": {"BestQuote": 13, "Print": 14, "Beat": 79, "Acknowledged": 16},
    "made/bitfinex-candles": {"Kline": 9, "Beat": 1, "Acknowledged": 1},
    "made/bitunix": {"Kline": 7, "BestQuote": 6, "Print": 10, "MarkPrice": 1, "Pong": 1, "Acknowledged": 1},
    "made/bitunix-older": {"Kline": 6, "BestQuote": 6, "Pinged": 1, "Acknowledged": 1},
    "bybit-v5-quotes_2025-06-13": {"BestQuote": 18, "Acknowledged": 10},
    "made/bybit-candles": {"Kline": 7, "Print": 5, "MarkPrice": 2, "Pong": 1, "Acknowledged": 1},
    "made/kraken": {"Kline": 8, "BestQuote": 5, "Print": 10, "Beat": 3, "Acknowledged": 1},
    "okx_2022-05-13": {"BestQuote": 25, "Print": 69, "Acknowledged": 15},
    "made/okx-candles": {"Kline": 7, "Pong": 1, "Acknowledged": 1},
}


def events(sample: Sample) -> list[Event]:
    session = sample.exchange.session(sample.market)
    return [event for frame in sample.capture.frames for event in session.parse(frame.text)]


@pytest.mark.req("F1")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_frame_is_understood(sample: Sample) -> None:
    """Every frame of the market is parsed, none is found bad, and what is not wanted is left out."""
    assert COUNTS[sample.source] == Counter(type(event).__name__ for event in events(sample))


@pytest.mark.req("F6")
def test_the_closing_flags_of_binance_bybit_and_okx_are_seen() -> None:
    """One candle closes in each of these captures."""
    for source in (
        "binance-spot_2021-04-04",
        "binance-futures_2021-07-22",
        "made/bybit-candles",
        "made/okx-candles",
    ):
        sample = next(it for it in SAMPLES if it.source == source)
        assert 1 == sum(isinstance(event, Kline) and event.closed is True for event in events(sample))


@pytest.mark.req("F5")
def test_the_insurance_fund_s_print_is_marked_as_no_market_s() -> None:
    """Trade 3535191080, two percent off the market."""
    sample = next(it for it in SAMPLES if it.source == "binance-futures-BTCUSDT_2023-04-04")
    odd = [it for it in events(sample) if isinstance(it, Print) and not it.ordinary]

    assert [("3535191080", Decimal("28722.50"))] == [(it.trade_id, it.price) for it in odd]


@pytest.mark.req("F6")
def test_two_candles_in_one_frame_of_bybit_are_both_seen() -> None:
    """The closed one and the next, in this order."""
    sample = next(it for it in SAMPLES if it.source == "made/bybit-candles")
    last = [event for event in events(sample) if isinstance(event, Kline)][-2:]

    assert [True, False] == [kline.closed for kline in last]
    assert MINUTE == last[1].open_ms - last[0].open_ms


def test_a_ticker_delta_of_bybit_builds_on_the_snapshot() -> None:
    """A delta that names the mark price alone keeps rate and time of funding."""
    sample = next(it for it in SAMPLES if it.source == "made/bybit-candles")
    marks = [event for event in events(sample) if isinstance(event, MarkPrice)]

    assert ["0.7149", "0.7152"] == [str(it.mark) for it in marks]
    assert marks[0].rate == marks[1].rate == Decimal("0.0001")
    assert marks[0].next_funding_ms == marks[1].next_funding_ms


def test_a_book_delta_of_bybit_that_empties_a_side_leaves_no_quote() -> None:
    """A size of 0 takes the price away; the next one is the best again."""
    session = EXCHANGES["bybit"].session(market("A/B", "perpetual"))
    frame = {
        "topic": "orderbook.1.AB",
        "type": "snapshot",
        "ts": 1,
        "data": {"b": [["9", "1"]], "a": [["10", "1"]]},
    }
    gone = {**frame, "type": "delta", "data": {"b": [["9", "0"]], "a": []}}
    back = {**frame, "type": "delta", "data": {"b": [["8", "2"]], "a": []}}
    found = [session.parse(json.dumps(it)) for it in (frame, gone, back)]

    assert [1, 0, 1] == [len(it) for it in found]
    assert found[2][0] == BestQuote(Decimal(8), Decimal(2), Decimal(10), Decimal(1), 1)


def test_numbers_keep_their_digits() -> None:
    """A JSON number with a point is not made a binary float."""
    session = EXCHANGES["kraken"].session(market("BTC/USD"))
    row = '{"symbol":"BTC/USD","bid":0.1,"bid_qty":1e-05,"ask":0.30000000000000004,"ask_qty":2}'
    [quote] = session.parse(f'{{"channel":"ticker","type":"update","data":[{row}]}}')

    assert isinstance(quote, BestQuote)
    assert ["0.1", "0.00001", "0.30000000000000004", "2"] == [
        f"{it:f}" for it in (quote.bid, quote.bid_size, quote.ask, quote.ask_size)
    ]


def test_a_refusal_is_told_in_the_exchange_s_own_words() -> None:
    """Each exchange says no in its own way."""
    for name, frame, words in (
        ("binance", '{"error":{"code":2,"msg":"Invalid request"},"id":1}', "Invalid request"),
        ("bitfinex", '{"event":"error","msg":"symbol: invalid","code":10300}', "symbol: invalid"),
        ("bybit", '{"success":false,"ret_msg":"handler not found","op":"subscribe"}', "handler not found"),
        ("kraken", '{"error":"pair not supported","method":"subscribe","success":false}', "not supported"),
        ("okx", '{"event":"error","code":"60018","msg":"Wrong URL or channel"}', "Wrong URL"),
        ("bitunix", '{"op":"error","msg":"bad channel"}', "bad channel"),
    ):  # fmt: skip
        [event] = EXCHANGES[name].session(market("A/B", EXCHANGES[name].kinds[0])).parse(frame)
        assert isinstance(event, Refused)
        assert words in event.why


def test_bitunix_is_asked_in_the_form_wanted_and_its_pings_answered() -> None:
    """The documented form by default, with names ending in min; the older one where the address speaks it."""
    wanted = market("BTC/USDT", "perpetual")
    current = Bitunix().lines(wanted)[0].hello[0]
    older = Bitunix(older=True).lines(wanted)[0].hello[0]

    assert "market_kline_1min" in current
    assert '"market.BTCUSDT.kline.1m"' in older
    assert (Pinged('{"pong":7}'),) == Bitunix().session(wanted).parse('{"ping":7}')


@pytest.mark.parametrize(
    ("name", "kind", "symbol", "path", "wanted"),
    [
        ("binance", "spot", "BTC/USDT", "v3/exchangeInfo", ("0.01000000", "0.00001000", "10.00000000", "spot")),  # noqa: E501
        ("binance", "perpetual", "SUSHI/USDT", "fapi/v1/exchangeInfo", ("0.0010", "1", "5", "linear")),
        ("okx", "spot", "BTC/USDT", "instType=SPOT", ("0.1", "1E-8", "0", "spot")),
        ("okx", "perpetual", "BTC/USDT", "instType=SWAP", ("0.1", "0.01", "0", "linear")),
        ("kraken", "spot", "BTC/USD", "AssetPairs", ("0.1", "1E-8", "0", "spot")),
    ],
)  # fmt: skip
def test_grids_are_read_from_recorded_answers(
    name: str, kind: Kind, symbol: str, path: str, wanted: tuple[str, str, str, str]
) -> None:
    """Tick, step, smallest notional and kind of contract."""
    found = EXCHANGES[name].parse_instrument(market(symbol, kind), answer(path))

    assert wanted == (str(found.tick), str(found.step), str(found.min_notional), found.contract)
    assert found.filters_known


def test_grids_are_read_from_documented_answers() -> None:
    """Bybit, Bitunix and Bitfinex, of which no answer was recorded."""
    bybit = '{"retCode":0,"result":{"list":[{"symbol":"BTCUSDT","priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"0.001","minOrderQty":"0.001","minNotionalValue":"5"}}]}}'  # noqa: E501
    bitunix = '{"code":0,"data":[{"symbol":"BTCUSDT","basePrecision":4,"quotePrecision":1,"minTradeVolume":"0.0001"}],"msg":"Success"}'  # noqa: E501
    bitfinex = '[[["BTCUSD",[null,null,null,"0.00004","2000.0",null]]]]'
    expected = {
        "bybit": (bybit, "0.10", "0.001", "0.001"),
        "bitunix": (bitunix, "0.1", "0.0001", "0.0001"),
    }
    for name, (body, tick, step, least) in expected.items():
        found = EXCHANGES[name].parse_instrument(market("BTC/USDT", "perpetual"), body)
        assert (tick, step, least) == (str(found.tick), str(found.step), str(found.min_quantity))
    found = EXCHANGES["bitfinex"].parse_instrument(market("BTC/USD"), bitfinex)
    assert isinstance(found, Instrument)
    assert Decimal("0.00004") == found.min_quantity


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_an_unknown_market_is_named(name: str) -> None:
    """A market that the exchange does not list is a BadFrame that says which."""
    kind = EXCHANGES[name].kinds[0]
    bodies = {
        "binance": '{"symbols":[]}',
        "bitfinex": "[[]]",
        "bitunix": '{"code":0,"data":[]}',
        "bybit": '{"retCode":0,"result":{"list":[]}}',
        "kraken": '{"error":[],"result":{}}',
        "okx": '{"code":"0","data":[]}',
    }
    with pytest.raises(BadFrame) as caught:
        EXCHANGES[name].parse_instrument(market("NOPE/USDT", kind), bodies[name])

    assert "unknown_market" == caught.value.kind
    assert "NOPE" in str(caught.value)


HISTORY = {
    "binance": '[[60000,"1","4","0.5","2","10",119999],[120000,"2","2","2","2","1",179999]]',
    "bitfinex": "[[60000,1,2,4,0.5,10],[120000,2,2,2,2,1]]",
    "bitunix": '{"code":0,"data":[{"open":"2","high":"2","low":"2","close":"2","time":"120000000000","baseVol":"1"},{"open":"1","high":"4","low":"0.5","close":"2","time":"119999940000","baseVol":"10"}],"msg":"Success"}',  # noqa: E501
    "bybit": '{"retCode":0,"result":{"list":[["120000","2","2","2","2","1","2"],["60000","1","4","0.5","2","10","20"]]}}',  # noqa: E501
    "kraken": '{"error":[],"result":{"XXBTZUSD":[[60,"1","4","0.5","2","2","10",5],[120,"2","2","2","2","2","1",1]],"last":60}}',  # noqa: E501
    "okx": '{"code":"0","data":[["120000","2","2","2","2","1","2","2","0"],["60000","1","4","0.5","2","10","20","20","1"]]}',  # noqa: E501
}


@pytest.mark.req("F7")
@pytest.mark.parametrize("name", sorted(HISTORY))
def test_history_comes_oldest_first_whatever_the_exchange_s_order(name: str) -> None:
    """The same two candles from every exchange: open, high, low, close, volume in their places."""
    exchange = EXCHANGES[name]
    first, second = exchange.parse_history(market("BTC/USDT", exchange.kinds[0]), HISTORY[name])

    assert MINUTE == second.open_ms - first.open_ms
    assert ["1", "4", "0.5", "2", "10"] == [
        f"{it}" for it in (first.open, first.high, first.low, first.close, first.volume)
    ]


@pytest.mark.req("F7")
@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_questions_name_market_interval_begin_and_count(name: str) -> None:
    """What is asked is what the documentation of the exchange wants to hear."""
    exchange = EXCHANGES[name]
    request = exchange.history(market("BTC/USDT", exchange.kinds[0]), 1_700_000_040_000, 7)
    asked = f"{request.path}?{dict(request.query)}"

    assert "BTC" in asked or "XBT" in asked
    assert "170000003" in asked or "170000004" in asked


@pytest.mark.parametrize(
    ("name", "symbol", "kind", "code"),
    [
        ("binance", "BTC/USDT", "spot", "btcusdt@kline_1m"),
        ("binance", "btc-usdt", "perpetual", "btcusdt@markPrice@1s"),
        ("binance", "BTC/USDT:USDT", "perpetual", "btcusdt@trade"),
        ("bitfinex", "BTC/USDT", "spot", "trade:1m:tBTCUST"),
        ("bitfinex", "DUSK/USD", "spot", "tDUSK:USD"),
        ("bitfinex", "BTC/USDT", "perpetual", "tBTCF0:USTF0"),
        ("okx", "BTC/USDT", "perpetual", "BTC-USDT-SWAP"),
        ("okx", "BTC-USD-220527", "perpetual", "BTC-USD-220527"),
        ("kraken", "BTC/USD", "spot", "BTC/USD"),
        ("bybit", "RADUSDT", "perpetual", "kline.1.RADUSDT"),
        ("binance", "1000pepe/usdt:usdt", "perpetual", "1000pepeusdt@trade"),
        ("binance", "BTCUSDT_260327", "perpetual", "btcusdt_260327@trade"),
        ("bybit", "BTC-26SEP25", "perpetual", "kline.1.BTC-26SEP25"),
        ("okx", "uni-usd-swap", "perpetual", "UNI-USD-SWAP"),
        ("bitfinex", "tETHJPY", "spot", '"tETHJPY"'),
        ("bitfinex", "tBTCF0:USTF0", "perpetual", '"tBTCF0:USTF0"'),
        ("bitfinex", "TRXUSD", "spot", '"tTRXUSD"'),
        ("bitfinex", "trxusd", "spot", '"tTRXUSD"'),
        ("kraken", "XBT/USD", "spot", '"BTC/USD"'),
        ("kraken", "XDG/XBT", "spot", '"DOGE/BTC"'),
        ("kraken", "brk.b/usd", "spot", '"BRK.B/USD"'),
    ],
)
def test_symbols_are_written_as_the_exchange_has_them(name: str, symbol: str, kind: Kind, code: str) -> None:
    """People write BTC/USDT; an exchange's own code is taken as it is."""
    lines = EXCHANGES[name].lines(market(symbol, kind))

    assert any(code in text for line in lines for text in line.hello)


@pytest.mark.parametrize(
    "symbol", ["", "/", "BTC/", "$", "A B", "../BTC", "A..B", "BTC/USD?x=1", "é/USD", "A" * 60]
)
def test_what_is_no_symbol_is_refused_with_what_is_allowed(symbol: str) -> None:
    """Nothing that would mean something else in an address or in a frame."""
    with pytest.raises(ValueError, match='symbol must be like "BTC/USDT"'):
        pair(symbol)
