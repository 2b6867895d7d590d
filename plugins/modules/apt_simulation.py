#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What apt would install and remove, found out without a change to the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_simulation
short_description: Show what apt would install and remove, without changing the host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Lets apt simulate an installation, with the host's sources and with further ones that are not on the host yet. Sources, keys, lists and
    cache are in a temporary folder, so nothing on the host changes, and the module works in check mode and on a fresh host.
  - Fails if apt would remove a package, or cannot install one.
  - Uses the lists of the host if there are any. If they are not enough for apt, all lists are read again, into the temporary folder.
options:
  packages:
    description: Packages to install, C(NAME) or C(NAME=VERSION). A version may be lower than the installed one.
    type: list
    elements: str
    required: true
  sources:
    description: Further sources, each as M(jetson.thor.apt_source) returns it in C(trial).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the files.
        type: str
        required: true
      text:
        description: The source in deb822 form.
        type: str
        required: true
      key:
        description: The key that signs the source, in ASCII armor.
        type: str
        required: true
      url:
        description: Address of the repository, for messages.
        type: str
        required: true
      variable:
        description: Name of the variable in which users set the address, for messages.
        type: str
        required: true
  timeout:
    description: Seconds that apt may take to read lists.
    type: int
    default: 300
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.attributes.reads
requirements:
  - root
seealso:
  - module: jetson.thor.apt_source
"""

EXAMPLES = r"""
- name: Check what the installation of Docker would do
  jetson.thor.apt_simulation:
    packages: [docker.io]
"""

RETURN = r"""
install:
  description: Packages that would be installed or change their version.
  type: list
  elements: str
  returned: success
"""

import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import proxy
from ansible_collections.jetson.thor.plugins.module_utils.apt_simulation import Simulation
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed


def run(module: AnsibleModule) -> list[str]:
    """The packages that would be installed. Raises Failed."""
    scratch = Path(tempfile.mkdtemp(prefix="thor-apt-"))
    try:
        scratch.chmod(0o755)  # apt reads as a user of its own
        return Simulation(module, scratch).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> None:
    """Run the module."""
    source = {
        name: {"type": "str", "required": True, "no_log": False} for name in ("name", "text", "key", "url", "variable")
    }
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "sources": {"type": "list", "elements": "dict", "default": [], "options": source},
            "timeout": {"type": "int", "default": 300},
            "proxy": proxy.ARGUMENT,
        },
        supports_check_mode=True,
    )
    proxy.adopt(module)
    try:
        install = run(module)
    except Failed as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, install=install)


if __name__ == "__main__":
    main()
