# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Shapes of what an inventory holds (types, ranges, characters) and how a value is checked against one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, nearest

# No text of an inventory is longer: Linux accepts 128 KiB for one argument, and systemd 1 MiB for one line of a unit.
LONGEST = 32768
LARGEST = 2**53  # what every JSON parser represents exactly
DEEPEST = 16
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Field:
    """What a key may hold. ``keys`` are the fixed keys of a mapping; ``values`` and ``names`` describe one with free keys.

    A text is one line without control characters, unless ``lines`` is set; ``pattern`` must match all of it, and ``wants`` says the
    same in words. Numbers are finite and between ``minimum`` and ``maximum``. ``free`` allows anything that JSON can hold. A
    ``regex`` has at least so many ``groups``. A ``secret`` value is never shown.
    """

    types: tuple[type, ...]
    required: bool = False
    choices: tuple[Any, ...] = ()
    keys: Mapping[str, Field] | None = None
    values: Field | None = None
    names: Field | None = None
    items: Field | None = None
    null: bool = False
    pattern: str = ""
    wants: str = ""
    minimum: float = -LARGEST
    maximum: float = LARGEST
    lines: bool = False
    free: bool = False
    regex: bool = False
    groups: int = 0
    secret: bool = False


def text(pattern: str, wants: str, **more: Any) -> Field:
    """A text of these characters."""
    return Field((str,), pattern=pattern, wants=wants, **more)


def whole(minimum: int, maximum: int) -> Field:
    """A whole number in this range."""
    return Field((int,), minimum=minimum, maximum=maximum)


def number(minimum: float, maximum: float) -> Field:
    """A number in this range."""
    return Field((int, float), minimum=minimum, maximum=maximum)


def needed(field: Field) -> Field:
    """The same, but required."""
    return replace(field, required=True)


def nullable(field: Field) -> Field:
    """The same, or null."""
    return replace(field, null=True)


