"""Hypothesis strategies for every message, derived from the fields of the structs themselves."""

from __future__ import annotations

import types
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=8)
ANYTHING = st.recursive(
    st.none() | st.booleans() | INT64 | FLOATS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
RAWS = st.binary(max_size=40).map(lambda data: msgspec.Raw(msgspec.msgpack.encode(data)))

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    int: INT64,
    float: FLOATS,
    str: st.text(max_size=20),
    bool: st.booleans(),
    Decimal: DECIMALS,
    Any: ANYTHING,
    msgspec.Raw: RAWS,
    types.NoneType: st.none(),
}


@cache
def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as it stands in a message."""
    if kind in LEAVES:
        return LEAVES[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, types.UnionType}:
        return st.one_of([values(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    fields = msgspec.structs.fields(kind)
    return st.builds(kind, **{field.name: values(field.type) for field in fields})
