# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The secrets of a host's services, which appear in no fact."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_secrets
short_description: The secrets of services by name
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Takes the key C(secrets) out of the entries of C(thor_profiles), over that of their profiles, for M(jetson.thor.service_secrets).
    The fact C(thor_services) holds only their names.
positional: _input, extra_profiles
options:
  _input:
    description: What C(thor_profiles) holds.
    type: list
    elements: raw
    required: true
  extra_profiles:
    description: What C(thor_extra_profiles) holds.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Hand over the secrets
  jetson.thor.service_secrets:
    services: "{{ thor_profiles | jetson.thor.service_secrets(thor_extra_profiles | default({})) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: By name of the service, its variables with their values; services without secrets are left out.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.serving.secrets import service_secrets


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"service_secrets": service_secrets}
