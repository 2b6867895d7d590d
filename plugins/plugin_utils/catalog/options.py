# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""An engine's options: from YAML to argv, checked against the list of options of the engine's version.

module_utils/flags.py describes such a list:
``{"--ctx-size": {"aliases": ["-c"], "takes": "none"|"value"|"optional"|"many", "negation": "--no-x"|None,
"choices": [...]|None, "kind": "json"|...}}``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values, option_names
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.option_names import named, word_of

Flags: TypeAlias = option_names.Flags
find = option_names.find

# A word that is the name of an option: two dashes, or one and a letter (-1 is a number).
OPTION_WORD = re.compile(r"(--[A-Za-z0-9][^=]*|-[A-Za-z][A-Za-z0-9-]*)(?:=(.*))?", re.DOTALL)
# What a parser reads as the next option rather than as the value of this one.
OPTION_LIKE = re.compile(r"-[-A-Za-z].*", re.DOTALL)
WHOLE = re.compile(r"[+-]?\d+")
# vLLM accepts 64k (64,000), 1.5k and 64K (65,536) where it counts tokens (human_readable_int, the same in 0.10.2 and 0.33.0).
COUNT = re.compile(r"\d+(?:\.\d+)?[kmgt]|\d+[KMGT]")


def words(argv: Iterable[str]) -> list[tuple[str, Any]]:
    """The options in a command: names as people write them, with the value after ``=`` or in the next word, or ``True``.

    A short option keeps its dash.
    """
    found: list[tuple[str, Any]] = []
    for word in argv:
        if match := OPTION_WORD.fullmatch(word):
            name = match[1].removeprefix("--") if match[1].startswith("--") else match[1]
            found.append((name.replace("_", "-"), True if match[2] is None else match[2]))
        elif found and found[-1][1] is True:
            found[-1] = (found[-1][0], word)
    return found


def render(
    options: Mapping[str, Any],
    list_style: str,
    flags: Flags | None,
    accepts: Collection[str] = (),
    others: Flags | None = None,
) -> list[str]:
    """Options as arguments, in their order, by the names that people gave them.

    ``true`` is the bare flag; ``false`` is ``--no-flag`` if the engine has one, or nothing; ``null`` removes an option of the
    profile; a list is written the engine's way; a mapping is compact JSON in one argument, and so is a list if the option takes JSON.
    ``others`` is a list of another version: without a list of its own, it says how many dashes a name has, and what is on or off.
    """
    argv: list[str] = []
    known = flags if flags is not None else others or {}
    for name, value in options.items():
        found, flag = named(known, name, accepts), word_of(name, known, accepts)
        entry = known[found.option] if found and not found.path else {}
        if value is None:
            continue
        if found and found.path and not isinstance(value, str):
            argv += _with_value(flag, json_text(value), list_style)
        elif isinstance(value, bool) and says_on_or_off(entry):
            argv += [flag, _on_or_off(value)]
        elif value is True:
            argv.append(flag)
        elif value is False:
            negation = f"--no-{name.lstrip('-')}"
            if flags is not None or found:
                negation = (found.option if found.negated else entry.get("negation") or "") if found else ""
            argv += [negation] if negation else []
        elif isinstance(value, list) and entry.get("kind") != "json":
            texts = [text(one) for one in value]
            if list_style == "comma":
                argv += [flag, ",".join(texts)]
            elif list_style == "repeat":
                for one in texts:
                    argv += [flag, one]
            else:
                argv += [flag, *texts]
        else:
            argv += _with_value(flag, text(value), list_style)
    return argv


def _with_value(flag: str, word: str, list_style: str) -> list[str]:
    # argparse may read such a word as an option; vLLM does so with -0.5 (utils/argparse_utils.py).
    return [f"{flag}={word}"] if list_style == "space" and word.startswith("-") else [flag, word]


def says_on_or_off(entry: Mapping[str, Any]) -> bool:
    """Whether an option takes the words on and off, which YAML reads as true and false."""
    return {"on", "off"} <= set(entry.get("choices") or ())


def _on_or_off(value: bool) -> str:
    return "on" if value else "off"


def json_text(value: Any) -> str:
    """A value as JSON in one argument."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def text(value: Any) -> str:
    """One value as one argument."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list):
        return json_text(value)
    if isinstance(value, float) and math.isfinite(value):
        # argparse reads -1e-05 as an option, and 1e-05 is not what a person wrote.
        plain = format(Decimal(repr(value)), "f")
        return plain if "." in plain else f"{plain}.0"
    return str(value)


