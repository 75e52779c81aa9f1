"""Fingerprints: the same content, however it is written, has the same one. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return the one spelling of ``content``: JSON, keys sorted, no spaces, decimals as strings."""
    plain = msgspec.to_builtins(dict(content))
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical content, in hexadecimal digits."""
    return hashlib.sha256(canonical(content)).hexdigest()


def of_parameters(parameters: msgspec.Struct) -> str:
    """Return the short fingerprint by which signals name the parameters that made them."""
    return fingerprint(msgspec.structs.asdict(parameters))[:16]
