# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The records that the collection keeps on a host, as JSON: the one place where they are read and written.

A damaged record - truncated, of another type or shape, not UTF-8, a folder or a pipe in its place, written by a later version of
the collection - counts as absent and is never a reason to stop: its reader does what it does without a record, and a person is
warned (``warnings``).
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.jetson.thor.plugins.module_utils import files

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SCHEMA = 1
# What a value must be: a type; a tuple of types; a dict of keys, of which those that end with ``?`` are optional; a dict whose
# only key is ``str`` holds values under any name; a list of one shape holds any number of them.
Shape = Any

_damaged: dict[str, str] = {}


def read(path: Path, shape: Shape, schema: int = SCHEMA) -> dict[str, Any] | None:
    """A record; None if there is none, or if it is damaged."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait for a writer
            return _none(path, "it is not a regular file")
        data = json.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return None
    except OSError as error:
        return _none(path, f"it cannot be read ({error.strerror})")
    except UnicodeDecodeError:
        return _none(path, "it is not UTF-8")
    except (ValueError, RecursionError):
        return _none(path, "it is not JSON")
    if not isinstance(data, dict):
        return _none(path, f"it holds a {type(data).__name__}, not an object")
    if data.get("schema", schema) != schema:
        return _none(
            path, f"it is of schema {data['schema']!r}, and this version of the collection only knows {schema}"
        )
    wrong = _wrong(data, shape, "")
    return _none(path, wrong) if wrong else data


def write(path: Path, data: Mapping[str, Any], mode: int = 0o600, durable: bool = False) -> None:
    """Write a record in one rename; ``durable``: a power cut right afterwards leaves it there."""
    files.write(path, text(data), mode, durable)


def text(data: Mapping[str, Any]) -> str:
    """A record as it is written."""
    return json.dumps({"schema": SCHEMA, **data}, indent=1)


def warnings(before: Iterable[str] = ()) -> list[str]:
    """``before``, and a sentence for each record that this process found damaged."""
    found = (f"{path} is damaged and counts as absent: {reason}." for path, reason in _damaged.items())
    return list(dict.fromkeys([*before, *found]))


def tell(module: AnsibleModule) -> None:
    """Show these warnings to the person."""
    for warning in warnings():
        module.warn(warning)


def mismatch(value: Any, shape: Shape) -> str | None:
    """What is wrong with a value that is to become a record, or None."""
    return _wrong(value, shape, "")


def damaged(path: Path, reason: str) -> None:
    """Have people warned of a record, or of a file that it describes."""
    _damaged[str(path)] = reason


def _none(path: Path, reason: str) -> dict[str, Any] | None:
    damaged(path, reason)
    return None


def _wrong(value: Any, shape: Shape, where: str) -> str | None:
    """What is wrong with a value, or None. A bool does not count as a number here."""
    if isinstance(shape, type | tuple):
        kinds = shape if isinstance(shape, tuple) else (shape,)
        if isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds):
            return None
        return f"{where or 'it'} is a {type(value).__name__}, not {' or '.join(kind.__name__ for kind in kinds)}"
    if not isinstance(value, type(shape)):
        return f"{where or 'it'} is a {type(value).__name__}, not {type(shape).__name__}"
    if isinstance(shape, list):
        parts = [(one, shape[0], f"{where}[{index}]") for index, one in enumerate(value)]
    elif set(shape) == {str}:
        parts = [(one, shape[str], _join(where, key)) for key, one in value.items()]
    else:
        parts = []
        for key, of in shape.items():
            name = key.removesuffix("?")
            if name in value:
                parts.append((value[name], of, _join(where, name)))
            elif not key.endswith("?"):
                return f"{_join(where, name)} is missing"
    return next(filter(None, (_wrong(*part) for part in parts)), None)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
