# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""An engine's options: from YAML to argv, checked against the list of options that this version of the engine has.

A list of options is what module_utils/flags.py describes:
``{"--ctx-size": {"aliases": ["-c"], "takes": "none"|"value"|"many", "negation": "--no-x"|None,
"choices": [...]|None}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest

Flags = Mapping[str, Mapping[str, Any]]


def find(flags: Flags, name: str) -> str | None:
    """The canonical name of the option that ``--name`` stands for, by its own name or a long alias."""
    flag = f"--{name}"
    if flag in flags:
        return flag
    for canonical, entry in flags.items():
        if flag in entry.get("aliases", ()) or flag == entry.get("negation"):
            return canonical
    return None


def render(options: Mapping[str, Any], list_style: str, flags: Flags | None) -> list[str]:
    """Options as arguments, in their order.

    ``true`` is the bare flag; ``false`` is ``--no-flag`` where the engine has one and nothing where it has none;
    ``null`` takes an option of the profile away; a list follows the engine's habit; a mapping is compact JSON in
    one argument.
    """
    argv: list[str] = []
    for name, value in options.items():
        flag = f"--{name}"
        if value is None:
            continue
        if isinstance(value, bool) and flags is not None and _says_on_or_off(flags, name):
            argv += [flag, _on_or_off(value)]
        elif value is True:
            argv.append(flag)
        elif value is False:
            negation = f"--no-{name}"
            if flags is not None:
                canonical = find(flags, name)
                negation = (flags[canonical].get("negation") or "") if canonical else ""
            argv += [negation] if negation else []
        elif isinstance(value, list):
            texts = [text(one) for one in value]
            if list_style == "comma":
                argv += [flag, ",".join(texts)]
            elif list_style == "repeat":
                for one in texts:
                    argv += [flag, one]
            else:
                argv += [flag, *texts]
        else:
            argv += [flag, text(value)]
    return argv


def _says_on_or_off(flags: Flags, name: str) -> bool:
    """Whether the option wants the words on and off, which YAML reads as true and false."""
    return {"on", "off"} <= set((flags.get(find(flags, name) or "") or {}).get("choices") or ())


def _on_or_off(value: bool) -> str:
    return "on" if value else "off"


def text(value: Any) -> str:
    """One value as one argument."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def check(
    options: Mapping[str, Any], flags: Flags, reserved: Mapping[str, str], engine: str, place: str
) -> list[Problem]:
    """Hold options against the engine's list. ``reserved`` maps canonical flags to the key that sets them instead."""
    problems: list[Problem] = []
    for name, value in options.items():
        where = f"{place}[{name!r}]"
        canonical = find(flags, str(name))
        if canonical is None:
            names = [flag[2:] for flag in flags]
            problems.append(
                Problem("THOR-FLAG-UNKNOWN", where, value, f"{engine} has no --{name}.", nearest(name, names))
            )
            continue
        if canonical in reserved:
            problems.append(
                Problem(
                    "THOR-FLAG-RESERVED",
                    where,
                    value,
                    f"--{name} is set by the collection.",
                    f"Use {reserved[canonical]} instead.",
                )
            )
            continue
        takes = flags[canonical].get("takes", "value")
        choices = flags[canonical].get("choices")
        if value is None or value is False or (value is True and _says_on_or_off(flags, str(name))):
            continue
        if value is True and takes == "value":
            problems.append(
                Problem("THOR-FLAG-VALUE", where, value, f"--{name} of {engine} needs a value.", "Write it here.")
            )
        elif value is not True and takes == "none":
            problems.append(
                Problem(
                    "THOR-FLAG-VALUE", where, value, f"--{name} of {engine} takes no value.", "Write true or false."
                )
            )
        elif choices and value is not True and not isinstance(value, Mapping | list) and text(value) not in choices:
            problems.append(
                Problem(
                    "THOR-FLAG-VALUE", where, value, f"--{name} of {engine} has no such value.", nearest(value, choices)
                )
            )
    return problems
