# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Random inventories as people might write them: valid, nearly valid, and wild.

``HYPOTHESIS_PROFILE=nightly`` tries 10,000 of each kind with a new seed, anything else always the same 300.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import (
    flag_checks,
    named_files,
    options,
    resolve,
    schema,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from real_catalog import BUILT_IN

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
for name, examples in (("default", 300), ("nightly", 10_000)):
    settings.register_profile(
        name,
        max_examples=examples,
        derandomize=name == "default",
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
settings.load_profile("nightly" if NIGHTLY else "default")

# Characters that are special to shells, units, argparse, Jinja or JSON.
NASTY = "\"'\\$%{}[]();#&|<>`~!*?=,:/@^- \n\tÄ世é\u200b"
CONTROL = "\x00\x01\x1b\x7f\x85\u2028\ud800"
HOST_KEYS = tuple(key for key in schema.HOST if key != "engine_versions")


PROFILES = sorted(BUILT_IN.profiles)


PIECES = (
    "%n",
    "%h",
    "%%",
    "$HOME",
    "${HOME}",
    "$$",
    "\\n",
    "\\x41",
    "\\",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "--agent",
    "; reboot",
    "$(id)",
    "a=b",
    "//",
)


def resolved(inputs: Mapping[str, Any]) -> resolve.Resolution:
    """Resolve an inventory with the collection's own catalog."""
    return resolve.resolve(Inputs(**inputs), BUILT_IN)


def texts(alphabet: str = NASTY) -> st.SearchStrategy[str]:
    """Short texts of letters and special characters."""
    return st.lists(st.sampled_from([*"abz019", *alphabet, *PIECES]), max_size=8).map("".join)


# Whatever YAML can hold, and some values that no tool accepts.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70000),
    st.integers(),
    st.just(10**4000),
    st.floats(),
    texts(),
    texts(NASTY + CONTROL),
    st.text(max_size=8),
    st.dates(max_value=datetime.date(2030, 1, 1)),
)
KEYS = st.one_of(texts(NASTY + CONTROL), st.integers(0, 3), st.none(), st.booleans())
WILD = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


def plausible_option(flag: Mapping[str, Any], style: str) -> st.SearchStrategy[Any]:
    """A value of the kind that an option takes."""
    takes, kind, choices = flag.get("takes", "value"), flag.get("kind"), flag.get("choices")
    if takes == "none":
        return st.booleans()
    if kind == "json":
        inner = st.one_of(
            st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False, width=32), texts()
        )
        return st.dictionaries(texts(), st.one_of(inner, st.lists(inner, max_size=2)), max_size=3)
    choices = choices or flag.get("methods")
    if choices:
        one: st.SearchStrategy[Any] = st.sampled_from(choices)
    elif kind == "count":
        one = st.integers(1, 10**6)
    elif kind == "whole":
        one = st.integers(-(10**6), 10**6)
    elif kind == "fraction":
        one = st.floats(0.001, 1)
    elif kind == "number":
        one = st.floats(-1e6, 1e6)
    else:
        one = st.one_of(texts(), st.integers(-9, 10**6), st.floats(-1e3, 1e3))
    return st.one_of(one, st.lists(one, min_size=1, max_size=3)) if takes == "many" or style != "space" else one


@st.composite
def chosen_options(draw: st.DrawFn, engine: str, version: str) -> dict[str, Any]:
    """Some options of an engine, except those that are refused."""
    entry = BUILT_IN.engines[engine]
    flags = BUILT_IN.flags_of(engine, version) or {}
    left_out = {*entry.get("unsafe_options", {}), *flag_checks.set_by_us(entry), *(entry.get("api_path_options") or ())}
    left_out |= {"help", "version", "model", "api-key", "hf-token", *options_of_files()}
    names = sorted(name[2:] for name in flags if name.startswith("--") and name[2:] not in left_out)
    if not names:
        return {}
    picked = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    style = entry.get("list_style", "space")
    return {name: draw(plausible_option(flags[options.find(flags, name) or ""], style)) for name in picked}


