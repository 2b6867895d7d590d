#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Wait until nothing else installs packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_work
short_description: Wait until nothing else installs packages
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Waits for JetPack's Docker installer (C(nv-install-docker.service)), for C(apt-daily.service) and C(apt-daily-upgrade.service), and for
    every process that holds a lock of dpkg or apt, and shows what it waits for.
  - Fails if they are still at work after O(timeout).
options:
  timeout:
    description: Longest time to wait, in seconds.
    type: int
    default: 1800
  variable:
    description: Name of the variable in which users set O(timeout), for messages.
    type: str
    default: timeout
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.action
attributes:
  action:
    description: Has a corresponding action plugin, which shows on the controller what is waited for.
requirements:
  - root
"""

EXAMPLES = r"""
- name: Wait until nothing else installs packages
  jetson.thor.package_work:
    timeout: 900
"""

RETURN = r"""
work:
  description: What is at work, one text each.
  type: list
  elements: str
  returned: always
  sample: ["nv-install-docker.service (activating)"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.observe import packages


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"timeout": {"type": "int", "default": 1800}, "variable": {"type": "str", "default": "timeout"}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, work=packages.settle(module.params["timeout"]))


if __name__ == "__main__":
    main()
