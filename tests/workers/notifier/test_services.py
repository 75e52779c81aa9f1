"""Other services by URL, with and without apprise."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from protocol.journal import Journal
from tests.support.deadline import until
from tests.workers.notifier.test_delivery import QUICK
from workers.notifier import outbox
from workers.notifier.delivery import AGAIN, Delivery
from workers.notifier.message import Message
from workers.notifier.outbox import TABLES, Outbox
from workers.notifier.outcome import Outcome, Refused, Sent
from workers.notifier.services import EXTRA_MISSING, Service, name_of

URL = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"


async def missing(_url: str, _text: str) -> bool:
    """Be a machine without apprise."""
    raise ImportError


async def broken(url: str, _text: str) -> bool:
    """Fail, naming the address as libraries do."""
    raise OSError(f"cannot reach {url}")


async def yes(_url: str, _text: str) -> bool:
    """Take it."""
    return True


async def no(_url: str, _text: str) -> bool:
    """Do not take it."""
    return False


async def unknown(_url: str, _text: str) -> None:
    """Know no such service."""


@pytest.mark.req("N1")
@pytest.mark.parametrize(
    ("notify", "outcome"),
    [
        (yes, Sent()),
        (no, Refused("the service did not take it")),
        (unknown, Refused("the URL is of no service that apprise knows", certain=True)),
        (missing, Refused(EXTRA_MISSING, certain=True)),
        (broken, Refused("OSError: cannot reach ***")),
    ],
)
def test_every_answer_is_an_outcome(notify: Any, outcome: Outcome) -> None:
    """And the address, which holds secrets, is in none."""
    assert asyncio.run(Service(URL, notify).send("text")) == outcome
    assert name_of(URL).startswith("discord-")
    assert "JHM" not in name_of(URL)


@pytest.mark.req("N2")
def test_what_a_service_does_not_take_is_tried_again(tmp_path: Path) -> None:
    """Apprise tries once; waiting and trying again is ours.

    Its no may be a server that took the message and then was slow: what is sent again says that.
    """
    answers, taken = [False, False, True, True], list[str]()

    async def moody(_url: str, text: str) -> bool:
        taken.append(text.split("\n1970", maxsplit=1)[0])
        return answers.pop(0)

    async def run() -> None:
        journal = Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)
        for number in (1, 2):
            for write in outbox.insert(Message(kind="test", at_ms=0, text=f"message {number}"), ("discord",)):
                journal.commit(statements=[(write.sql, write.parameters)])
        box = Outbox(journal, ("discord",))
        task = asyncio.create_task(Delivery("discord", box, Service(URL, moody), QUICK)(lambda: None))
        await until(lambda: not box.queued(), what="an empty outbox")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        journal.close()

    asyncio.run(run())
    assert taken == ["message 1", f"{AGAIN}message 1", f"{AGAIN}message 1", "message 2"]


class _Hook(BaseHTTPRequestHandler):
    bodies: list[bytes]

    def do_POST(self) -> None:
        type(self).bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.req("N1")
def test_the_real_apprise_takes_a_message() -> None:
    """A webhook on the loopback gets it; an address of no service is told from one that fails."""
    pytest.importorskip("apprise", reason="the extra notify is not installed")
    _Hook.bodies = []
    hook = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    thread = threading.Thread(target=hook.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    program = (
        "import asyncio, sys; from workers.notifier.services import Service\n"
        "for url in sys.argv[1:]: sys.stdout.write(f'{asyncio.run(Service(url).send(\"It burns\"))}\\n')"
    )
    urls = [f"json://127.0.0.1:{hook.server_port}/", "json://127.0.0.1:1/", "nonsense://x"]
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, *urls], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        hook.shutdown()
        thread.join()
        hook.server_close()

    assert [line.split("(")[0] for line in done.stdout.splitlines()] == ["Sent", "Refused", "Refused"], (
        done.stderr
    )
    assert "no service that apprise knows" in done.stdout
    assert b"It burns" in _Hook.bodies[0]


@pytest.mark.req("X1")
def test_what_nobody_needs_is_not_imported() -> None:
    """The clients of Telegram and of other services cost memory: without credentials they stay out."""
    program = (
        "import sys, workers.notifier.app\nsys.stdout.write(str({'httpx', 'apprise'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "set()"
