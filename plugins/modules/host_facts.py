#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What a host is and has, in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Observe a host in one round trip
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Reads everything that the roles of this collection need to know about a host - device, L4T, operating system, memory, disk, toolchain,
    builds, models, units, listening sockets, device nodes - and returns it as the fact C(thor_host).
  - What M(jetson.thor.services) would compare is part of it, as hashes, modes and owners of files and states of units.
  - The action sends digests of the secrets in C(thor_profiles), made with a key that is used once. The fact contains neither secrets nor
    digests; it says which services' secret files hold these secrets.
extends_documentation_fragment:
  - jetson.thor.observation
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.action
  - jetson.thor.attributes.facts
attributes:
  action:
    description: Has a corresponding action plugin, which compares the host's clock with the controller's, and sets O(secrets),
      O(proxies), O(local_models) and O(gateway_key).
notes:
  - Reads what a model says of itself once, and keeps it in C(/var/lib/thor/about). Check mode does not write there.
  - Needs root to see which process listens on a port.
"""

EXAMPLES = r"""
- name: Observe the host
  jetson.thor.host_facts:

- name: Show what it is
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_host']['device']['model'] }}, L4T {{ ansible_facts['thor_host']['l4t'] }}"
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  type: dict
  returned: always
  contains:
    thor_host:
      description: What was observed.
      type: dict
      returned: always
      sample:
        device: {"model": "NVIDIA Jetson AGX Thor Developer Kit", "thor": true}
        l4t: "38.2.0"
        secrets: {"tags": {"chat": "3f9a01bc"}, "unused": false}
        proxy: {"there": false, "apt": true, "docker": true}
        memory: {"total_bytes": 131000000000, "available_bytes": 120000000000}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.observe.arguments import ARGUMENTS
from ansible_collections.jetson.thor.plugins.module_utils.observe.host import observe


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    keep = not module.check_mode
    asked = module.params
    found = observe(
        asked["facts_root"],
        asked["secrets_key"],
        asked["secrets"],
        keep,
        asked["local_models"],
        asked["gateway_key"],
        asked["proxies"],
    )
    records.tell(module)
    module.exit_json(changed=False, ansible_facts={"thor_host": found})


if __name__ == "__main__":
    main()
