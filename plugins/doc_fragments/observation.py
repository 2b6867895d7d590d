# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What modules need to be told that observe a host."""

from __future__ import annotations


class ModuleDocFragment:
    """``jetson.thor.observation``: the options of module_utils/observe/arguments.py."""

    DOCUMENTATION = r"""
options:
  facts_root:
    description:
      - Folder whose files stand in for the device's own (C(proc/device-tree/model), C(etc/nv_tegra_release), C(etc/os-release),
        C(proc/meminfo)), if they exist.
      - For hosts that are not real devices, such as containers.
    type: str
    default: ""
  secrets_key:
    description: The key of O(secrets). The action sets it.
    type: str
    default: ""
  secrets:
    description: By name of the service, the digest of its secrets. The action sets it.
    type: dict
    default: {}
  proxies:
    description: Digests of the files that hold C(thor_proxy) for apt and dockerd. The action sets it if there is a proxy.
    type: dict
    default: {}
  local_models:
    description: Models that persons have put on the device, in which the module looks for what no engine could start with. The action
      sets it from C(thor_extra_models).
    type: list
    elements: dict
    default: []
    suboptions:
      place:
        description: The folder, or the file that is meant.
        type: str
        required: true
      path:
        description: The folder.
        type: str
        required: true
      names:
        description: The files in it that are meant; without any, all.
        type: list
        elements: str
        default: []
  gateway_key:
    description: The key of the digests of the gateway's files; empty if there is none. The action makes it of the secrets in
      C(thor_gateway_keys) and C(thor_profiles).
    type: str
    default: ""
"""
