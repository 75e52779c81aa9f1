"""The tree file: where it is found, and what it becomes. Checked whole before anything starts.

A value comes, the later the stronger, from the defaults, ``[defaults.config]``, the child's own section,
``SUPERVISOR__CHILD__KEY``, ``--set child.key=value``, and the mode option of one run (``--live`` only
allows what they say).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Literal

from supervisor.config.build import Member, build_root, check_members, merged, read_members
from supervisor.config.errors import ConfigError, Problem, is_utf8
from supervisor.config.overrides import Overrides
from supervisor.config.reading import Reading
from supervisor.config.schema import DEFAULTS, SECTIONS, SUPERVISOR
from supervisor.config.suggest import did_you_mean
from supervisor.engine.spec import ChildSpec, SupervisorSpec, WorkerSpec

Mode = Literal["dry-run", "paper", "live"]

LIVE: Final = "live"
BUILT_IN: Final = "supervisor_tree.trees"
"""Entry point group of trees that packages bring along: each a callable that returns the path of a file."""
DEMO: Final = "demo"
BASE: Final[Mapping[str, Any]] = {"mode": "dry-run"}
"""What lies under the config of every child of a tree file: nothing is traded unless the file says so."""
LARGEST: Final = 16 * 2**20
"""Bytes of a tree file: /dev/zero would be read until the memory is full."""
PLACES: Final = (
    "supervisor.toml",
    "~/.config/supervisor-tree/supervisor.toml",
    "/etc/supervisor-tree/supervisor.toml",
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A tree file that was found, not read yet. ``demo``: nobody named a tree.

    ``home`` is the directory to which the file's ``state_dir`` is relative.
    """

    path: Path
    name: str
    demo: bool
    home: Path


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the command line asks of one run; ``state_dir`` is relative to the working directory.

    ``mode``: every child's for this run; but "live" no flag can give: it allows what the file says.
    """

    sets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    mode: Mode | None = None
    restart_delay: float | None = None
    state_dir: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A checked tree, ready to start. ``name`` is what people call it; ``state_dir`` is absolute.

    Relative paths in the workers' sections are relative to ``config_dir``. ``demo``: nobody named a tree.
    ``health``: seconds between two health lines in the root's log. ``alert_command`` is run for a critical
    event when the child ``notifier`` has been away for ``alert_after`` seconds.
    """

    root: SupervisorSpec
    name: str
    demo: bool
    config_dir: Path
    state_dir: Path
    preload: tuple[str, ...]
    alert_command: tuple[str, ...]
    alert_after: float = 60.0
    notifier: str = "notifier"
    health: float = 300.0


def find_tree(named: str | None, environ: Mapping[str, str], cwd: Path) -> Source:
    """Find the tree file: as named, else ``$SUPERVISOR_CONFIG``, else the usual places, else the demo.

    Raises ConfigError when the file named does not exist, or nothing is named and no demo is installed.
    """
    wanted = named or environ.get("SUPERVISOR_CONFIG")
    if wanted:
        return _named(wanted, environ, cwd)
    for place in PLACES:
        path = _absolute(place, environ, cwd)
        if _may_be_there(path, wanted=Path.is_file):
            return Source(path=path, name=str(path), demo=False, home=path.parent)
    built_in = _built_in(DEMO, cwd)
    if built_in is None:
        raise _fault("supervisor", f"no tree file found in {', '.join(PLACES)}; write one: supervisor init")
    return replace(built_in, demo=True)


def load(source: Source, *, environ: Mapping[str, str], cwd: Path, wishes: Wishes | None = None) -> Tree:
    """Read and check a tree file with everything that overrides it.

    Raises ConfigError with all that is wrong.
    """
    return checked(_parse(source), source, environ=environ, cwd=cwd, wishes=wishes)


def checked(
    data: dict[str, Any],
    source: Source,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    wishes: Wishes | None = None,
    base: Mapping[str, Any] = BASE,
) -> Tree:
    """Check what a tree file holds, wherever it comes from; ``base`` lies under every child's config.

    Overrides are written into ``data``. Raises ConfigError with all that is wrong.
    """
    wishes = wishes or Wishes()
    overrides = Overrides(data)
    overrides.from_environment(environ)
    overrides.from_options(wishes.sets)
    reading = Reading(source.name, overrides.origins)
    reading.problems += overrides.problems
    root, defaults, members = _read(data, reading)
    kept = _only(members, wishes.only, reading)
    if reading.problems:
        raise ConfigError(reading.problems)
    spec = _wished(build_root(root, kept, merged(base, defaults), source.path.parent), wishes)
    if wishes.mode == LIVE and not live(spec):
        says = 'no child\'s config.mode is "live": a real account takes both, the flag and the file'
        raise _fault("--live", says)
    return Tree(
        root=spec,
        name=_written(source.name),
        demo=source.demo,
        config_dir=Path(_written(str(source.path.parent))),
        state_dir=Path(_written(str(_state_dir(source, root, environ, cwd, wishes)))),
        preload=root.get("preload", ("workers.shared",)),
        alert_command=root.get("alert_command", ()),
        alert_after=root.get("alert_after", 60.0),
        notifier=root.get("notifier", "notifier"),
        health=root.get("health", 300.0),
    )


def live(spec: SupervisorSpec) -> list[str]:
    """Return the children that trade on a real account, as far as their sections say."""
    return [worker.id for worker in workers(spec) if worker.program.config.get("mode") == LIVE]


