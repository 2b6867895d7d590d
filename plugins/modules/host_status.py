#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""How a host and its services are doing, in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_status
short_description: See how a host and its services are doing
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Observes a host like M(jetson.thor.host_facts), and reads the state of its units, the memory of each service, temperatures, the
    certificate of the gateway, and what the last M(jetson.thor.verify) and M(jetson.thor.bench) found.
  - A host that cannot be reached, or on which the module cannot run, is no failure of the task; its result says so in RV(reason).
  - M(jetson.thor.status_report) makes a table of the results of all hosts.
extends_documentation_fragment:
  - jetson.thor.observation
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.action
attributes:
  action:
    description: Has a corresponding action plugin, which catches failed connections, compares the host's clock with the controller's, and
      sets O(secrets) and O(local_models).
notes:
  - Needs root, like M(jetson.thor.host_facts).
  - Puts hosts that could not be read into the group C(thor_status_unread), which Ansible reports as a change.
seealso:
  - module: jetson.thor.host_facts
  - module: jetson.thor.status_report
"""

EXAMPLES = r"""
- name: Read the status
  jetson.thor.host_status:
  register: observed
  changed_when: false
"""

RETURN = r"""
reason:
  description: Why the host could not be read; empty if it was.
  type: str
  returned: always
  sample: "unreachable: ssh: connect to host thor01 port 22: No route to host"
host:
  description: What M(jetson.thor.host_facts) returns as C(thor_host).
  type: dict
  returned: if the host was read
status:
  description: Units, memory, temperatures, certificate, and the last verify and bench. Times are seconds before C(at).
  type: dict
  returned: if the host was read
  sample:
    at: 1795737600
    uptime_s: 86400
    units: {"thor-chat.service": {"active": "active", "sub": "running", "for_s": 3600, "restarts": 0, "memory_bytes": 5000000}}
    temperatures: {"gpu-thermal": 51.5}
    certificate: {"starts": 1795000000, "ends": 1802776000, "days": 81}
    last: {"verify": {"at": 1795730000, "results": [{"name": "chat", "state": "ok"}]}, "bench": null}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.observe import status
from ansible_collections.jetson.thor.plugins.module_utils.observe.arguments import ARGUMENTS
from ansible_collections.jetson.thor.plugins.module_utils.observe.host import observe


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    asked = module.params
    root = asked["facts_root"]
    # Nothing is kept on the host: status only reads.
    host = observe(
        root,
        asked["secrets_key"],
        asked["secrets"],
        False,
        asked["local_models"],
        asked["gateway_key"],
        asked["proxies"],
    )
    found = status.observe(Path(root) if root else None, host)
    records.tell(module)
    module.exit_json(changed=False, reason="", host=host, status=found)


if __name__ == "__main__":
    main()
