"""The text of a systemd unit for a tree. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from supervisor.config import workers
from supervisor.engine.spec import SupervisorSpec, WorkerSpec

NAME: Final = "supervisor-tree"
"""Of the unit, of its user, and of its directories."""
_MARGIN_S: Final = 30
_FILES: Final = 65536
_FILES_PER_CHILD: Final = 64
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_HOMES: Final = ("/home/", "/root/", "/run/user/")


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the unit is for. ``config``: the file or built-in tree to name to ``program``.

    ``state_dir`` None: where systemd keeps state. ``user``: a unit of a user's own service manager.
    ``live``: each start is told that a real account is meant.
    """

    root: SupervisorSpec
    config: str
    program: Path
    state_dir: Path | None = None
    user: bool = False
    live: bool = False


def unit_text(service: Service) -> str:
    """Return the unit, with how to install it at its head."""
    parts = (
        _head(service),
        _unit(service),
        _service(service),
        _places(service),
        _stop(service),
        _limits(service),
        _hardening(service),
        _install(service),
    )
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts)


def quoted(word: str) -> str:
    """Write a word so that systemd takes it as it is; not for ExecStart=, see :func:`command_line`."""
    word = word.replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def command_line(*words: str) -> str:
    """Write a command for ExecStart=, the only place where ``$`` means something."""
    return " ".join(quoted(word).replace("$", "$$") for word in words)


def seconds_to_stop(spec: SupervisorSpec) -> float:
    """How long the tree may take to stop in order, one child after the other; infinite if one may."""
    return sum(_shutdown(worker) for worker in workers(spec))


def seconds_to_start(spec: SupervisorSpec) -> float:
    """How long the first start may take, one child after the other; infinite if one may."""
    times = [worker.ready_timeout for worker in workers(spec) if worker.ready != "immediate"]
    return sum(math.inf if time is None else time for time in times)


def _head(service: Service) -> list[str]:
    manager = "systemctl --user" if service.user else "systemctl"
    where = "~/.config/systemd/user" if service.user else "/etc/systemd/system"
    lines = ["# The tree as a systemd service, made by `supervisor unit`. To install it:", "#"]
    if not (service.user or _needs_root(service)):
        home = f"--home-dir /var/lib/{NAME} --shell /usr/sbin/nologin"
        lines.append(f"#   useradd --system {home} {NAME}")
    save = f"supervisor unit --config {service.config}{' --user' if service.user else ''}"
    lines += [
        f"#   {save} > {where}/{NAME}.service",
        f"#   {manager} daemon-reload && {manager} enable --now {NAME}",
    ]
    if not service.user:
        ask = f"SUPERVISOR_RUNTIME_DIR=/run/{NAME} {service.program} status"
        lines += ["#", f"# To ask it something, as its user or as root: {ask}"]
    return lines


def _unit(service: Service) -> list[str]:
    lines = ["[Unit]", "Description=Supervisor tree"]
    if not service.user:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    return lines


def _service(service: Service) -> list[str]:
    words = [str(service.program), "start", "--config", service.config, *["--live"] * service.live]
    lines = [
        "[Service]",
        "# Ready when the first start has gone through all children; `systemctl status` shows how they are.",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={command_line(*words)}",
        f"TimeoutStartSec={_span(seconds_to_start(service.root))}",
        "# The root's loop says every 15 s that it turns; a root that hangs is killed and started again.",
        "WatchdogSec=30",
        "Restart=on-failure",
        "RestartSec=5",
        "# 2: the tree file is wrong, and starting again changes nothing.",
        "RestartPreventExitStatus=2",
    ]
    if not (service.user or _needs_root(service)):
        lines.insert(1, f"User={NAME}")
    return lines


def _places(service: Service) -> list[str]:
    own = service.state_dir
    state = f"SUPERVISOR_STATE_DIR=%S/{NAME}" if own is None else quoted(f"SUPERVISOR_STATE_DIR={own}")
    lines = [
        f"Environment={state}",
        f"Environment=SUPERVISOR_RUNTIME_DIR=%t/{NAME}",
        f"RuntimeDirectory={NAME}",
        "RuntimeDirectoryMode=0700",
        "# Which root ran last is remembered there, so that `supervisor why` works with nothing running.",
        "RuntimeDirectoryPreserve=yes",
    ]
    if own is None:
        lines += [f"StateDirectory={NAME}", "StateDirectoryMode=0700"]
    secrets = f"/etc/{NAME}" if not service.user else f"%E/{NAME}"
    return [
        *lines,
        "# Secrets, each in a file that only root may read; none of them ever stands in this file.",
        f"#LoadCredential=TELEGRAM_BOT_TOKEN:{secrets}/telegram_bot_token",
        f"#LoadCredential=TELEGRAM_CHAT_ID:{secrets}/telegram_chat_id",
        f"EnvironmentFile=-{secrets}/environment",
    ]


def _stop(service: Service) -> list[str]:
    return [
        "# The root stops its children in order; systemd asks it alone, and is the net for what remains.",
        "KillMode=mixed",
        f"TimeoutStopSec={_span(seconds_to_stop(service.root))}",
        "# A child that the kernel kills for lack of memory is the root's business, not the end of all.",
        "OOMPolicy=continue",
    ]


def _limits(service: Service) -> list[str]:
    limits = [worker.program.limits for worker in workers(service.root)]
    own = max((limit.open_files or 0 for limit in limits), default=0)
    lines = [f"LimitNOFILE={max(_FILES, _FILES_PER_CHILD * len(limits), own)}"]
    lowest = min((limit.nice or 0 for limit in limits), default=0)
    return lines if lowest >= 0 else [*lines, f"LimitNICE={lowest}"]


def _hardening(service: Service) -> list[str]:
    lines = ["UMask=0077", "NoNewPrivileges=yes", "LockPersonality=yes", "RestrictSUIDSGID=yes"]
    if service.user:
        return lines
    lines += [
        "RestrictRealtime=yes",
        "RestrictNamespaces=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "SystemCallArchitectures=native",
        "ProtectSystem=strict",
        f"ProtectHome={'read-only' if _lives_in_a_home(service) else 'yes'}",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
    ]
    if service.state_dir is not None:
        lines.append(f"ReadWritePaths={quoted(str(service.state_dir))}")
    if not _needs_root(service):
        lines.append("CapabilityBoundingSet=")
    return lines


def _install(service: Service) -> list[str]:
    return ["[Install]", f"WantedBy={'default' if service.user else 'multi-user'}.target"]


def _shutdown(worker: WorkerSpec) -> float:
    if worker.shutdown == "brutal_kill":
        return 0.0
    return math.inf if worker.shutdown == "infinity" else float(worker.shutdown)


def _span(seconds: float) -> str:
    return "infinity" if math.isinf(seconds) else str(math.ceil(seconds) + _MARGIN_S)


def _needs_root(service: Service) -> bool:
    """Whether some command is to run as another user, which only root can bring about."""
    return any(worker.program.user is not None for worker in workers(service.root))


def _lives_in_a_home(service: Service) -> bool:
    places = (str(service.program), service.config)
    return any(place.startswith(_HOMES) for place in places)