def check(
    options: Mapping[str, Any],
    flags: Flags,
    reserved: Mapping[str, str],
    engine: str,
    place: str,
    list_style: str = "comma",
    accepts: Collection[str] = (),
    successors: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Problem]:
    """Check options against the engine's list. ``reserved`` maps canonical flags to the key that sets them instead, ``successors`` names
    of earlier versions to what is written today."""
    problems: list[Problem] = []
    for name, value in options.items():
        where, bare = f"{place}[{name!r}]", str(name).lstrip("-")
        found = named(flags, str(name), accepts)
        if found is None:
            names = [flag.lstrip("-") for flag in flags]
            today = (successors or {}).get(bare.replace("_", "-"))
            remedy = f"Write {_as_yaml(today)}." if today else nearest(bare, names)
            problems.append(Problem("THOR-FLAG-UNKNOWN", where, value, f"{engine} has no {shown(name)}.", remedy))
        elif found.option in reserved:
            problems.append(reserved_option(str(name), value, reserved[found.option], where))
        elif unknown := _unknown_method(value, found.path, flags[found.option].get("methods")):
            remedy = nearest(unknown, flags[found.option]["methods"])
            reason = f"{engine} has no such method of speculative decoding: {unknown}."
            problems.append(Problem("THOR-SPECULATIVE-UNKNOWN", where, value, reason, remedy))
        elif value is None or value is False or found.path or (value is True and says_on_or_off(flags[found.option])):
            continue
        elif wrong := _value(value, flags[found.option], list_style):
            code, reason, remedy = wrong
            problems.append(Problem(code, where, value, f"{found.word} of {engine} {reason}.", remedy))
    return problems


def _as_yaml(chosen: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {text(value)}" for name, value in chosen.items())


def _unknown_method(value: Any, path: tuple[str, ...], methods: Collection[str] | None) -> str:
    """The method of speculative decoding in an option's value that its version does not know; empty where there is none.

    It is the value itself, or several with commas (llama.cpp), in capitals or not (SGLang); or a key of JSON (vLLM).
    """
    if not methods or (path and path != ("method",)):
        return ""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = json_values.decoded(value)
        if isinstance(value, str):
            return ""  # reported below
    named = value.get("method") if isinstance(value, Mapping) else value
    words = named.split(",") if isinstance(named, str) else []
    known = {method.casefold() for method in methods}
    return next((word for word in words if word.strip("[]").casefold() not in known), "")


def shown(name: str) -> str:
    """A name for people, with its dashes."""
    return name if str(name).startswith("-") else f"--{name}"


def reserved_option(name: str, value: Any, instead: str, where: str) -> Problem:
    """The problem with an option that the collection writes itself; ``instead`` is the key that sets it."""
    reason = f"{shown(name)} is set by the collection."
    return Problem("THOR-FLAG-RESERVED", where, value, reason, f"Use {instead} instead.")


def _value(value: Any, entry: Mapping[str, Any], list_style: str) -> tuple[str, str, str] | None:
    """What is wrong with a value: code, reason and remedy."""
    takes, kind, choices = entry.get("takes", "value"), entry.get("kind"), entry.get("choices")
    if value is True:
        return ("THOR-FLAG-VALUE", "needs a value", "Write it here.") if takes in ("value", "many") else None
    if takes == "none":
        return "THOR-FLAG-VALUE", "takes no value", "Write true or false."
    if kind == "json":
        return _json(value)
    if not isinstance(value, list) and OPTION_LIKE.fullmatch(text(value)):
        return (
            "THOR-FLAG-VALUE",
            "would read this as the next option",
            "Write a value that does not begin with a hyphen.",
        )
    if isinstance(value, list):
        if not value:
            return "THOR-FLAG-VALUE", "needs at least one value", "Write one, or null to remove the option."
        if list_style == "space" and any(
            OPTION_LIKE.fullmatch(text(one)) or re.match(r"-.*\.", text(one)) for one in value
        ):
            return (
                "THOR-FLAG-VALUE",
                "would read one of these values as the next option",
                "Write values that do not begin with a hyphen.",
            )
        if list_style == "comma" and any("," in text(one) for one in value):
            return "THOR-FLAG-VALUE", "would split one of these values in two", "Write values without commas."
        if takes != "many" and list_style == "space":
            return "THOR-FLAG-VALUE", "takes one value, not a list", "Write the value without the list."
        return next((found for found in (_value(one, entry, list_style) for one in value) if found), None)
    if choices and text(value) not in choices:
        return "THOR-FLAG-VALUE", "has no such value", nearest(text(value), choices)
    if kind:
        return _number(text(value), kind, bool(entry.get("auto")))
    return None


def _json(value: Any) -> tuple[str, str, str] | None:
    if not isinstance(value, str):
        return None
    wrong = json_values.fault(value)
    if wrong:
        return (
            "THOR-FLAG-JSON",
            f"takes JSON, and this is not JSON ({wrong})",
            "Write a mapping: it is converted to JSON.",
        )
    return None


def _number(word: str, kind: str, auto: bool) -> tuple[str, str, str] | None:
    """Whether a word is a number of this kind: ``fraction`` above 0 and at most 1, ``count`` above 0."""
    if kind == "count":
        if (COUNT.fullmatch(word) or WHOLE.fullmatch(word)) and not re.match(r"-|[+]?0+$", word):
            return None
        if auto and word in ("-1", "auto"):
            return None
        return "THOR-FLAG-VALUE", "takes a whole number above 0", "Write such a number."
    if kind == "whole":
        return None if WHOLE.fullmatch(word) else ("THOR-FLAG-VALUE", "takes a whole number", "Write such a number.")
    try:
        number = float(word)
    except ValueError:
        return "THOR-FLAG-VALUE", "takes a number", "Write one."
    if not math.isfinite(number):
        return "THOR-FLAG-VALUE", "takes a finite number", "Write one."
    if kind == "fraction" and not 0 < number <= 1:
        return "THOR-FLAG-VALUE", "takes a fraction: above 0 and at most 1", "Write 0.5 for half."
    return None
