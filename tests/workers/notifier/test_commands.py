"""Who may say what to the bot, and what it makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.notifier.commands import (
    HELP,
    MOST_A_MINUTE,
    Asked,
    Dialogue,
    NotMeant,
    Reaction,
    Say,
    Stranger,
    TooFast,
    Wish,
)

ME = "42"


def ask(dialogue: Dialogue, text: str, now: float = 0.0, *, chat: str = ME, age_s: float = 0.0) -> Reaction:
    """Write something to the bot."""
    return dialogue.take(Asked(chat, text, age_s), now, "1234")


@pytest.mark.req("N4")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/status", Wish(ME, "status")),
        ("  /Status@some_bot  ", Wish(ME, "status")),
        ("/restart feed broker", Wish(ME, "restart", ("feed", "broker"))),
        ("/start feed", Wish(ME, "start", ("feed",))),
        ("/stop feed", Wish(ME, "stop", ("feed",))),
        ("/why feed", Wish(ME, "why", ("feed",))),
        ("/logs feed", Wish(ME, "logs", ("feed",))),
        ("/killswitch off", Wish(ME, "killswitch", ("off",))),
        *[
            (f"/{name}", Wish(ME, name))
            for name in ("positions", "profit", "daily", "signals", "pause", "resume")
        ],
    ],
)
def test_commands_become_wishes(text: str, expected: Wish) -> None:
    """With their names, however Telegram writes them in groups."""
    assert ask(Dialogue([ME], "Some_Bot"), text) == expected


@pytest.mark.req("N4")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "begin with a slash"),
        ("/reboot", "no command /reboot"),
        ("/restart", "needs a name"),
        ("/logs ../../etc/passwd", "no name of a child"),
        ("/stop a;b", "no name of a child"),
        ("/", "begin with a slash"),
        ("/help", "/killswitch"),
        ("/start", "/killswitch"),
    ],
)
def test_what_is_no_command_is_answered_with_help(text: str, words: str) -> None:
    """In a sentence."""
    said = ask(Dialogue([ME]), text)

    assert isinstance(said, Say)
    assert words in said.text


@pytest.mark.req("N4")
def test_strangers_get_no_answer() -> None:
    """Whatever they write."""
    dialogue = Dialogue([ME])

    assert [ask(dialogue, text, chat="666") for text in ("/status", "/killswitch", "hi")] == [
        Stranger("666")
    ] * 3


@pytest.mark.req("N4")
@pytest.mark.parametrize("text", ["/restart@other_bot feed", "/status@other_bot", "/help@other_bot"])
def test_what_is_said_to_another_bot_is_not_ours(text: str) -> None:
    """In a group with several of them: neither done nor answered."""
    assert ask(Dialogue(["-100"], "our_bot"), text, chat="-100") == NotMeant("-100")
    assert ask(Dialogue(["-100"]), text, chat="-100") == NotMeant("-100")


@pytest.mark.req("N4")
def test_people_in_a_group_talk_to_one_another() -> None:
    """However much they talk, they get no answer, and commands are heard."""
    dialogue = Dialogue(["-100"], "our_bot")
    talk = [ask(dialogue, "how is it going?", chat="-100") for _ in range(MOST_A_MINUTE + 1)]

    assert {NotMeant("-100")} == set(talk)
    assert Wish("-100", "status") == ask(dialogue, "/status@Our_Bot", chat="-100")


@pytest.mark.req("N4")
@pytest.mark.parametrize("text", ["/killswitch", "/stop all", "/restart all"])
def test_what_is_dangerous_is_confirmed_with_a_code(text: str) -> None:
    """Within a minute, once, by the same chat, for the same command."""
    dialogue = Dialogue([ME, "43"])
    command = text.split(" ", 1)[0]
    said = ask(dialogue, text, 0.0)
    assert isinstance(said, Say)
    assert f"{command} 1234" in said.text

    assert not isinstance(ask(dialogue, f"{command} 9999", 1.0), Wish) or command != "/killswitch"
    dialogue = Dialogue([ME, "43"])
    ask(dialogue, text, 0.0)
    assert ask(dialogue, f"{command} 1234", 30.0, chat="43") != Wish(
        "43", command[1:], tuple(text.split()[1:])
    )
    assert ask(dialogue, f"{command} 1234", 30.0) == Wish(ME, command[1:], tuple(text.split()[1:]))
    again = ask(dialogue, f"{command} 1234", 31.0)
    assert again != Wish(ME, command[1:], tuple(text.split()[1:]))

    ask(dialogue, text, 100.0)
    late = ask(dialogue, f"{command} 1234", 161.0)
    assert late != Wish(ME, command[1:], tuple(text.split()[1:]))


@pytest.mark.req("N4")
def test_a_command_of_long_ago_is_not_done() -> None:
    """The notifier was away: nobody wants yesterday's stop today."""
    said = ask(Dialogue([ME]), "/stop feed", age_s=601.0)

    assert isinstance(said, Say)
    assert "too late" in said.text


@pytest.mark.req("N4")
def test_nobody_can_ask_faster_than_is_allowed() -> None:
    """What is beyond is not even answered; a minute later it is."""
    dialogue = Dialogue([ME])
    reactions = [ask(dialogue, "/status", 0.1 * number) for number in range(MOST_A_MINUTE + 5)]

    assert reactions.count(TooFast(ME)) == 5
    assert ask(dialogue, "/status", 61.0) == Wish(ME, "status")


@pytest.mark.req("N4")
@settings(max_examples=100)
@given(st.lists(st.text(max_size=40) | st.sampled_from([f"/{name} 1234" for name in HELP]), max_size=8))
def test_any_text_is_understood_or_answered(texts: list[str]) -> None:
    """Nothing that anybody may write raises, and nothing dangerous happens without being asked back."""
    dialogue = Dialogue([ME])
    for number, text in enumerate(texts):
        reaction = dialogue.take(Asked(ME, text), float(number), "abcd")
        assert isinstance(reaction, Wish | Say)
        assert not (
            isinstance(reaction, Wish) and reaction.command == "killswitch" and reaction.names != ("off",)
        )
