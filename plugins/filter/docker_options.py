# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What daemon.json has to contain. It may hold passwords, so it is in no fact."""

from __future__ import annotations

DOCUMENTATION = r"""
name: docker_options
short_description: What daemon.json has to contain
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Merges the NVIDIA runtime, the default runtime, the data root and a person's own keys, for M(jetson.thor.docker_daemon).
  - The result may hold passwords (proxies). The fact C(thor_plan) does not contain it.
options:
  _input:
    description: C(daemon_options), C(default_runtime) and C(data_root) as the role C(container_runtime) has them; other keys are ignored.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Configure Docker
  jetson.thor.docker_daemon:
    options: "{{ {'daemon_options': {'debug': true}, 'default_runtime': 'nvidia'} | jetson.thor.docker_options }}"
"""

RETURN = r"""
_value:
  description: Keys of daemon.json with their values.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.plan.container_runtime import daemon_options


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"docker_options": daemon_options}
