#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A bundle for support, without secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: support_bundle
short_description: Collect what helps somebody else to examine a host, without secrets
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes one archive of a host's units, drop-ins, configurations, journals, facts and versions, of what the kernel said about the GPU, and
    of C(nvidia-smi) and C(tegrastats) where they are.
  - Files below C(/etc/thor/secrets), keys of the gateway and of a proxy, and files below C(/etc/thor) that only root may read are listed
    by name, mode and size. Everything else is redacted like the journals of M(jetson.thor.service_logs).
  - The archive is made in memory, so nothing of it is on the host at any time. It has at most 8 MiB; what was left out is in its
    C(LEFT_OUT.txt).
options:
  dest:
    description: Folder on the controller for the archive, C(HOST-TIME.tar.gz), which only you may read. Check mode writes it, too, as it is
      what was asked for.
    type: path
    required: true
  facts_root:
    description: Folder whose files stand in for the device's own, as in M(jetson.thor.host_facts).
    type: str
    default: ""
  lines:
    description: So many entries of each journal, at most.
    type: int
    default: 3000
  name:
    description: Name of the folder within the archive. The action sets it.
    type: str
    default: host
  digests:
    description: SHA-256 of secrets. The action sets it.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.action
seealso:
  - module: jetson.thor.service_logs
"""

EXAMPLES = r"""
- name: Collect a bundle
  jetson.thor.support_bundle:
    dest: support
"""

RETURN = r"""
file:
  description: The archive on the controller.
  type: str
  returned: success
  sample: support/thor01-20261126T120000Z.tar.gz
texts:
  description: How many texts it holds.
  type: int
  returned: success
left_out:
  description: What was left out, and why.
  type: list
  elements: str
  returned: success
"""

import base64
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import known_secrets, redaction
from ansible_collections.jetson.thor.plugins.module_utils.observe import status
from ansible_collections.jetson.thor.plugins.module_utils.observe.host import observe
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk
from ansible_collections.jetson.thor.plugins.module_utils.support import contents
from ansible_collections.jetson.thor.plugins.module_utils.support.bundle import Bundle


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "facts_root": {"type": "str", "default": ""},
            "lines": {"type": "int", "default": 3000},
            "name": {"type": "str", "default": "host"},
            "digests": {"type": "list", "elements": "str", "default": [], "no_log": True},
        },
        supports_check_mode=True,
    )
    asked = module.params
    root = Path(asked["facts_root"]) if asked["facts_root"] else None
    host = observe(asked["facts_root"])
    facts = {"facts": host, "status": status.observe(root, host)}
    bundle = Bundle(asked["name"], known_secrets.on_host(asked["digests"]), int(time.time()))
    contents.fill(bundle, facts, Disk(), max(1, min(asked["lines"], 100000)))
    archive = base64.b64encode(bundle.packed()).decode()
    told = [redaction.redact(one, bundle.secrets) for one in bundle.left_out]
    module.exit_json(changed=False, archive=archive, texts=len(bundle.texts), left_out=told)


if __name__ == "__main__":
    main()
