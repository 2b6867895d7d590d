#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Everything of the collection off a host, and nothing else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remove_host
short_description: Remove everything of the collection from a host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Stops and removes the units, containers, images, volumes, files, folders and the account that the collection has made on a host.
  - Puts back the settings and files that it has changed, as far as their earlier state is recorded (C(/var/lib/thor/installed.json)).
  - What is not ours stays, and so does what nobody knows the earlier state of. Both are returned with the reason.
  - No symbolic link is followed, and nothing is removed that is mounted in a folder of ours.
  - A removal that was interrupted goes on with the next run, on a host that is half gone, too.
options:
  models:
    description: Whether to remove the models that were fetched. Those that a person has put on the host stay in any case.
    type: bool
    default: false
  packages:
    description: Whether to remove the Debian packages that the collection has installed, unless something else needs them.
    type: bool
    default: false
extends_documentation_fragment:
  - jetson.thor.attributes
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Remove everything but models and packages
  jetson.thor.remove_host:
"""

RETURN = r"""
removed:
  description: What was removed or put back, or in check mode would be.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: Such as V(unit), V(container), V(image), V(volume), V(model), V(file), V(folder), V(setting), V(package) or V(account).
      type: str
    name:
      description: A name for people.
      type: str
    paths:
      description: Paths, or the names in Docker.
      type: list
      elements: str
    bytes:
      description: The space that this frees.
      type: int
    why:
      description: Why it goes.
      type: str
kept:
  description: What stays, with the reason.
  type: list
  elements: dict
  returned: success
  sample: [{"kind": "file", "name": "/etc/docker/daemon.json", "why": "somebody has changed it since, so it is left as it is"}]
bytes:
  description: The space that was freed, or would be.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed
from ansible_collections.jetson.thor.plugins.module_utils.removal import host


def main() -> None:
    """Run the module."""
    switch = {"type": "bool", "default": False}
    module = AnsibleModule(argument_spec={"models": switch, "packages": switch}, supports_check_mode=True)
    try:
        result = host.run(module.params, module.check_mode)
    except Failed as error:
        module.fail_json(msg=str(error))
    records.tell(module)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
