# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The options that one version of an engine has, as data: read out of its ``--help`` or its parser, stored beside the catalog.

A stored list (roles/catalog/files/flags/<engine>-<version>.json)::

    {"engine": "llama.cpp", "version": "0c1e570", "origin": "llama-server --help of ...",
     "options": {"--ctx-size": {"aliases": ["-c"], "takes": "none" | "value" | "optional" | "many",
                                "negation": "--no-x" | null, "choices": ["a", ...] | null}},
     "removed": {"--draft-max": "use --spec-draft-n-max or --spec-ngram-mod-n-max"}}

An option's key is its first long spelling; ``aliases`` holds the others, short ones and further negations included.
``optional`` may also stand without its value. Lists of vLLM and SGLang (real_parser.py) name the ``package`` that was
asked, and say more of some options, because their parsers let more through than the engines bear: ``kind`` is ``json``,
``fraction`` (above 0, at most 1), ``count`` (above 0; with ``auto`` -1 and "auto" too), ``whole`` or ``number``; ``choices`` of
``--quantization``, ``--tool-call-parser`` and ``--reasoning-parser`` are its registries. ``methods`` are the methods of speculative
decoding that an option takes (``--speculative-config``, ``--speculative-algorithm``, ``--spec-type``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Where llama.cpp's help starts its second column; a longer head has a line of its own (common_arg::to_string).
COLUMN = 40
# What llama.cpp takes for the words on its help, in any option that shows them (is_truthy and its like).
SPELLINGS = {
    "on": ("on", "enabled", "true", "1"),
    "off": ("off", "disabled", "false", "0"),
    "auto": ("auto", "-1"),
}
# Its hint is the list of methods (common_speculative_all_types_str).
SPECULATION = "--spec-type"
REMOVED = "the argument has been removed."

_NAME = re.compile(r"-{1,2}[A-Za-z][\w.-]*")
_GIVEN = re.compile(r"-{1,2}[A-Za-z][\w.+-]*(?:=.*)?", re.DOTALL)
_TWO_VALUES = re.compile(r"[A-Z]+ [A-Z]+")
_ENVIRONMENT = re.compile(r" ?\(env: \w+\)")
_ALLOWED = re.compile(r"allowed values: ((?:[\w.+-]+, )*[\w.+-]+)")
# whisper-server: "  -t N,      --threads N                 [4      ] number of threads", and short names of several letters.
_WHISPER_LINE = re.compile(r"^ {2,}(-.*?) +\[([^\]]*?) *\] ")
_WHISPER_NAME = re.compile(r"(-{1,2}[A-Za-z][\w-]*)(?: +([A-Z]+)\b)?")
# Takes a value, though its help does not say so (examples/server/server.cpp).
_WHISPER_SILENT = {"--tmp-dir"}


def parse_help(text: str) -> dict[str, dict[str, Any]]:
    """Read the ``--help`` of llama-server or whisper-server: ``{"options": {...}, "removed": {...}}`` as in a stored list.

    Raises ValueError where the text holds no options at all (another program, or another layout).
    """
    options, removed = _parse_llama(text)
    options = options or _parse_whisper(text)
    if not options:
        raise ValueError("no options found: this is neither the --help of llama-server nor that of whisper-server")
    return {"options": options, "removed": removed}


def _parse_llama(text: str) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    options: dict[str, dict[str, Any]] = {}
    removed: dict[str, str] = {}
    for head, help_text in _entries(text):
        names, hint = _split_head(head)
        if help_text.startswith(REMOVED):
            advice = _ENVIRONMENT.sub("", help_text.removeprefix(REMOVED)).strip()
            removed.update({name: advice for name in names if name.startswith("--")})
            continue
        positive, negative = _split_negations(names)
        long_names = [name for name in positive if name.startswith("--")]
        key = long_names[0] if long_names else positive[0]
        negation = next((name for name in negative if name.startswith("--")), None)
        options[key] = {
            "aliases": [name for name in names if name not in (key, negation)],
            "takes": "none" if not hint else "many" if _TWO_VALUES.fullmatch(hint) else "value",
            "negation": negation,
            "choices": _choices(hint, help_text),
        }
        if key == SPECULATION and "," in hint:  # several may be given, with commas between them
            options[key]["methods"] = hint.split(",")
    return options, removed


def _parse_whisper(text: str) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        if not (found := _WHISPER_LINE.match(line)):
            continue
        head, default = found.groups()
        names = [name for name, _hint in _WHISPER_NAME.findall(head)]
        key = next((name for name in names if name.startswith("--")), names[0])
        takes_value = key in _WHISPER_SILENT or any(hint for _name, hint in _WHISPER_NAME.findall(head))
        entry: dict[str, Any] = {
            "aliases": [name for name in names if name != key],
            "takes": "value" if takes_value else "none",
            "negation": None,
            "choices": None,
        }
        if takes_value and re.fullmatch(r"-?\d+", default):
            entry["kind"] = "whole"
        elif takes_value and re.fullmatch(r"-?\d+\.\d+|FLT_MAX", default):
            entry["kind"] = "number"
        positive = f"--{key.removeprefix('--no-')}"
        if key.startswith("--no-") and positive in options:
            options[positive]["negation"] = key
            options[positive]["aliases"] += entry["aliases"]
        else:
            options[key] = entry
    return options


def load(path: str | Path) -> dict[str, Any]:
    """A stored list. Raises FileNotFoundError, or ValueError for a file that is no such list."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not isinstance(content.get("options"), dict):
        raise ValueError(f"{path} is not a list of options")
    return content


def unknown(argv: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The options in ``argv`` (without its command) that the engine does not have, in their order.

    Underscores count as hyphens, and a key of an option that takes JSON (--speculative-config.method) as that option: vLLM accepts both,
    and a parser that does not says so itself.
    """
    known = {
        name: entry
        for key, entry in options.items()
        for name in (key, entry.get("negation"), *entry.get("aliases", ()))
        if name
    }
    # An argument such as -1 or -0.5 is a value; a JSON text or a path does not begin with a dash.
    given = [argument.partition("=")[0] for argument in argv if _GIVEN.fullmatch(argument)]
    return [name for name in given if name not in known and not _is_respelled(name, known)]


def _is_respelled(name: str, known: Mapping[str, Mapping[str, Any]]) -> bool:
    head, dot, _inner = name.replace("_", "-").partition(".")
    return name.startswith("--") and head in known and (not dot or known[head].get("kind") == "json")


def _entries(text: str) -> list[tuple[str, str]]:
    """Split the help into (head, help text in one line). A head begins with a dash in the first column."""
    entries: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("-") and not line.startswith("---"):
            head, help_text = line, ""
            if line[COLUMN - 2 : COLUMN] == "  ":
                head, help_text = line[:COLUMN], line[COLUMN:]
            entries.append((head.strip(), [help_text]))
        elif line.startswith(" " * COLUMN) and entries:
            entries[-1][1].append(line.strip())
    return [(head, " ".join(filter(None, lines))) for head, lines in entries]


def _split_head(head: str) -> tuple[list[str], str]:
    """``-c,    --ctx-size N`` is ``(["-c", "--ctx-size"], "N")``: names divided by commas, then the value's hint."""
    names: list[str] = []
    rest = head
    while match := _NAME.match(rest):
        names.append(match.group())
        rest = rest[match.end() :]
        if not rest.startswith(","):
            break
        rest = rest[1:].lstrip()
    return names, rest.strip()


def _split_negations(names: list[str]) -> tuple[list[str], list[str]]:
    """Divide names into what switches on and what switches off: the help gives the latter last, unmarked.

    ``--no-host`` alone is a switch of its own, because no ``--host``-like name stands before it.
    """
    on = [index for index, name in enumerate(names) if name.startswith("--") and not name.startswith("--no-")]
    off = [index for index, name in enumerate(names) if name.startswith("--no-")]
    if not on or not off:
        return names, []
    return names[: on[-1] + 1], names[on[-1] + 1 :]


def _choices(hint: str, help_text: str) -> list[str] | None:
    """The closed set of values, where the help gives one; an open or a combinable one is None."""
    if match := re.fullmatch(r"\{(\w+(?:,\w+)*)\}", hint):
        return match.group(1).split(",")
    if match := re.fullmatch(r"[\[<](\w+(?:\|\w+)+)[\]>]", hint):
        words = match.group(1).split("|")
        return [spelling for word in words for spelling in SPELLINGS.get(word, (word,))]
    if match := _ALLOWED.search(help_text):
        return match.group(1).split(", ")
    return None
