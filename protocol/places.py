"""Where things are: runtime and socket paths, the registry of roots, secrets. Standard library only."""

from protocol.directories import Door, endpoint, restore, runtime_dir, runtime_root
from protocol.registry import (
    RootEntry,
    find_root,
    find_state_dir,
    known_roots,
    left_state_dirs,
    process_start_ticks,
    recall,
    register,
    running_roots,
    unregister,
)
from protocol.secret import secret

__all__ = [
    "Door",
    "RootEntry",
    "endpoint",
    "find_root",
    "find_state_dir",
    "known_roots",
    "left_state_dirs",
    "process_start_ticks",
    "recall",
    "register",
    "restore",
    "running_roots",
    "runtime_dir",
    "runtime_root",
    "secret",
    "unregister",
]
