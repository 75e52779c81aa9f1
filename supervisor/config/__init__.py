"""Tree files: TOML, the environment and the command line in, a checked tree of specifications out."""

from supervisor.config.errors import ConfigError, Problem
from supervisor.config.tree import BUILT_IN, Source, Tree, Wishes, checked, find_tree, live, load, workers

__all__ = [
    "BUILT_IN",
    "ConfigError",
    "Problem",
    "Source",
    "Tree",
    "Wishes",
    "checked",
    "find_tree",
    "live",
    "load",
    "workers",
]
