# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What an engine would fetch by itself because an option names it: nobody pins it, and nobody counts it.

``speculative`` and ``thor_extra_models`` do both. Commands of model cards are accepted as they stand, so the plan says what that means,
and a host refuses a service that could not start: it is offline, or was built without HTTPS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import elsewhere, speculation
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD, PACKAGES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import words

# The options that a key stands for.
SPECULATION = ("spec", "-hfd", "-hfrd", "hf-repo-draft")
# Of llama.cpp: where it keeps what it has fetched (common/hf-cache.cpp), and which server it asks (common/common.cpp).
CACHES = ("LLAMA_CACHE", *elsewhere.CACHES, "XDG_CACHE_HOME")
ENDPOINTS = ("MODEL_ENDPOINT", "HF_ENDPOINT")
# Its methods that are left out without a model that guesses (common/speculative.cpp), and the options that name one.
GUESSED = tuple(name for one in ("eagle3", "dflash", "dspark") for name in speculation.NAMES["llama.cpp"][one])
GUESSING = frozenset({"spec-draft-model", "model-draft", "-md", "spec-draft-hf", "hf-repo-draft", "-hfd", "-hfrd"})


def lines(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each of them, and for speculation of llama.cpp whose model is missing."""
    found = []
    for service in services:
        name, argv = service["name"], service["argv"]
        found += [f"{name}: {text(service, option, value)}" for option, value in elsewhere.repositories(argv)]
        found += [f"{name}: {one}" for one in _without_model(argv)]
    return found


def _without_model(argv: Sequence[str]) -> Iterator[str]:
    """Speculation of llama.cpp without its model: with -hf it takes one that lies beside the weights, with a file it does not look."""
    given = dict(words(argv))
    for method in str(given.get("spec-type", "")).split(","):
        if method in GUESSED and not GUESSING & set(given):
            yield f"{method} (--spec-type) has no model that guesses, so nothing is guessed; {_instead('spec-type')}"


def text(service: Mapping[str, Any], option: str, value: str) -> str:
    """What it means for one service."""
    how = f"{value} ({_shown(option)}) is neither pinned nor counted: "
    if elsewhere.is_offline(service["kind"], service.get("environment") or {}):
        how += f"{service['engine']} runs offline, so it finds it only in a cache of its own"
    else:
        how += f"{service['engine']} fetches it by itself when it starts"
    # plan/builds.py: without OpenSSL, so it cannot.
    how = f"{how}, and a built one has no HTTPS" if service["kind"] == BUILD else how
    return f"{how}; {_instead(option)}"


def problems(services: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Services that cannot start: they cannot fetch and have no cache, and an option names a repository."""
    for service in services:
        found = _hindrance(service["kind"], service.get("environment") or {})
        if found is None:
            continue
        why, way = found
        where = f"thor_services[{service['name']!r}].argv"
        for option, value in elsewhere.repositories(service["argv"]):
            if not value.startswith("http://"):
                reason = f"{_shown(option)} names a repository, and {service['engine']} {why}, so it could not start."
                yield Problem("THOR-ADAPTER-MISSING", where, value, reason, f"{_instead(option, 'S')}. Or {way}.")


def _hindrance(kind: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Why an engine can fetch nothing, and how to let it; None where it can, or where somebody has named a cache."""
    if kind == PACKAGES and elsewhere.is_offline(kind, environment):
        way = 'let it fetch by itself, unpinned: environment: {HF_HUB_OFFLINE: "0"}'
        return None if any(environment.get(name) for name in elsewhere.CACHES) else ("runs offline", way)
    if kind == BUILD:
        is_plain = any(environment.get(name, "").startswith("http://") for name in ENDPOINTS)
        way = "name a mirror without TLS, unpinned: environment: {MODEL_ENDPOINT: http://HOST}"
        is_able = is_plain or any(environment.get(name) for name in CACHES)
        return None if is_able else ("as it is built here has no HTTPS", way)
    return None


def _shown(option: str) -> str:
    return option if option.startswith("-") else f"--{option}"


def _instead(option: str, first: str = "s") -> str:
    """What fetches it beforehand."""
    if option.startswith(SPECULATION):
        return f"{first}peculative with a model of thor_extra_models fetches it beforehand"
    return f"{'A' if first.isupper() else 'a'}n entry of thor_extra_models, named in files, is fetched beforehand; the option has its path"
