#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: Make one table of the status of all hosts
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Resolves the profiles of each host, compares what M(jetson.thor.host_status) returned of it with what its inventory says, and makes a
    table of all hosts, with the differences in words below it.
  - The comparison is that of the plan (M(jetson.thor.preflight)). It says what a run of C(site.yml) would do, or why it would refuse.
  - Does so for all hosts at once, so run it once (C(run_once)).
options:
  hosts:
    description: The hosts, in the order of the table.
    type: list
    elements: str
    required: true
  observed:
    description: Name of the variable in which each host's result of M(jetson.thor.host_status) is registered.
    type: str
    required: true
  file:
    description: File on the controller for the status as JSON. Empty writes none. Check mode writes it, too, as it is what was asked for.
    type: str
    default: ""
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.controller
seealso:
  - module: jetson.thor.host_status
  - module: jetson.thor.preflight
"""

EXAMPLES = r"""
- name: Compare all hosts with the inventory
  jetson.thor.status_report:
    hosts: "{{ ansible_play_hosts_all }}"
    observed: observed
    file: status.json
  run_once: true
  register: report
"""

RETURN = r"""
hosts:
  description: The status of each host; C(docs/operations.md) explains the keys.
  type: list
  elements: dict
  returned: always
  sample:
    - {"host": "thor02", "state": "down", "reason": "unreachable: no route to host", "services": []}
lines:
  description: The table, and below it the differences.
  type: list
  elements: str
  returned: always
file:
  description: The file that was written.
  type: str
  returned: if O(file) is set
"""
