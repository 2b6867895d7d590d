#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Brings the gateway of a host to what it should be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway
short_description: Set up the gateway of a host, change it without a dark moment, or remove it
version_added: 0.2.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Writes nginx's configuration, its scripts, the keys of clients and the certificate to C(/etc/thor/gateway), all at once, starts the unit
    C(thor-gateway.service), and has it read its files anew when they change.
  - Before anything is exchanged, C(nginx -t) has to accept the new configuration. If the gateway does not begin to serve by its new files,
    the ones before come back.
  - A reload ends no request. Answers that are being streamed go on with the old files.
  - The action plugin makes the files on the controller from the variables of the role C(gateway) and the fact C(thor_services),
    and makes or renews the certificate. It writes nothing there in check mode.
options:
  state:
    description: Whether the host has a gateway. V(absent) leaves packages and logs.
    type: str
    choices: [present, absent]
    default: present
  files:
    description: Files that everybody may read. The action plugin sets them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      mode:
        description: Its mode, in octal digits.
        type: str
        required: true
      content:
        description: Its content.
        type: str
        required: true
  secrets:
    description: Contents of files that only root may read, by their paths. The action plugin sets them.
    type: dict
    default: {}
extends_documentation_fragment:
  - jetson.thor.attributes
  - jetson.thor.attributes.action
attributes:
  diff_mode:
    details: Of files with keys it says only that they change.
notes:
  - Needs root, nginx and its Lua module, which the role C(gateway) installs.
seealso:
  - module: jetson.thor.host_facts
"""

EXAMPLES = r"""
- name: Set up the gateway of this host
  jetson.thor.gateway:

- name: Remove it
  jetson.thor.gateway:
    state: absent
"""

RETURN = r"""
changed_files:
  description: Paths of the files that change.
  type: list
  elements: str
  returned: always
  sample: [/etc/thor/gateway/nginx.conf]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.gateway.deploy import Deployment, Item, Nginx
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed

SECRET_MODE = "0600"


def deployment() -> Deployment:
    """The device's own files; tests replace this function."""
    return Deployment(Nginx())


def present(disk: Deployment, given: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Set up or change the gateway; the module's result. Raises Failed."""
    shown = [Item(**one) for one in given["files"]]
    wanted = [*shown, *(Item(path, content, SECRET_MODE) for path, content in sorted(given["secrets"].items()))]
    changing, surplus = disk.differing(wanted), disk.surplus(wanted)
    diff = [
        {
            "before_header": one.path,
            "after_header": one.path,
            "before": disk.before(one) if one in shown else "(its content is secret)\n",
            "after": one.content if one in shown else "(another content, which is secret)\n",
        }
        for one in changing
    ]
    is_up = disk.is_up()
    diff += [] if is_up else [{"before": "thor-gateway.service: down\n", "after": "thor-gateway.service: up\n"}]
    diff += [{"before_header": path, "after_header": path, "before": f"{path}\n", "after": ""} for path in surplus]
    changed = bool(changing or surplus or not is_up)
    if changed and not check_mode:
        disk.apply(wanted)
    return {"changed": changed, "changed_files": [one.path for one in changing], "diff": diff}


def absent(disk: Deployment, check_mode: bool) -> dict[str, Any]:
    """Remove the gateway; the module's result."""
    changed = disk.is_there()
    if changed and not check_mode:
        disk.remove()
    diff = [{"before": "thor-gateway.service\n", "after": ""}] if changed else []
    return {"changed": changed, "changed_files": [], "diff": diff}


def main() -> None:
    """Run the module."""
    texts = {key: {"type": "str", "required": True} for key in ("path", "mode", "content")}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "files": {"type": "list", "elements": "dict", "default": [], "options": texts},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    disk = deployment()
    try:
        is_wanted = module.params["state"] == "present"
        result = present(disk, module.params, module.check_mode) if is_wanted else absent(disk, module.check_mode)
    except Failed as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"THOR-GATEWAY-FILE: {error.filename}: {error.strerror}. Mend the file system, then run the play again."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
