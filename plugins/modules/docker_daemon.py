#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Configure dockerd and keep a person's own keys."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon
short_description: Merge keys into daemon.json and make the running Docker Engine apply them
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Merges O(options) into C(/etc/docker/daemon.json). Mappings are merged, lists combined, other values replaced; everything else in the
    file stays. A file that is not valid JSON is an error that names the line, and is never overwritten.
  - C(dockerd --validate) checks the new file, which then replaces the old one in one rename.
  - What happens next depends on the keys that changed, and on those that the running dockerd visibly lacks. Keys that dockerd can apply
    while it runs cause a reload, others a restart; if it has everything, nothing happens. A stopped dockerd is started.
  - A restart ends running containers. It is refused before anything is written, unless O(allow_restart).
  - If dockerd does not start with the new configuration, or does not apply it, the old one is restored and the module fails.
  - A run that was interrupted between writing and restarting is finished by the next one.
options:
  options:
    description: Keys of daemon.json.
    type: dict
    required: true
  environment:
    description:
      - Environment variables of dockerd, set in C(/etc/systemd/system/docker.service.d/jetson-thor.conf). An empty mapping removes that
        file. If omitted, those that are set there stay.
      - The same file names C(/etc/thor/proxy/docker.env), mode 0600, which holds O(proxy) for dockerd.
    type: dict
  allow_restart:
    description: Whether a restart may interrupt running containers.
    type: bool
    default: false
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.attributes
notes:
  - Passwords in URLs (proxies) are masked in diff mode and in messages.
requirements:
  - systemd and root
"""

EXAMPLES = r"""
- name: Register NVIDIA's runtime
  jetson.thor.docker_daemon:
    options:
      runtimes:
        nvidia:
          path: nvidia-container-runtime
          args: []
"""

RETURN = r"""
action:
  description: What was done to dockerd, V(none), V(reload), V(restart) or V(start).
  type: str
  returned: success
keys:
  description: Keys that were changed in the file, or that the running dockerd lacked.
  type: list
  elements: str
  returned: success
interrupted:
  description: Containers that the restart interrupted, each with its unit if it is one of this collection's.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, proxy
from ansible_collections.jetson.thor.plugins.module_utils.docker_daemon import Daemon
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed


def run(module: AnsibleModule) -> dict[str, Any]:
    """Configure dockerd; the module's result. Raises Failed."""
    daemon = Daemon(module)
    change = daemon.change()
    result: dict[str, Any] = {
        "changed": daemon.writes(change) or change.action != "none",
        "action": change.action,
        "keys": change.keys,
        "interrupted": daemon.containers() if change.action == "restart" else [],
        "diff": daemon.diff(change),
    }
    if result["interrupted"] and not module.params["allow_restart"]:
        raise daemon.refuse_interruption(change, result["interrupted"])
    daemon.validate(change)
    if result["changed"] and not module.check_mode:
        daemon.apply(change)
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "options": {"type": "dict", "required": True},
            "environment": {"type": "dict"},
            "proxy": proxy.ARGUMENT,
            "allow_restart": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.no_log_values.update(daemon_json.passwords(module.params["options"]))
    try:
        result = run(module)
    except Failed as error:
        module.fail_json(msg=str(error))
    if result["interrupted"]:
        verb = "would interrupt" if module.check_mode else "has interrupted"
        module.warn(f"The restart of dockerd {verb} {', '.join(result['interrupted'])}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