def workers(spec: SupervisorSpec) -> list[WorkerSpec]:
    """Return every process of the tree in start order."""
    found: list[WorkerSpec] = []
    for child in spec.children:
        found += workers(child) if isinstance(child, SupervisorSpec) else [child]
    return found


def _named(name: str, environ: Mapping[str, str], cwd: Path) -> Source:
    built_in = _built_in(name, cwd)
    if built_in is not None:
        return built_in
    path = _absolute(name, environ, cwd)
    if _may_be_there(path):
        return Source(path=path, name=name, demo=False, home=path.parent)
    known = sorted(entry.name for entry in entry_points(group=BUILT_IN))
    extra = f"; built-in trees: {', '.join(known)}" if known else ""
    raise _fault(name, f"there is no such file{extra}{did_you_mean(name, known)}")


def _may_be_there(path: Path, wanted: Callable[[Path], bool] = Path.exists) -> bool:
    try:
        return wanted(path)
    except PermissionError:
        return True  # reading it will say so
    except (OSError, ValueError):
        return False


def _built_in(name: str, cwd: Path) -> Source | None:
    """Find a tree that came with a package; its state belongs into the working directory."""
    for entry in entry_points(group=BUILT_IN, name=name):
        try:
            path = Path(entry.load()())
        except (ImportError, AttributeError, OSError) as error:
            raise _fault(name, f"the built-in tree cannot be found: {error}") from error
        return Source(path=path.absolute(), name=name, demo=False, home=cwd)
    return None


def _parse(source: Source) -> dict[str, Any]:
    text = ""
    try:
        text = _text_of(source)
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise _fault(source.name, f"byte {error.start} is not UTF-8; a tree file is TOML in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = int(line[1]) if line else text.count("\n") + 1
        raise _fault(source.name, f"is not TOML: {error}", at) from error
    except RecursionError as error:
        raise _fault(source.name, "is nested too deeply") from error
    except (OSError, ValueError) as error:
        says = error.strerror if isinstance(error, OSError) else str(error)
        raise _fault(source.name, f"cannot be read: {says}") from error


def _text_of(source: Source) -> str:
    with source.path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise _fault(source.name, f"is larger than {LARGEST // 2**20} MiB, which no tree file is")
    text = raw.decode("utf-8-sig")  # some editors begin a file with a mark
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(data: dict[str, Any], reading: Reading) -> tuple[dict[str, Any], dict[str, Any], list[Member]]:
    """Check all sections; return the root's values, the config of the defaults, and the members."""
    for section in data.keys() - set(SECTIONS):
        reading.unknown((), section, SECTIONS)
    root = reading.table(data.get("supervisor", {}), SUPERVISOR, ("supervisor",))
    defaults = reading.table(data.get("defaults", {}), DEFAULTS, ("defaults",))
    members = read_members(data, reading)
    if not any(not member.is_group for member in members):
        reading.report((), "the tree has no [[child]]; at least one is needed")
    check_members(members, root, reading)
    return root, defaults.get("config", {}), members


def _only(members: list[Member], only: tuple[str, ...], reading: Reading) -> list[Member]:
    """Keep the children named, and those in groups named; groups left empty go."""
    known = {member.id for member in members}
    for name in only:
        if name not in known:
            says = f'the tree has no child "{name}"{did_you_mean(name, sorted(known))}'
            reading.problems.append(Problem(origin="--only", says=says))
    if not only or reading.problems:
        return members
    parents = {member.id: member.parent for member in members}
    kept = {member.id for member in members if not member.is_group and _line(member.id, parents) & set(only)}
    above = {name for child in kept for name in _line(child, parents)}
    return [member for member in members if member.id in above]


def _line(name: str, parents: Mapping[str, str]) -> set[str]:
    """Return a member and all groups above it."""
    line = {name}
    while (name := parents.get(name, "")) in parents:
        line.add(name)
    return line


def _wished(spec: SupervisorSpec, wishes: Wishes) -> SupervisorSpec:
    def wished(child: ChildSpec) -> ChildSpec:
        return _wished(child, wishes) if isinstance(child, SupervisorSpec) else _wished_worker(child, wishes)

    return replace(spec, children=tuple(map(wished, spec.children)))


def _wished_worker(worker: WorkerSpec, wishes: Wishes) -> WorkerSpec:
    if wishes.mode not in (None, LIVE):
        config = merged(worker.program.config, {"mode": wishes.mode})
        worker = replace(worker, program=replace(worker.program, config=config))
    if wishes.restart_delay is not None:
        delay = wishes.restart_delay
        backoff = replace(worker.backoff, initial=delay, max=max(delay, worker.backoff.max))
        worker = replace(worker, backoff=backoff)
    return worker


def _state_dir(
    source: Source, root: dict[str, Any], environ: Mapping[str, str], cwd: Path, wishes: Wishes
) -> Path:
    named = wishes.state_dir or environ.get("SUPERVISOR_STATE_DIR")
    if named:
        return _absolute(named, environ, cwd)
    return _absolute(root.get("state_dir", "var"), environ, source.home)


def _written(path: str) -> str:
    if not is_utf8(path):  # every message and record that names it would fail
        raise _fault(ascii(path), "its name is not UTF-8; choose or make another one")
    return path


def _absolute(place: str, environ: Mapping[str, str], base: Path) -> Path:
    if place.startswith("~/") and environ.get("HOME"):
        place = environ["HOME"] + place[1:]
    return Path(os.path.normpath(base.absolute() / place))


def _fault(origin: str, says: str, line: int | None = None) -> ConfigError:
    return ConfigError([Problem(origin=origin, says=says, line=line)])
