#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Sets up what measures a host, or removes it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_metrics
short_description: Measure a host and its services for Prometheus
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Writes the program and the units that measure a host, starts the timer C(thor-metrics.timer) and, unless somebody else's is there,
    the node exporter of the distribution.
  - Removes files of earlier versions of the program.
options:
  files:
    description: The files, as the filter P(jetson.thor.metrics_files#filter) makes them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path of the file.
        type: str
        required: true
      content:
        description: Its text.
        type: str
        required: true
      mode:
        description: Its mode, as octal digits.
        type: str
        default: "0644"
  exporter:
    description: Whether the node exporter of the distribution is started here. Its package is installed already.
    type: bool
    default: true
  state:
    description:
      - V(present) measures the host.
      - V(absent) stops the timer, removes all files of ours, and stops and disables the node exporter if our files limit it. Without them
        it would listen on all addresses. The package stays.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - jetson.thor.attributes
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Measure the host
  jetson.thor.node_metrics:
    files: "{{ ansible_facts['thor_services'] | jetson.thor.metrics_files(ansible_facts['thor_host'], {'enabled': true}) }}"

- name: Stop measuring the host
  jetson.thor.node_metrics:
    state: absent
"""

RETURN = r"""
written:
  description: The files that were written.
  type: list
  elements: str
  returned: success
removed:
  description: The files that were removed.
  type: list
  elements: str
  returned: success
started:
  description: The units that were started or restarted.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.metrics import install

ARGUMENTS: dict[str, Any] = {
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
        },
    },
    "exporter": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    present = given["state"] == "present"
    change = install.change(given["files"] if present else [], present and given["exporter"])
    try:
        if not module.check_mode:
            install.apply(change, present)
    except (JobFailed, OSError) as error:
        module.fail_json(
            msg=f"THOR-METRICS-FAILED: thor_metrics: {error} Run site.yml again, or set thor_metrics: false."
        )
    module.exit_json(changed=bool(change), diff=change.diff(), **change.result())


if __name__ == "__main__":
    main()