TEXT = Field((str,))
SECRET = Field((str,), secret=True)
# Handed to a service. A few characters are not a secret, and Ansible would censor them in everything that it shows.
HANDED_OVER = Field((str,), secret=True, pattern=r".{8,4096}", wants="a secret of 8 to 4096 characters")
PROSE = Field((str,), lines=True)  # shown to people, never rendered
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
# No folder that begins with a dot: neither . nor .. nor our own .thor.
_PART = r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}"
NAME = text(_WORD, "up to 100 letters, digits, dots, hyphens and underscores, beginning with a letter or a digit")
VERSION = NAME  # also a folder, and a part of an image's tag
REPOSITORY = text(
    rf"{_PART}/{_PART}", "OWNER/NAME, each of letters, digits and . _ + -; the key file names one GGUF of several"
)
REVISION = text(rf"{_PART}(/{_PART})*", "the name of a branch or a tag")
FOLDER = text(
    rf"{_PART}(/{_PART})*", "a relative path of letters, digits and . _ + -, with no part that begins with a dot"
)
# Below /models, where the hosts look for models at these two levels (observe/models.py).
MODEL_FOLDER = text(
    rf"{_PART}(/{_PART})?",
    "a folder, or a folder in a folder (a/b), of letters, digits and . _ + -, that begins with no dot",
)
# .thor-manifest.json and the like are ours.
FILE = text(
    r"(?!-)(?:(?!\.{1,2}/|\.thor)[^/\\]+/)*(?!\.{1,2}$|\.thor)[^/\\]+", "a relative path without .. and backslashes"
)
GLOB = replace(FILE, wants="a relative path or a pattern of such paths without .. and backslashes")
PATH = text(r"/[^\\]*", "an absolute path")
# What an engine is given on its command line, and a container as a mount.
LOCAL = text(
    r"(?!.*/\.{1,2}(/|$))/[^\\:,]*[^\\:,/]",
    "an absolute path on the device, without .., backslashes, commas and colons",
)
# On the control machine.
CONTROL_FILE = text(r"[^\\]+", "a path on the control machine")
ADDRESS = text(r"(\d{1,3}\.){3}\d{1,3}|(?=.*:)[0-9A-Fa-f:.]{2,45}", "an IPv4 or IPv6 address")
URL = text(r"https?://[A-Za-z0-9\[][^\s\"'<>\\]*", "an address that begins with http:// or https:// and has no spaces")
# Shown in messages and diffs.
ENDPOINT = text(
    URL.pattern.replace("://", "://(?![^/?#]*@)", 1),
    "an address that begins with http:// or https:// and has no spaces, no user and no password: thor_hf_token and "
    "thor_modelscope_token are for tokens",
)
GIT = text(
    r"(https?|ssh|git|file)://(?!-)[^\s\"'<>\\]+|\w[\w.-]*@\w[\w.-]*:[\w./~+-]+",
    "the address of a Git repository without spaces",
)
COMMIT = text(r"[0-9a-f]{7,64}", "a commit as Git writes it, in hexadecimal digits")
SHA256 = text(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal digits")
CHECKSUM = text(r"sha256:[0-9a-f]{64}|sha1:[0-9a-f]{40}", "sha256:HEX or sha1:HEX")
IMAGE_DIGEST = text(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")
DIGEST = text(r"sha256:[0-9a-f]{64}|unpinned", "sha256:HEX, or unpinned")
URL_PATH = text(r"/[!-~]*", "a path that begins with a slash and has no spaces")
OPTION = text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "the name of an option without its dashes")
# As people write it: with its dashes or without; vLLM appends to a list in JSON with a plus sign (--compilation-config.splitting_ops+).
WRITTEN_OPTION = text(r"-{0,2}[A-Za-z0-9][A-Za-z0-9._-]{0,99}\+?", "the name of an option")
PROGRAM = text(_PART, "the name of a program")
DEBIAN_PACKAGE = text(r"[a-z0-9][a-z0-9+.-]*(=[A-Za-z0-9.+:~-]+)?", "the name of a Debian package, or NAME=VERSION")
VARIABLE = text(r"[A-Za-z_][A-Za-z0-9_]{0,199}", "the name of a variable: letters, digits and underscores")
SERVED_NAME = text(
    r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}",
    "up to 128 letters, digits and . _ : / @ + -, beginning with a letter or a digit",
)
_REPOSITORY_NAME = r"[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._-]+)*"
REGISTRY = text(_REPOSITORY_NAME, "a registry as in the name of an image, such as cache.example.org:5000")
IMAGE = text(
    rf"(?!-){_REPOSITORY_NAME}(:[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?",
    "the name of an image",
)
REQUIREMENT = text(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9.!+]+", "NAME==VERSION")
REGEX = Field((str,), regex=True)
BYTES = whole(1, 10**15)
GIBIBYTES = number(0.01, 4096)
SECONDS = whole(1, 7 * 86400)
IDLE = Field(
    (int, str),
    pattern=r"[1-9][0-9]{0,6}[smh]?",
    wants="a time such as 90s, 15m or 1h, or a number of seconds",
    minimum=1,
    maximum=7 * 86400,
)
GROUP = text(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?", "up to 48 lower-case letters, digits and inner hyphens")


def check(value: Any, spec: Field, place: str) -> list[Problem]:
    """Check ``value`` against ``spec``; ``place`` is where a person finds it."""
    if value is None and spec.null:
        return []
    # A list or a mapping may hold a secret further down.
    quoted = None if spec.secret or isinstance(value, Mapping | list) else value
    if not isinstance(value, spec.types) or (isinstance(value, bool) and bool not in spec.types):
        names = " or ".join(type_name(one) for one in spec.types)
        # YAML takes 26.10 for the number 26.1.
        remedy = "Put it in quotes." if str in spec.types and isinstance(value, int | float) else "Correct it."
        return [Problem("THOR-TYPE-INVALID", place, quoted, f"It must be a {names}, not {described(value)}.", remedy)]
    if spec.choices and value not in spec.choices:
        known = [str(choice) for choice in spec.choices]
        return [Problem("THOR-VALUE-INVALID", place, value, "This key has no such value.", nearest(value, known))]
    if found := _wrong(value, spec):
        return [Problem("THOR-VALUE-INVALID", place, quoted, *found)]
    if spec.free:
        return _free(value, spec, place, 0)
    problems: list[Problem] = []
    if isinstance(value, Mapping) and spec.keys is not None:
        unknown = [key for key in value if key not in spec.keys]
        problems += [
            Problem("THOR-KEY-UNKNOWN", f"{place}{_key(key)}", None, "There is no such key.", nearest(key, spec.keys))
            for key in unknown
        ]
        # A key that is missing because its name was mistyped is one problem, not two.
        meant = {closest(key, spec.keys) for key in unknown}
        for key, inner in spec.keys.items():
            if key in value:
                problems += check(value[key], inner, f"{place}.{key}")
            elif inner.required and key not in meant:
                problems.append(Problem("THOR-KEY-MISSING", f"{place}.{key}", None, "This key is required.", "Add it."))
    if isinstance(value, Mapping):
        for key, one in value.items():
            problems += check_name(key, spec.names, place)
            problems += check(one, spec.values, f"{place}[{shown(key)}]") if spec.values else []
    if isinstance(value, list) and spec.items is not None:
        for index, one in enumerate(value):
            problems += check(one, spec.items, f"{place}[{index}]")
    return problems


def check_name(key: Any, spec: Field | None, place: str) -> list[Problem]:
    """Check a key that a person has chosen against its shape."""
    if spec is None:
        return []
    if not isinstance(key, str):
        reason = f"The key itself must be a string, and this one is {described(key)}."
        return [Problem("THOR-TYPE-INVALID", f"{place}[{shown(key)}]", None, reason, "Put it in quotes.")]
    if found := _wrong(key, spec):
        return [Problem("THOR-NAME-INVALID", f"{place}[{shown(key)}]", None, f"The key itself: {found[0]}", found[1])]
    return []


def shown(key: Any) -> str:
    """A key as part of a variable's name: on one line, and not too long."""
    try:
        word = repr(key)
    except ValueError:  # an integer of thousands of digits
        word = type(key).__name__
    return word if len(word) <= 80 else f"{word[:76]}...'"


def _wrong(value: Any, spec: Field) -> tuple[str, str] | None:
    """What is wrong with a value of the right type: reason and remedy."""
    if isinstance(value, str):
        bad = (_CONTROL_BUT_LINES if spec.lines else _CONTROL).search(value)
        if bad:
            what = "a line break" if bad[0] in "\n\r" else f"the character U+{ord(bad[0]):04X}"
            return f"It contains {what} at position {bad.start() + 1}, which is not allowed here.", "Remove it."
        if len(value) > LONGEST:
            return f"It has {len(value)} characters; at most {LONGEST} are allowed.", "Shorten it."
        if spec.pattern and not re.fullmatch(spec.pattern, value):
            return f"It must be {spec.wants}.", "Correct it."
        if spec.regex:
            try:
                groups = re.compile(value).groups
            except (re.error, RecursionError, OverflowError) as error:
                return f"That is not a valid Python regular expression ({error}).", "Correct it."
            if groups < spec.groups:
                return f"It must have {spec.groups} groups in parentheses, not {groups}.", "Correct it."
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, float) and not math.isfinite(value):
            return "It must be a finite number.", "Write one."
        if not spec.minimum <= value <= spec.maximum:
            return f"It must be between {spec.minimum:.16g} and {spec.maximum:.16g}.", "Choose a number in that range."
    return None


