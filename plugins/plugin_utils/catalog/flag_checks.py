# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service's options held against what its engine knows and what the collection sets itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import (
    memory,
    option_names,
    options,
    own_entries,
    tools,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import URL_PATH, check


def set_by_us(engine: Mapping[str, Any]) -> dict[str, str]:
    """The options that the collection writes itself, and what a person sets instead."""
    flags = dict.fromkeys((name for name, _value in options.words(engine["command"])), "another profile")
    flags[engine["listen"]["address"]] = "the key address"
    flags[engine["listen"]["port"]] = "the key port"
    if engine.get("served_name_option"):
        flags[engine["served_name_option"]] = "the key served_name"
    if engine.get("memory"):
        flags[engine["memory"]["option"]] = "the key memory_gib"
    return {**flags, **(engine.get("reserved_options") or {})}


def flag_problems(draft: Draft) -> list[Problem]:
    """Options that the engine's version does not know, or that the collection sets."""
    written = draft.entry.get("options") or {}
    ours = set_by_us(draft.engine)
    if memory.writes_share(draft):
        del ours[draft.engine["memory"]["option"]]
    for key, option in draft.key_options.items():
        if draft.said_by_option(key) is not None:
            del ours[option]
    # Only a profile can say which of the engine's own names for models stands for its model.
    fixed = {**ours, **dict.fromkeys(draft.engine.get("profile_options") or (), "another profile")}
    if draft.flags is None:
        reserved = _reserved(fixed, draft)
        return [
            *twice_problems(draft),
            *(
                options.reserved_option(name, written[name], reserved[one], draft.where("options", name))
                for name in written
                if (one := option_names.identity(name, draft.known_flags, draft.accepts)[0]) in reserved
            ),
        ]
    own = {key: value for key, value in draft.options.items() if key in written}
    inherited = {key: value for key, value in draft.options.items() if key not in written}
    label = f"{draft.engine_name} {draft.version}"
    inherited_place = f"{draft.place} (from the profile {draft.profile_name}) options"
    more = (label, f"{draft.place}.options", draft.list_style, draft.accepts, draft.engine.get("successors"))
    theirs = (label, inherited_place, *more[2:])
    return [
        *twice_problems(draft),
        *options.check(own, _flags(draft), _reserved(fixed, draft), *more),
        *(_at_model(draft, one) for one in options.check(inherited, _flags(draft), _reserved(ours, draft), *theirs)),
    ]


def _at_model(draft: Draft, problem: Problem) -> Problem:
    """A problem with a parser that the model names, where the model names it."""
    for key, option in (("reasoning", tools.REASONING), ("tools", tools.TOOLS)):
        named = ((draft.model.get("parsers") or {}).get(key) or {}).get(draft.dialect)
        if named is not None and named == problem.value and problem.variable.endswith(f"[{option!r}]"):
            where = f"thor_extra_models[{draft.profile['model']!r}].parsers.{key}.{draft.dialect}"
            return replace(problem, variable=where)
    return problem


def _flags(draft: Draft) -> options.Flags:
    """The version's options. A plugin may bring parsers that its list lacks."""
    flags = draft.flags or {}
    open_ended = {
        f"--{option}": {**flags[f"--{option}"], "choices": None}
        for option, plugin in (draft.engine.get("parser_plugins") or {}).items()
        if f"--{option}" in flags and draft.option(plugin)
    }
    return {**flags, **open_ended}


def twice_problems(draft: Draft) -> list[Problem]:
    """Options that a person sets under two names: the engine would get both."""
    written = draft.entry.get("options") or {}
    return [
        Problem(
            "THOR-FLAG-TWICE",
            draft.where("options", name),
            written[name],
            f"{options.shown(other)} sets the same option.",
            "Write one of them.",
        )
        for name, other in option_names.twice(written, draft.known_flags, draft.accepts)
    ]


def _reserved(names: Mapping[str, str], draft: Draft) -> dict[str, str]:
    """The options that are reserved, by their names in the list."""
    return {option_names.identity(name, draft.known_flags, draft.accepts)[0]: key for name, key in names.items()}


def list_problems(draft: Draft) -> list[Problem]:
    """A version that names a list of options (``flags``) that is not stored."""
    stored = sorted(version for engine, version in draft.catalog.flags if engine == draft.engine_name)
    named = draft.known.get("flags")
    if named is None or named in stored:
        return []
    where = f"thor_extra_engines[{draft.engine_name!r}].versions[{draft.version!r}].flags"
    reason = f"No list of the options of {draft.engine_name} {named} is stored."
    remedy = (
        f"Choose one of {', '.join(stored) or 'none'}, or leave the key out: the engine is then asked on the device."
    )
    return [Problem("THOR-VALUE-INVALID", where, named, reason, remedy)]


def null_problems(draft: Draft) -> list[Problem]:
    """Options that the entry takes away although nothing sets them."""
    written = draft.entry.get("options") or {}
    names = {option_names.identity(name, draft.known_flags, draft.accepts): name for name in written}
    there = {
        names.get(option_names.identity(name, draft.known_flags, draft.accepts), name): value
        for name, value in draft.inherited_options.items()
    }
    return own_entries.nulls(written, there, f"{draft.place}.options")


def api_path_problems(draft: Draft, service: Service) -> list[Problem]:
    """A path of the API that is not one, put together from options."""
    if not check(service.api_path, URL_PATH, ""):
        return []
    option = next(one for one in draft.engine["api_path_options"] if draft.option(one))
    reason, remedy = f"It must be {URL_PATH.wants}.", f"Write {quote('/' + service.api_path.lstrip('/'))}."
    return [Problem("THOR-VALUE-INVALID", draft.where("options", option), service.api_path, reason, remedy)]


def silenced_problems(draft: Draft, service: Service) -> list[Problem]:
    """Options and variables that silence the evidence for the GPU in the engine's log: no start would ever count."""
    if service.gpu is None or service.gpu.asked.none:
        return []
    problems = []
    for names, given in gpu_evidence.silenced(draft.engine["gpu"], service.argv, service.environment):
        word = given.lstrip("-").replace("_", "-") if given.startswith("-") else given
        name = next(one for one in names if re.match(rf"{re.escape(one)}\b(?!-)", word))
        where = draft.where("options" if given.startswith("-") else "environment", name)
        reason = (
            "The engine then does not log that it uses the GPU, so it would never count as started (THOR-GPU-UNUSED)."
        )
        remedy = "Leave it out, or let the engine log at info. If no GPU is wanted, set gpu: null of the engine in thor_extra_engines."
        problems.append(Problem("THOR-VALUE-INVALID", where, word[len(name) + 1 :] or True, reason, remedy))
    return problems
