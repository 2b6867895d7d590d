# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From ``thor_profiles`` to ``thor_services``: what a person writes becomes the services that every role acts on.

Pure: no device, no Ansible. docs/catalog.md explains the keys of a service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, nearest
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
    reason = "It must be a list of profile names, or of mappings with the key profile."
    remedy = f"For example: thor_profiles: [{next(iter(catalog.profiles), 'PROFILE')}]"
    # A mapping may hold secrets.
    quoted = None if isinstance(profiles, Mapping) else profiles
    return Problem("THOR-TYPE-INVALID", "thor_profiles", quoted, reason, remedy)


def _entry(written: Any, place: str, host: Checked, catalog: Catalog) -> tuple[Draft | None, list[Problem]]:
    """One entry with what it refers to; None where its profile is unknown. Its valid keys are used even if others are invalid."""
    entry = {"profile": written} if isinstance(written, str) else written
    problems = check(entry, SERVICE, place)
    given = entry if isinstance(entry, Mapping) else {}
    valid = {
        key: value for key, value in given.items() if key in SERVICE_KEYS and not check(value, SERVICE_KEYS[key], "")
    }
    name = valid.get("profile")
    if not name:
        return None, problems
    if name not in catalog.profiles:
        if not catalog.is_refused("profiles", name):
            reason, remedy = "There is no such profile.", nearest(name, catalog.profiles)
            problems.append(Problem("THOR-PROFILE-UNKNOWN", f"{place}.profile", name, reason, remedy))
        return None, problems
    invalid = set(given) & set(SERVICE_KEYS) - set(valid)
    misspelled = {closest(key, SERVICE_KEYS) or "" for key in given if key not in SERVICE_KEYS}
    is_unsure = "version" not in valid and catalog.profiles[name]["engine"] in host.unsure_engines
    unclear = frozenset(invalid | misspelled | ({"version"} if is_unsure else set()))
    return draft(valid, place, unclear, host.inputs, catalog), problems


def _clashes(resolved: Sequence[tuple[Service, frozenset[str]]]) -> list[Problem]:
    """Names and ports that more than one service of a host wants."""
    problems: list[Problem] = []
    for key, code in (("name", "THOR-NAME-DUPLICATE"), ("port", "THOR-PORT-DUPLICATE")):
        holders: dict[Any, list[str]] = {}
        for service, unclear in resolved:
            if key not in unclear:
                holder = service.profile if key == "name" else service.name
                holders.setdefault(getattr(service, key), []).append(holder)
        for value, names in holders.items():
            if len(names) > 1:
                reason = f"{len(names)} services want it: {', '.join(names)}."
                remedy = f"Give each a {key} of its own: {{profile: ..., {key}: ...}}."
                problems.append(Problem(code, f"thor_profiles[].{key}", value, reason, remedy))
    return problems
