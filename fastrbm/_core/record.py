"""What a model keeps of its training, as text: a JSON object of plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

LONGEST = 1 << 18  # characters; of a usual training they are about a thousand
_LONGEST_WORDS = 2000  # characters of one value
_DEEPEST = 4  # objects and lists within each other


def as_text(record: Mapping[str, Any]) -> str:
    """The record as JSON. Numbers that are not finite are left out, and the last row of the history where its columns
    are too many."""
    kept = {name: _plain(value) for name, value in record.items()}
    text = json.dumps({name: value for name, value in kept.items() if value is not None})
    if len(text) > LONGEST and "last" in kept:
        return as_text({name: value for name, value in record.items() if name != "last"})
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        values = {str(name): _plain(each) for name, each in value.items()}
        return {name: each for name, each in values.items() if each is not None}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    return str(value)[:_LONGEST_WORDS]


def checked(text: str) -> str:
    """The text of a record that came from a file; ValueError where it is none."""
    record = json.loads(text)
    if not isinstance(record, dict) or not _is_plain(record, _DEEPEST):
        raise ValueError("it is no JSON object of numbers and words")
    return text


def _is_plain(value: Any, depth: int) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (dict, list)):
        return depth > 0 and all(_is_plain(each, depth - 1) for each in (
            value.values() if isinstance(value, dict) else value
        ))  # fmt: skip
    return True


def read_only(text: str) -> Mapping[str, Any]:
    """The record of a text, which cannot be changed."""
    return _frozen(json.loads(text))


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(each) for name, each in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
