"""A foreign program for tests: knows nothing of this project, only systemd's notify protocol, tcp and HTTP.

    foreign.py notify      STATUS=warming up; READY=1 once the file ``notify`` is there; beats while it is
    foreign.py tcp PORT    listens while the file ``tcp`` is there
    foreign.py http PORT   listens once the file ``http`` is there, and answers 503 when it is gone

The files are looked for in the working directory. Run as ``python -I -S``.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from pathlib import Path

ROUND_S = 0.05


def notify() -> None:
    """Speak systemd's notify protocol."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.environ["NOTIFY_SOCKET"])
        sender.send(b"STATUS=warming up")
        ready = False
        while True:
            if Path("notify").exists() and not ready:
                ready = True
                sender.send(b"READY=1\nSTATUS=serving")
            if Path("notify").exists():
                sender.send(b"WATCHDOG=1")
            select.select([], [], [], ROUND_S)


def tcp(port: int) -> None:
    """Accept connections and close them."""
    while True:
        listener = _listener(Path("tcp"), port)
        with listener:
            while Path("tcp").exists():
                _serve_round(listener, b"")


def http(port: int) -> None:
    """Answer requests."""
    with _listener(Path("http"), port) as listener:
        while True:
            status = b"200 OK" if Path("http").exists() else b"503 Broken"
            _serve_round(listener, b"HTTP/1.1 " + status + b"\r\n\r\n")


def _listener(sign: Path, port: int) -> socket.socket:
    while not sign.exists():
        select.select([], [], [], ROUND_S)
    return socket.create_server(("127.0.0.1", port))


def _serve_round(listener: socket.socket, answer: bytes) -> None:
    if select.select([listener], [], [], ROUND_S)[0]:
        with listener.accept()[0] as connection:
            if answer and connection.recv(4096):
                connection.send(answer)


def main(arguments: list[str]) -> None:
    """Be one of them until killed."""
    match arguments:
        case ["notify"]:
            notify()
        case ["tcp", port]:
            tcp(int(port))
        case ["http", port]:
            http(int(port))


if __name__ == "__main__":
    main(sys.argv[1:])
