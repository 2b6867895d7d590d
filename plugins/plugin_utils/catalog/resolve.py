# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From ``thor_profiles`` to ``thor_services``: what a person writes becomes the services that every role acts on.

Pure: no device, no Ansible. docs/catalog.md explains the keys of a service.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import card_commands, entries, on_demand
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.assemble import service_of, without
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.checks import problems_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft, draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Checked, Inputs, checked
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import SERVICE
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import check

SERVICE_KEYS = SERVICE.keys or {}


@dataclass(frozen=True)
class Resolution:
    """The services that could be resolved, and everything that is wrong."""

    services: list[Service]
    problems: list[Problem]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The services as the fact ``thor_services``."""
        return [service.to_facts() for service in self.services]


def resolve(inputs: Inputs, catalog: Catalog) -> Resolution:
    """Resolve every entry of ``thor_profiles``; a problem in one entry does not hide those of the next."""
    host = checked(inputs, catalog)
    problems = list(host.problems)
    resolved: list[tuple[Service, frozenset[str]]] = []
    if isinstance(inputs.profiles, list):
        for index, written in enumerate(inputs.profiles):
            one, found = _entry(written, f"thor_profiles[{index}]", host, catalog)
            problems += found
            if one is None:
                continue
            service = service_of(one)
            found, unclear = problems_of(one, service)
            problems += found
            resolved.append((without(service, unclear), unclear))
    else:
        problems.append(_not_a_list(inputs.profiles, catalog))
    problems += _clashes(resolved)
    services = [service for service, _unclear in resolved]
    # A problem with a variable of the host is one problem, not one of each service.
    return Resolution(services, list({problem.text(): problem for problem in problems}.values()))


def _not_a_list(profiles: Any, catalog: Catalog) -> Problem:
    reason = "It must be a list of profile names, or of mappings with the key profile, or with model and engine."
    remedy = f"For example: thor_profiles: [{next(iter(catalog.profiles), 'PROFILE')}]"
    # A mapping may hold secrets.
    quoted = None if isinstance(profiles, Mapping) else profiles
    return Problem("THOR-TYPE-INVALID", "thor_profiles", quoted, reason, remedy)


def _entry(written: Any, place: str, host: Checked, catalog: Catalog) -> tuple[Draft | None, list[Problem]]:
    """One entry with what it refers to; None where its profile, or its model and engine, are unknown.

    Its valid keys are used even if others are invalid.
    """
    entry = {"profile": written} if isinstance(written, str) else written
    problems = check(entry, SERVICE, place)
    given = entry if isinstance(entry, Mapping) else {}
    valid = {
        key: value for key, value in given.items() if key in SERVICE_KEYS and not check(value, SERVICE_KEYS[key], "")
    }
    misspelled = {closest(key, SERVICE_KEYS) or "" for key in given if key not in SERVICE_KEYS}
    if not isinstance(entry, Mapping):
        return None, problems
    engine, found = _engine_of(given, valid, misspelled, place, catalog)
    problems += found
    if engine is None:
        return None, problems
    for key, noun, name in entries.references(valid):
        if name not in getattr(catalog, noun):
            problems += entries.unknown(catalog, noun, name, f"{place}.{key}")
            del valid[key.partition(".")[0].partition("[")[0]]
    invalid = set(given) & set(SERVICE_KEYS) - set(valid)
    is_unsure = "version" not in valid and engine in host.unsure_engines
    unclear = frozenset(invalid | misspelled | ({"version"} if is_unsure else set()))
    return card_commands.as_rendered(draft(valid, place, unclear, host.inputs, catalog)), problems


def _engine_of(
    given: Mapping[Any, Any], valid: Mapping[str, Any], misspelled: Collection[str], place: str, catalog: Catalog
) -> tuple[str | None, list[Problem]]:
    """The engine of an entry, by its profile or by itself; None where what the entry names is missing, unknown or named twice."""
    named = [key for key in ("model", "engine") if key in given]
    if "profile" in given:
        if named:
            reason = "The entry names a profile, which has a model and an engine already."
            remedy = "Remove it, or remove profile and name both model and engine."
            return None, [Problem("THOR-VALUE-INVALID", f"{place}.{named[0]}", valid.get(named[0]), reason, remedy)]
        return _engine_of_profile(valid.get("profile"), place, catalog)
    lacking = [key for key in ("model", "engine") if key not in given and key not in misspelled]
    if "profile" in misspelled or (not named and len(lacking) < 2):
        return None, []
    if not named:
        reason = "An entry names a profile, or a model and an engine."
        return None, [Problem("THOR-KEY-MISSING", f"{place}.profile", None, reason, "Add it.")]
    if lacking:
        reason = "An entry without a profile names a model and the engine that serves it."
        return None, [Problem("THOR-KEY-MISSING", f"{place}.{lacking[0]}", None, reason, "Add it.")]
    if "model" not in valid or "engine" not in valid:
        return None, []
    both = {key: valid[key] for key in ("engine", "model")}
    wrong = [one for one in entries.references(both) if one[2] not in getattr(catalog, one[1])]
    problems = [one for key, noun, name in wrong for one in entries.unknown(catalog, noun, name, f"{place}.{key}")]
    if not wrong:
        problems = entries.missing_file(catalog, both, place)
    return (None if wrong or problems else both["engine"]), problems


def _engine_of_profile(name: str | None, place: str, catalog: Catalog) -> tuple[str | None, list[Problem]]:
    if name in catalog.profiles:
        engine: str = catalog.profiles[name]["engine"]
        return engine, []
    if name is None or catalog.is_refused("profiles", name):
        return None, []
    reason, remedy = "There is no such profile.", nearest(name, catalog.profiles)
    return None, [Problem("THOR-PROFILE-UNKNOWN", f"{place}.profile", name, reason, remedy)]


def _clashes(resolved: Sequence[tuple[Service, frozenset[str]]]) -> list[Problem]:
    """Names and ports that more than one service of a host wants."""
    problems = on_demand.reserved_name_problems([service for service, unclear in resolved if "name" not in unclear])
    for key, code in (("name", "THOR-NAME-DUPLICATE"), ("port", "THOR-PORT-DUPLICATE")):
        holders: dict[Any, list[str]] = {}
        for service, unclear in resolved:
            if key not in unclear:
                holder = service.profile if key == "name" else service.name
                # A service that starts on demand has two ports; that they differ is checked with it.
                values = {service.name} if key == "name" else {service.port, service.engine_port}
                for value in values:
                    holders.setdefault(value, []).append(holder)
        for value, names in holders.items():
            if len(names) > 1:
                reason = f"{len(names)} services want it: {', '.join(names)}."
                remedy = f"Give each a {key} of its own: {{profile: ..., {key}: ...}}."
                problems.append(Problem(code, f"thor_profiles[].{key}", value, reason, remedy))
    return problems
