#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Refuse what cannot work, before the first change
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Compares the services of a host with what was observed there, and fails with every problem in one message.
  - C(docs/errors.md) explains each code.
options:
  services:
    description: The fact C(thor_services) of M(jetson.thor.resolve).
    type: list
    elements: dict
    required: true
  host:
    description: The fact C(thor_host) of M(jetson.thor.host_facts).
    type: dict
    required: true
  problems:
    description: The fact C(thor_problems) of M(jetson.thor.resolve).
    type: list
    elements: dict
    default: []
  memory_reserve_gib:
    description: Memory in GiB that no service may use.
    type: float
    required: true
  disk_reserve_gib:
    description: Space in GiB that must stay free on each file system.
    type: float
    required: true
  supported_os:
    description: Supported operating systems, as C(id version) from C(/etc/os-release).
    type: list
    elements: str
    required: true
  minimum_l4t:
    description: Lowest version of Linux for Tegra.
    type: str
    required: true
  builds:
    description:
      - By role, how its engines are built - C(cuda), whether for the GPU; C(architectures), for which; C(cmake_options), further options.
    type: dict
    required: true
  install_programs:
    description: Whether roles install the programs that an engine starts, such as ffmpeg; otherwise they must be there already.
    type: bool
    default: true
  container_runtime:
    description: Settings of the role C(container_runtime) that can be checked in advance, C(toolkit_version) and C(daemon_options).
    type: dict
    default: {}
attributes:
  action:
    description: Has a corresponding action plugin, so that the options are read on the controller.
    support: full
  check_mode:
    description: Can run in check mode and return what is found without modifying the target.
    support: full
  connection:
    description: Uses the target's configured connection information to execute code on it.
    support: none
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: none
"""

EXAMPLES = r"""
- name: Refuse what cannot work
  jetson.thor.preflight:
    services: "{{ ansible_facts['thor_services'] }}"
    host: "{{ ansible_facts['thor_host'] }}"
    problems: "{{ ansible_facts['thor_problems'] }}"
    memory_reserve_gib: 8
    disk_reserve_gib: 5
    supported_os: [ubuntu 24.04]
    minimum_l4t: "38.2"
    builds:
      llama_cpp: {cuda: true, architectures: 110-real, cmake_options: {}}
"""

RETURN = r""" # """
