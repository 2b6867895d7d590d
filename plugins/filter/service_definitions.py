# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the role serving puts on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_definitions
short_description: The units and configurations of services
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes the arguments of M(jetson.thor.services) from the facts C(thor_services) and C(thor_host) - the unit and the configuration of
    each service, and the files and units that all services share.
positional: _input, host, settings, secret_tags, update
options:
  _input:
    description: The fact C(thor_services).
    type: list
    elements: dict
    required: true
  host:
    description: The fact C(thor_host).
    type: dict
    required: true
  settings:
    description: Variables of the role C(serving), by their full names; those that are not given have their defaults.
    type: dict
    default: {}
  secret_tags:
    description: By name of the service, the tag of the file that holds its secrets, as M(jetson.thor.service_secrets) returns it.
    type: dict
    default: {}
  update:
    description: Whether newer revisions that were fetched with C(thor_update_models) are wanted.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Switch to the services of this host
  jetson.thor.services:
    services: "{{ (ansible_facts['thor_services'] | jetson.thor.service_definitions(ansible_facts['thor_host'])).services }}"
"""

RETURN = r"""
_value:
  description:
    - The arguments C(files), C(units), C(services) and C(models) of M(jetson.thor.services), and C(unpinned), the images whose digest is
      recorded neither on the host nor in the lock.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.models import exchanges
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.serving import unpinned
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import definitions
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings


def service_definitions(
    services: Iterable[Mapping[str, Any]],
    host: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    secret_tags: Mapping[str, str] | None = None,
    update: bool = False,
) -> dict[str, Any]:
    """The arguments of the module ``services``, and the images that are not pinned."""
    given = list(services)
    models = exchanges(given, host.get("models") or {}, update)
    try:
        resolved = [Service.from_facts(one) for one in given]
        wanted = definitions.wanted(resolved, host, Settings.from_variables(settings or {}), secret_tags or {}, models)
    except ValueError as error:
        raise AnsibleFilterError(f"service_definitions: {error}") from error
    spec = wanted.spec()
    return {
        **{key: spec[key] for key in ("files", "units", "services", "models")},
        "unpinned": unpinned(resolved, host),
    }


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"service_definitions": service_definitions}
