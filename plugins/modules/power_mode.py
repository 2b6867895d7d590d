#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Sets the power mode of a Jetson by its name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: power_mode
short_description: Set the power mode of a Jetson by name
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Looks up the mode's number on the device (C(nvpmodel -p --verbose)), because it differs between devices, sets it, and checks which mode
    the device is in.
  - Some modes need a reboot. C(nvpmodel) would ask the user; without one it changes nothing, and the module returns C(reboot_required) and
    a warning instead of failing.
options:
  name:
    description: Name of the mode, such as V(MAXN) or V(120W). Upper and lower case are equal.
    type: str
    required: true
  timeout:
    description: Seconds after which C(nvpmodel) is stopped.
    type: int
    default: 60
extends_documentation_fragment:
  - jetson.thor.attributes
notes:
  - Needs root.
  - C(nvpmodel) itself keeps the mode across reboots.
  - Setting a mode undoes C(jetson_clocks).
"""

EXAMPLES = r"""
- name: Set the mode without limits
  jetson.thor.power_mode:
    name: MAXN
"""

RETURN = r"""
mode:
  description: The current mode of the device, with its number.
  type: dict
  returned: success
  sample: {"name": "MAXN", "id": 0}
reboot_command:
  description: The command that sets the mode by rebooting the device.
  type: str
  returned: success
  sample: /usr/sbin/nvpmodel --force -m 2
reboot_required:
  description: Whether the mode was not set because that needs a reboot.
  type: bool
  returned: success
"""

import socket
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import install_record
from ansible_collections.jetson.thor.plugins.module_utils.observe import power


class Failed(Exception):
    """A message with a code for the person."""


def run(wanted: str, timeout: int, check_mode: bool) -> tuple[dict[str, Any], str | None]:
    """Set the mode; returns the module's result and a warning. Raises Failed."""
    host = socket.gethostname()
    program = power.find("nvpmodel")
    if program is None:
        raise Failed(f"THOR-POWER-FAILED: {host}: there is no nvpmodel on this device. Set power_set_mode: false.")
    modes = power.read_modes(program)
    name = power.find_mode(wanted, modes)
    if name is None:
        raise Failed(f"{host}: {power.mode_problem(wanted, modes).text()}")
    before = power.read_current(program)
    was = before["name"] if before else "no mode"
    result: dict[str, Any] = {
        "changed": was != name,
        "mode": before,
        "reboot_command": f"{program} --force -m {modes[name]}",
        "reboot_required": False,
        "diff": {"before": f"{was}\n", "after": f"{name}\n"},
    }
    if check_mode or not result["changed"]:
        return result, None
    if before:
        install_record.note_power_mode(before["name"])
    status, output = power.ask(program, "-m", str(modes[name]), seconds=timeout)
    after = power.read_current(program)
    result["mode"] = after
    if after is not None and after["name"] == name:
        return result, None
    if power.needs_reboot(output):
        result |= {"changed": False, "reboot_required": True, "diff": {"before": "", "after": ""}}
        return result, (
            f"{host}: the power mode {name} needs a reboot of the device and was not set; it stays {was}. "
            f"Set power_reboot: true, or run {result['reboot_command']} there when it may reboot."
        )
    ended = "did not end" if status is None else f"ended with {status}"
    raise Failed(
        f"THOR-POWER-FAILED: {host}: power_mode = {name!r}: nvpmodel -m {modes[name]} {ended} and the mode is not set: "
        f"{' '.join(output.split()) or 'it said nothing'}. Run it on the device, or set power_set_mode: false."
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "str", "required": True}, "timeout": {"type": "int", "default": 60}},
        supports_check_mode=True,
    )
    try:
        result, warning = run(module.params["name"], module.params["timeout"], module.check_mode)
    except Failed as error:
        module.fail_json(msg=str(error))
    if warning:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
