# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From the variables of a host to its services: the catalog's files and every check, in one call.

The action resolve makes facts of it; the action status_report does it for all hosts of an inventory in one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files, package_locks, role_variables
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import with_geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs, checked
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import HOST, NOUNS, SWITCH
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import abouts


@dataclass(frozen=True)
class Resolved:
    """The services of a host and every problem, and the models that have to be looked at before it is known what services need."""

    resolution: Resolution
    looks: list[dict[str, Any]]


def resolve_host(args: Mapping[str, Any], variables: Mapping[str, Any], template: Callable[[Any], Any]) -> Resolved:
    """The services of one host, and the problems with names of variables, with entries, with values of variables and with services.

    ``args``: the arguments of the module resolve. ``variables``: those of the host, as written; ``template`` reads one of them.
    """
    catalog = os.path.realpath(args["catalog"])  # in a checkout the collection is a link
    unknown = files.unknown_variables(variables)
    in_doubt = frozenset(name.removeprefix("thor_") for name in unknown.meant)
    extra = {noun: args[f"extra_{noun}"] for noun in NOUNS}
    merged, of_entries = entries.build(
        files.files(catalog), extra, {noun for noun in NOUNS if f"extra_{noun}" in in_doubt}
    )
    merged.flags = files.flags(catalog)
    merged.models = {key: with_geometry(key, one, merged.lock) for key, one in merged.models.items()}
    merged.architectures = files.architectures(catalog)
    merged.transformers = files.architectures(catalog, "transformers")
    given = {key: role_variables.coerce(args[key], spec) for key, spec in HOST.items()}
    own = given["package_locks"] if str(given["package_locks"]).startswith("/") else ""  # anything else is refused
    merged.locks = files.locks(catalog, own)
    inputs = Inputs(args["profiles"], **given, in_doubt=in_doubt)
    said = abouts.known(merged, checked(inputs, merged).inputs.hubs, args["held"], args["seen"])
    merged.models = {key: abouts.with_bytes(model, said.get(key)) for key, model in merged.models.items()}
    resolution = resolve(replace(inputs, about={key: one["about"] for key, one in said.items()}), merged)
    found = [
        *unknown.problems,
        *of_entries,
        *package_locks.folder_problems(own),
        *role_variables.problems(variables, template),
        # A variable that is missing because its name was misspelled is one problem, not two.
        *(problem for problem in resolution.problems if problem.variable not in unknown.meant),
    ]
    # Another value than a switch is a problem of its own (role_variables), and nothing is updated then.
    update = role_variables.coerce(args["update_models"], SWITCH) is True
    # Also beside other problems: those of the models come with them.
    looks = abouts.looks(resolution.services, merged, args["held"], args["seen"], update)
    found += abouts.problems(resolution.services, args["seen"])
    return Resolved(Resolution(resolution.services, found), looks)
