#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Plan what has to be done, and refuse what cannot work
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Compares the services of a host with what was observed there, and returns what has to be done as the fact C(thor_plan).
  - Fails with every problem in one message, before anything is changed. C(docs/errors.md) explains each code.
  - Reads the variables of the collection's roles, because the roles act on the plan.
  - Puts a host with something to do into the group C(thor_due), and for each role that is due into C(thor_due_ROLE). Like
    M(ansible.builtin.group_by), it reports a change when it does.
options:
  services:
    description: The fact C(thor_services) of M(jetson.thor.resolve).
    type: list
    elements: dict
    required: true
  host:
    description: The fact C(thor_host) of M(jetson.thor.host_facts). Without it, the plan is that of a host that has nothing yet.
    type: dict
  problems:
    description: The fact C(thor_problems) of M(jetson.thor.resolve).
    type: list
    elements: dict
    default: []
  roles:
    description:
      - Plan again for these roles only, after something has changed on the host. Their sections of C(thor_plan) are replaced.
    type: list
    elements: str
  parts:
    description:
      - The roles to plan for, for a playbook that runs only these. Empty means all. What is refused does not depend on it.
    type: list
    elements: str
    default: []
  refuse:
    description: Whether to fail on problems; C(false) returns them in the plan.
    type: bool
    default: true
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.controller
  - jetson.thor.attributes.facts
"""

EXAMPLES = r"""
- name: Plan, and refuse what cannot work
  jetson.thor.preflight:
    services: "{{ ansible_facts['thor_services'] }}"
    host: "{{ ansible_facts['thor_host'] }}"
    problems: "{{ ansible_facts['thor_problems'] }}"

- name: Show what has to be done
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_plan']['text'] }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to C(ansible_facts).
  returned: unless something is refused
  type: dict
  contains:
    thor_plan:
      description: What has to be done on the host; C(docs/plan.md) describes its schema.
      returned: always
      type: dict
"""