def _free(value: Any, spec: Field, place: str, depth: int) -> list[Problem]:
    """What JSON cannot hold in a value that may be anything else: dates, NaN, keys that are not text, endless nesting."""
    if depth > DEEPEST:
        reason = f"It is nested deeper than {DEEPEST} levels."
        return [Problem("THOR-VALUE-INVALID", place, None, reason, "Flatten it.")]
    if isinstance(value, Mapping):
        inner = Field((str,), lines=spec.lines) if depth else spec.names
        return [
            problem
            for key, one in value.items()
            for problem in [*check_name(key, inner, place), *_free(one, spec, f"{place}[{shown(key)}]", depth + 1)]
        ]
    if isinstance(value, list):
        return [
            problem for index, one in enumerate(value) for problem in _free(one, spec, f"{place}[{index}]", depth + 1)
        ]
    if value is None or isinstance(value, bool):
        return []
    return check(value, Field((str, int, float), lines=spec.lines), place)


def _key(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and re.fullmatch(r"[\w-]+", key) else f"[{shown(key)}]"


def type_name(one: type) -> str:
    """A type in plain words."""
    return {str: "string", int: "whole number", float: "number", bool: "boolean", dict: "mapping", list: "list"}[one]


def described(value: Any) -> str:
    """The type of a value in plain words."""
    if value is None:
        return "null"
    for one in (bool, str, int, float, list):
        if isinstance(value, one):
            return f"a {type_name(one)}"
    return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"
