#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The journals of services, without secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_logs
short_description: Read the journals of services, without secrets
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Returns the last entries of the journals of services, the oldest first.
  - The secrets of the host's services, the keys of the gateway's clients and the secrets of the inventory are taken out, and whatever looks
    like a token, a password or a private key. What the inventory knows is sent to the host as digests.
options:
  services:
    description: Names of services; C(gateway) and C(metrics) are names, too. Without any, all that the host has.
    type: list
    elements: str
    default: []
  since:
    description: Only entries from then on, in the form that C(journalctl --since) takes, such as V(2 hours ago). Empty for any.
    type: str
    default: ""
  lines:
    description: So many entries, at most.
    type: int
    default: 200
  digests:
    description: SHA-256 of secrets. The action sets it.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.action
seealso:
  - module: jetson.thor.support_bundle
"""

EXAMPLES = r"""
- name: Read what the service chat has said in the last hour
  jetson.thor.service_logs:
    services: [chat]
    since: 1 hour ago
  register: journal
"""

RETURN = r"""
lines:
  description: Time, program and text of each entry.
  type: list
  elements: str
  returned: success
  sample: ["2026-11-26T12:00:00Z thor-chat: serving qwen3 on 127.0.0.1:8000, first answer after 41 s"]
"""

import socket

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import known_secrets
from ansible_collections.jetson.thor.plugins.module_utils.services import journal
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk

MOST = 100000


def main() -> None:
    """Run the module."""
    texts = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "services": texts,
            "since": {"type": "str", "default": ""},
            "lines": {"type": "int", "default": 200},
            # An attacker could try a weak secret against its digest.
            "digests": {**texts, "no_log": True},
        },
        supports_check_mode=True,
    )
    asked, here = module.params, socket.gethostname()
    there = journal.names(Disk())
    if missing := [name for name in asked["services"] if name not in there]:
        known = f"Those of this host: {', '.join(there)}." if there else "This host has none: run site.yml first."
        module.fail_json(
            msg=f"THOR-LOGS-SERVICE: {here}: thor_service = {', '.join(missing)}: there is no such service. {known}"
        )
    if not 1 <= asked["lines"] <= MOST:
        module.fail_json(
            msg=f"THOR-LOGS-INVALID: {here}: thor_logs_lines = {asked['lines']}: write a number from 1 to {MOST}."
        )
    units = [unit for name in asked["services"] or there for unit in journal.units(name)]
    try:
        found = (
            journal.read(units, asked["since"], asked["lines"], known_secrets.on_host(asked["digests"]))
            if units
            else []
        )
    except journal.Refused as error:
        module.fail_json(
            msg=f"THOR-LOGS-INVALID: {here}: thor_logs_since = {asked['since']!r}: journalctl refuses: {error}. "
            "Write a time such as '2 hours ago', 'yesterday' or '2026-11-26 12:00'."
        )
    module.exit_json(changed=False, lines=[one.line() for one in found])


if __name__ == "__main__":
    main()
