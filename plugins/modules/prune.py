#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What nothing on a host needs any more: models, builds, environments, images, volumes, caches."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: Remove what no service, rollback or pin needs
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Finds what the collection has put on a host and nothing needs any more - models, waiting revisions, interrupted downloads, images,
    volumes, builds, Python environments, sources and caches - and removes it.
  - Needed is what a unit or a configuration on the host names, what a rollback would bring back (C(/var/lib/thor/before.json)), what the
    services in O(services) use, the newest O(keep) generations, and what O(pins) name.
  - What a person has put on the host stays. A model without our manifest, a file that is not as it was fetched, an image that we have not
    recorded, a tree of an engine without a record, whatever lies behind a symbolic link.
  - Services are not touched, and nothing is removed while a job of the collection runs.
options:
  services:
    description: The services of the inventory, C(thor_services).
    type: list
    elements: dict
    required: true
  keep:
    description: How many of the newest builds and environments of each engine, and images of each repository, stay, those in use included.
    type: int
    default: 0
  pins:
    description: Names or paths that stay, as the module returns them, with C(*) for any text.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - jetson.thor.attributes
notes:
  - Needs root. It runs without a job, so that it works on a full disk; a second run continues an interrupted one.
  - If dockerd does not run, images and volumes are left alone, because a question would start it.
"""

EXAMPLES = r"""
- name: Remove what nothing needs, except for the two newest generations of each engine
  jetson.thor.prune:
    services: "{{ ansible_facts['thor_services'] }}"
    keep: 2
"""

RETURN = r"""
removed:
  description: What was removed, or in check mode would be.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description:
        - V(model), V(revision) (of a model), V(download) (interrupted), V(image), V(volume), V(build), V(environment), V(leftover) (of an
          interrupted installation) or V(cache).
      type: str
    name:
      description: A name for people.
      type: str
    paths:
      description: Paths; of an image or a volume, its name in Docker.
      type: list
      elements: str
    bytes:
      description: The space that this frees. Files and layers that something else shares count nothing.
      type: int
    why:
      description: Why it is not needed.
      type: str
kept:
  description: What nothing needs and stays, with the reason.
  type: list
  elements: dict
  returned: success
  sample: [{"kind": "model", "name": "/models/Qwen/Qwen3-8B", "why": "somebody has changed config.json"}]
bytes:
  description: The space that was freed, or would be.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed
from ansible_collections.jetson.thor.plugins.module_utils.prune import host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "keep": {"type": "int", "default": 0},
            "pins": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        result = host.run(module.params, module.check_mode)
    except Failed as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings"):
        module.warn(warning)
    records.tell(module)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
