# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files that all services of a host share."""

from __future__ import annotations

DOCUMENTATION = r"""
name: support_files
short_description: List the files that services share
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Returns the files that all services of a host share, with their contents. They are the supervisor, the units of
    systemd that it uses, and the configuration of its lock.
positional: _input
options:
  _input:
    description: The folder of the role C(serving).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show where the files of services lie on a host
  ansible.builtin.debug:
    msg: "{{ role_path | jetson.thor.support_files | map(attribute='path') }}"
"""

RETURN = r"""
_value:
  description: The files, as the module M(jetson.thor.services) takes them.
  type: list
  elements: dict
  sample:
    - path: /etc/tmpfiles.d/thor.conf
      content: d /run/thor 0750 root thor -
      mode: "0644"
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ansible_collections.jetson.thor.plugins.plugin_utils.plan import support_files as shared


def support_files(role_path: str) -> list[dict[str, str]]:
    """The files as plain data."""
    return [asdict(item) for item in shared.support_files(Path(role_path).resolve())]


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, str]]]]:
        """Name and function."""
        return {"support_files": support_files}
