# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options and models of engines without a stored list: what the engine itself said on the device (module_utils/kept_flags.py). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import kept_flags, real_parser
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import option_names, options
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD

UNKNOWN = "its options are not known: the engine is asked before the switch"
CHANGED = "it has not accepted these arguments and models yet: the engine is asked before the switch"


def kept(engine: str, fingerprint: str | None, host: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The list that the device keeps of an environment (by its fingerprint) or an image (by its digest)."""
    lists: Mapping[str, Mapping[str, Any]] = host.get("flags") or {}
    return lists.get(kept_flags.name_of(engine, fingerprint)) if fingerprint else None


def due(
    engine: str,
    fingerprint: str | None,
    parser: str | None,
    argvs: Mapping[str, Sequence[str]],
    wanted: Mapping[str, Sequence[str]],
    host: Mapping[str, Any],
) -> str | None:
    """Why an engine has to be asked on the device; None if it need not."""
    known = kept(engine, fingerprint, host)
    if kept_flags.is_asked(known, parser, argvs, wanted):
        return None
    return UNKNOWN if known is None else CHANGED


def problems(services: Iterable[Mapping[str, Any]], host: Mapping[str, Any]) -> Iterable[Problem]:
    """Options that the engine on this host does not have, and values that it does not accept: as with a stored list."""
    for service in services:
        known = kept(service["engine"], _fingerprint(service, host), host) if service["parser"] else None
        if known and known["options"]:
            yield from _problems(service, known)


def text(service: Mapping[str, Any]) -> str | None:
    """What a person should know about the check of a service's options and model; None where a stored list has both."""
    label = f"{service['engine']} {service['version']}"
    names = " or ".join(service["unlisted"])
    if service["flags_checked"]:
        how = "whether its Transformers can run it is checked on the device before the switch"
        how = how if service["parser"] else "it runs the model through its Transformers"
        return f"{label} has no {names} of its own: {how}" if names else None
    model = _model_text(service, names)
    return _options_text(service, label) + (f"; {model}" if model else "")


def _model_text(service: Mapping[str, Any], names: str) -> str:
    if not names:
        return ""
    if service["parser"]:
        return f"its architectures are checked on the device before the switch, for the model's {names}"
    return f"whether it knows the model's architecture {names} is not checked"


def _options_text(service: Mapping[str, Any], label: str) -> str:
    if service["kind"] == BUILD:
        return f"no list of the options of {label} is stored: they are checked on the device, once it is built"
    if service["parser"]:
        return f"no list of the options of {label} is stored: they are checked on the device, before the switch"
    return f"the options of {label} are not checked: no list is stored, and its engine has no parser that can be asked"


def _fingerprint(service: Mapping[str, Any], host: Mapping[str, Any]) -> str | None:
    """What identifies the environment or the image that is on the host."""
    if service["image"]:
        found = (host.get("images") or {}).get(service["image"])
        return found["digest"] if found else None
    found = (host.get("environments") or {}).get(service["engine"], {}).get(service["version"])
    return found["fingerprint"] if found else None


def _problems(service: Mapping[str, Any], known: Mapping[str, Any]) -> Iterable[Problem]:
    label = f"{service['engine']} {known['engine_version'] or service['version']}"
    place = f"thor_services[{service['name']!r}].options"
    accepts = (option_names.DOTTED,) if service["parser"] == "vllm" else ()
    for name, value in options.words(real_parser.arguments_of(service["parser"], service["argv"])):
        yield from options.check({name: value}, known["options"], {}, label, place, accepts=accepts)
