#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What a host is like before a role changes it, so that remove.yml can put it back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: install_record
short_description: Record what a host is like before a role changes it
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Adds to C(/var/lib/thor/installed.json) what C(playbooks/remove.yml) needs in order to put a host back as it was. Roles call this right
    before a change. The modules M(jetson.thor.apt_source), M(jetson.thor.docker_daemon) and M(jetson.thor.power_mode) record by themselves.
  - What is recorded already stays as it is, because the first state is the one before us.
  - The record is a note of the collection's own and nothing on the host depends on it, so writing it is not reported as a change, as with
    those modules.
options:
  packages:
    description: Debian packages that are about to be installed, with or without C(=VERSION). Those that are there already are not recorded.
    type: list
    elements: str
    default: []
  units:
    description: Units that are about to be enabled or disabled.
    type: list
    elements: str
    default: []
  default_target:
    description: Whether the target that the host boots into is about to be changed.
    type: bool
    default: false
  sysctl:
    description: Settings of the kernel that are about to be changed, such as V(vm.swappiness).
    type: list
    elements: str
    default: []
attributes:
  diff_mode:
    support: none
    details: A note of the collection's own is no change of the host.
extends_documentation_fragment:
  - jetson.thor.attributes
"""

EXAMPLES = r"""
- name: Record what is installed, for remove.yml
  jetson.thor.install_record:
    packages: [nginx, libnginx-mod-http-lua]
"""

RETURN = r"""
packages:
  description: Packages that the collection has installed on this host, or is about to.
  type: list
  elements: str
  returned: success
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import files, install_record, records, systemd

DEFAULT_TARGET = Path("/etc/systemd/system/default.target")
SETTINGS = Path("/proc/sys")


def after(params: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """The record with the present state of what is about to be changed. Reads only."""
    if params["packages"]:
        record = install_record.with_packages(record, params["packages"], install_record.installed())
    states = systemd.observe(params["units"], "UnitFileState")
    known = {unit: one["UnitFileState"] for unit, one in states.items() if one.get("UnitFileState")}
    record = install_record.with_first(record, "units", known)
    if params["default_target"] and "default_target" not in record:
        # Without a link systemd's own applies, which is the link in /usr.
        record = {**record, "default_target": os.readlink(DEFAULT_TARGET) if DEFAULT_TARGET.is_symlink() else ""}
    values = {name: files.text(SETTINGS / name.replace(".", "/")) for name in params["sysctl"]}
    return install_record.with_first(record, "sysctl", {name: one for name, one in values.items() if one is not None})


def main() -> None:
    """Run the module."""
    names: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "packages": names,
            "units": names,
            "default_target": {"type": "bool", "default": False},
            "sysctl": names,
        },
        supports_check_mode=True,
    )
    before = install_record.read()
    record = after(module.params, before)
    try:
        if record != before and not module.check_mode:
            install_record.save(record)
    except OSError as error:
        # Without the record remove.yml lists what it finds, and removes less.
        module.warn(
            f"{install_record.RECORD} cannot be written: {error}. remove.yml will not know the state before this run."
        )
    records.tell(module)
    module.exit_json(changed=False, packages=record["packages"])


if __name__ == "__main__":
    main()