def options_of_files() -> set[str]:
    """Options whose file must exist, so that a random text is always refused."""
    return {*named_files.TEMPLATE_OPTIONS, "mmproj", "allowed-local-media-path"}


ENVIRONMENT = st.dictionaries(
    st.from_regex(r"X_[A-Z0-9_]{1,8}", fullmatch=True),
    st.one_of(texts(NASTY.replace("\n", "").replace("\t", "")), st.integers(0, 9), st.floats(-9, 9)),
    max_size=3,
)


@st.composite
def plausible_services(
    draw: st.DrawFn, engines: tuple[str, ...] = (), most: int = 2, version: str | None = None
) -> dict[str, Any]:
    """A mostly correct inventory: arguments of ``Inputs``, with profiles of these engines."""
    known = [name for name in PROFILES if not engines or BUILT_IN.profiles[name]["engine"] in engines]
    profiles: list[Any] = []
    for index in range(draw(st.integers(1, most))):
        profile = draw(st.sampled_from(known))
        engine = BUILT_IN.profiles[profile]["engine"]
        versions = [one for one in BUILT_IN.engines[engine]["versions"] if BUILT_IN.flags_of(engine, one)]
        chosen = version or draw(st.sampled_from(versions))
        entry: dict[str, Any] = {"profile": profile, "name": f"s{index}", "version": chosen, "port": 8000 + index}
        entry["options"] = draw(chosen_options(engine, chosen))
        entry["environment"] = draw(ENVIRONMENT)
        key = BUILT_IN.profiles[profile]["model"]
        model = BUILT_IN.models[key]
        is_inline = draw(st.integers(0, 3)) == 0
        if is_inline:  # the same model and engine, without the profile's options
            del entry["profile"]
            entry |= {"model": key, "engine": engine, "memory_gib": draw(st.floats(7, 40))}
        more: dict[str, st.SearchStrategy[Any]] = {
            "served_name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,9}", fullmatch=True),
            "memory_gib": st.floats(7, 40),
            "start_timeout": st.integers(1, 9999),
            "address": st.sampled_from(["127.0.0.1", "::1", "10.0.0.7"]),
            "on_demand": st.fixed_dictionaries({"idle": st.sampled_from([1, 900, "90s", "15m"])}),
        }
        if model.get("thinking") == "switchable" and not is_inline:
            more["thinking"] = st.booleans()
        if model.get("vision"):
            more["remote_media"] = st.booleans()
        for key, values in more.items():
            if draw(st.integers(0, 4)) == 0:
                entry[key] = draw(values)
        profiles.append(entry)
    return {"profiles": profiles, "allow_broken": True, "allow_unauthenticated": True}


@st.composite
def wild_inventories(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of ``Inputs`` and a user's entries, with anything anywhere."""
    inputs = draw(plausible_services()) if draw(st.booleans()) else {"profiles": draw(WILD)}
    if isinstance(inputs["profiles"], list):
        for entry in inputs["profiles"]:
            if isinstance(entry, dict):
                keys = st.one_of(st.sampled_from(sorted(schema.SERVICE.keys or {})), KEYS)
                entry.update(draw(st.dictionaries(keys, WILD, max_size=2)))
    for key in draw(st.lists(st.sampled_from(HOST_KEYS), max_size=2, unique=True)):
        inputs[key] = draw(WILD)
    if draw(st.booleans()):
        inputs["engine_versions"] = draw(
            st.one_of(WILD, st.dictionaries(st.sampled_from(sorted(BUILT_IN.engines)), WILD, max_size=2))
        )
    extra: dict[str, Any] = {}
    for noun, spec in schema.NOUNS.items():
        if draw(st.integers(0, 2)):
            continue
        theirs = sorted(getattr(BUILT_IN, noun))
        entry_keys = st.one_of(st.sampled_from(sorted(spec.keys or {})), KEYS)
        entries = st.one_of(WILD, st.dictionaries(entry_keys, WILD, max_size=3))
        extra[noun] = draw(
            st.one_of(WILD, st.dictionaries(st.one_of(st.sampled_from(theirs), KEYS), entries, max_size=2))
        )
    return inputs, extra
