# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of options: which option of the engine a name means, and how it is written on the command line.

People write a name without its dashes (``ctx-size``), with them (``--ctx-size``), in its short form (``c`` or ``-c``), and as far as
the engine's parser accepts it (``option_names`` of the engine) with underscores (``max_model_len``) or as one key of an option that takes
JSON (``speculative_config.method``). What they write reaches the engine as they wrote it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Flags = Mapping[str, Mapping[str, Any]]
# What a parser accepts beyond the names in its list. vLLM: both (vllm/utils/argparse_utils.py, FlexibleArgumentParser.parse_args);
# llama.cpp: underscores after two dashes (common/arg.cpp of 0c1e570, parse_cli_args).
UNDERSCORES, DOTTED = "underscores", "dotted"
# --no-enable-x beside --enable-x and --disable-x: accepted, but not in --help (the same file, EnableDisableAction; 0.33.0).
HIDDEN_NEGATIONS = "hidden_negations"
ACCEPTED = (UNDERSCORES, DOTTED, HIDDEN_NEGATIONS)


@dataclass(frozen=True)
class Named:
    """An option that a name means: ``word`` is what stands on the command line, ``option`` its name in the list, ``path`` the keys of
    its JSON. ``negated``: the name switches the option off."""

    word: str
    option: str
    path: tuple[str, ...] = ()
    negated: bool = False


def named(flags: Flags, name: str, accepts: Collection[str] = ()) -> Named | None:
    """The option of a list that a name means; None where the list has none.

    Names must be exact: argparse accepts any prefix that is unambiguous today and may not be in the next version.
    """
    for word in [name] if name.startswith("-") else [f"--{name}", f"-{name}"]:
        spelled = word.replace("_", "-") if UNDERSCORES in accepts and word.startswith("--") else word
        if spelled in flags:
            return Named(word, spelled)
        for option, entry in flags.items():
            if spelled == entry.get("negation") or spelled in entry.get("aliases", ()):
                return Named(word, option, negated=_is_negation(spelled, option, entry))
        positive = spelled.replace("--no-", "--", 1)
        if HIDDEN_NEGATIONS in accepts and positive != spelled and _has_inverse(flags, positive):
            return Named(word, positive, negated=True)
    head, _dot, inner = name.partition(".")
    whole = named(flags, head, accepts) if DOTTED in accepts and inner else None
    if whole and not whole.negated and whole.word.startswith("--") and flags[whole.option].get("kind") == "json":
        path = tuple(inner.replace("-", "_").rstrip("+").split("."))
        return Named(f"{whole.word}.{inner}", whole.option, path)
    return None


def _has_inverse(flags: Flags, option: str) -> bool:
    """Whether a switch that begins with --enable or --disable is negated by the other word."""
    words = ("--enable-", "--disable-")
    negation = flags.get(option, {}).get("negation")
    return any(option.replace(one, other, 1) == negation != option for one, other in (words, words[::-1]))


def _is_negation(word: str, option: str, entry: Mapping[str, Any]) -> bool:
    """Whether a further name of an option switches it off: --no-x, or as a short one -nx and -no-x."""
    if word == entry.get("negation"):
        return True
    positive = {name.lstrip("-") for name in (option, *entry.get("aliases", ()))}
    bare = word.lstrip("-")
    return bool(entry.get("negation")) and any(
        bare.startswith(start) and (bare.removeprefix(start) in positive or start == "no-")
        for start in ("no-", "no", "n")
    )


def find(flags: Flags, name: str, accepts: Collection[str] = ()) -> str | None:
    """The name in the list of the option that a name means."""
    found = named(flags, name, accepts)
    return found.option if found else None


def word_of(name: str, known: Flags, accepts: Collection[str] = ()) -> str:
    """A name as it stands on the command line. ``known``: a list of options of the engine, whatever its version."""
    if name.startswith("-"):
        return name
    found = named(known, name, accepts)
    return found.word if found else f"--{name}"


def identity(name: str, known: Flags, accepts: Collection[str] = ()) -> tuple[str, tuple[str, ...]]:
    """What two names of the same option have in common: the option, and the keys of its JSON."""
    found = named(known, name, accepts)
    if found:
        return found.option, found.path
    head, *path = name.lstrip("-").split(".") if DOTTED in accepts else [name.lstrip("-")]
    return f"--{head.replace('_', '-') if UNDERSCORES in accepts else head}", tuple(path)


def overlaps(one: tuple[str, tuple[str, ...]], other: tuple[str, tuple[str, ...]]) -> bool:
    """Whether two options set the same thing: the same option, or the JSON of one and a key of it."""
    length = min(len(one[1]), len(other[1]))
    return one[0] == other[0] and one[1][:length] == other[1][:length]


def twice(names: Iterable[str], known: Flags, accepts: Collection[str] = ()) -> list[tuple[str, str]]:
    """Names that mean what an earlier one means already, each with that one."""
    seen: list[tuple[str, tuple[str, tuple[str, ...]]]] = []
    found: list[tuple[str, str]] = []
    for name in names:
        mine = identity(name, known, accepts)
        found += [(name, other) for other, theirs in seen if overlaps(mine, theirs)][:1]
        seen.append((name, mine))
    return found


def lay_over(
    base: Mapping[str, Any], extra: Mapping[str, Any], known: Flags, accepts: Collection[str] = ()
) -> dict[str, Any]:
    """Options over those that they replace, whatever either is called. Mappings are merged key by key, and a key of an option's JSON
    (``speculative_config.method``) goes into the mapping that is there."""
    merged = dict(base)
    for name, value in extra.items():
        mine = identity(name, known, accepts)
        if name in merged:
            merged[name] = merge(merged[name], value)
            continue
        same = {one: theirs for one in merged if overlaps(theirs := identity(one, known, accepts), mine)}
        whole = next((one for one in same if len(same[one][1]) < len(mine[1]) and isinstance(merged[one], Mapping)), "")
        if whole and value is not None:
            merged[whole] = merge(merged[whole], _nested(mine[1][len(same[whole][1]) :], value))
            continue
        before = [merged.pop(one) for one in same]
        merged[name] = merge(before[0], value) if list(same.values()) == [mine] else value
    return merged


def _nested(path: tuple[str, ...], value: Any) -> Any:
    return {path[0]: _nested(path[1:], value)} if path else value


def merge(base: Any, extra: Any) -> Any:
    """``extra`` laid over ``base``: mappings are merged key by key, anything else is replaced."""
    if isinstance(base, Mapping) and isinstance(extra, Mapping):
        return {**base, **{key: merge(base.get(key), value) for key, value in extra.items()}}
    return extra


def value_of(options: Mapping[str, Any], name: str, known: Flags, accepts: Collection[str] = ()) -> Any:
    """The value of an option under any of its names; None where it is not set. A switch that is negated is False, and keys of its JSON
    are one mapping."""
    option = identity(name, known, accepts)[0]
    inner: dict[str, Any] = {}
    for one, value in options.items():
        found, path = identity(one, known, accepts)
        if found != option or value is None:
            continue
        if not path:
            spelled = named(known, one, accepts)
            return not value if spelled and spelled.negated and isinstance(value, bool) else value
        part = inner
        for key in path[:-1]:
            part = part.setdefault(key, {})
        part[path[-1]] = value
    return inner or None
