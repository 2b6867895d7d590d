#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Services of a host, restarted one after the other."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restart
short_description: Restart services, one after the other
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Restarts each service with the unit that it has, and waits until it has answered a real request before it goes on to the next one.
  - A service that does not run is started.
  - The first service that does not answer makes the module fail, with the reason that the service gave. Later services are left as they
    are.
  - The work runs as a job under its own systemd unit, which outlives a lost connection. It never runs at the same time as a switch of
    M(jetson.thor.services).
options:
  services:
    description: The services, in the order in which they are restarted.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      unit:
        description: Its unit.
        type: str
        required: true
      on_demand:
        description: Whether it starts on demand. It is then started together with what passes connections on to it, and stops again
          after its idle time.
        type: bool
        default: false
  timeout:
    description: Seconds allowed for all of them.
    type: int
    default: 7200
extends_documentation_fragment:
  - jetson.thor.attributes
  - jetson.thor.attributes.action
  - jetson.thor.attributes.idempotent
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run restarts the services.
seealso:
  - module: jetson.thor.services
"""

EXAMPLES = r"""
- name: Restart a service
  jetson.thor.restart:
    services:
      - {name: chat, unit: thor-chat.service}
"""

RETURN = r"""
restarted:
  description: Names of the services that were restarted and have answered.
  type: list
  elements: str
  returned: always
  sample: [chat]
code:
  description: V(THOR-SERVICE-START).
  type: str
  returned: when a service did not answer
cause:
  description: Code of the reason, if the supervisor knew it, see C(docs/errors.md).
  type: str
  returned: when a service did not answer
  sample: THOR-GPU-UNUSED
reason:
  description: The reason as a sentence.
  type: str
  returned: when a service did not answer
unit:
  description: The unit that did not start.
  type: str
  returned: when a service did not answer
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import jobs, records
from ansible_collections.jetson.thor.plugins.module_utils.services import restart

# One job at a time changes services.
JOB = "switch"


def main() -> None:
    """Run the module."""
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "services": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"name": text, "unit": text, "on_demand": {"type": "bool", "default": False}},
            },
            "timeout": {"type": "int", "default": 7200},
        },
        supports_check_mode=True,
    )
    services = module.params["services"]
    if module.check_mode or not services:
        records.tell(module)
        module.exit_json(changed=bool(services), restarted=[one["name"] for one in services])
    jobs.start(module, name=JOB, target=restart.TARGET, spec={"services": services}, timeout=module.params["timeout"])


if __name__ == "__main__":
    main()
