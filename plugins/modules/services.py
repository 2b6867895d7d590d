#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The inference services of a host, switched one after the other and back when one does not answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: services
short_description: Switch a host to its inference services
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Brings the C(thor-*.service) units of a host into the desired state, and makes them serve.
  - A unit is in the desired state if its text, mode and owner are right, systemd has read its current text, the running command is that of
    the unit, and no drop-in of somebody else changes it. Wrong modes and owners are corrected without a restart.
  - Units that have this collection's first line and are not in O(services) are stopped and removed first.
  - Then, in order, each service whose unit or configuration differs, or that is in O(renewed), is restarted, and each stopped one is
    started. The units have C(Type=notify), so the module waits until the service has answered a real request.
  - Services that exchange ports or memory, or take over those of a removed one, are switched together; all their units and configurations
    are written before the first of them is stopped.
  - The first service that does not answer gets its previous unit and configuration back and serves as before (or is removed, if there was
    none). So do the services that are switched together with it, and removed units come back. Then the module fails. Services after it are
    not touched.
  - Every other unsuccessful end (a kill, a full disk, a power cut) also restores the previous services. After a power cut, that happens at
    boot, before any service starts.
  - The work runs as a job under its own systemd unit, which outlives a lost connection.
options:
  services:
    description: The services, in the order in which they start. An empty list removes all.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the service; its unit is C(thor-NAME.service).
        type: str
        required: true
      unit:
        description: Text of the unit. Its first line must be the one that the role C(serving) writes.
        type: str
        required: true
      config:
        description: Text of C(/etc/thor/services/NAME.json), which the supervisor reads.
        type: str
        required: true
      parts:
        description:
          - Texts of the further units of a service that starts on demand, by their names. C(thor-NAME.socket) is enabled and listens in
            the engine's place, C(thor-NAME-proxy.service) passes connections on to it, and C(thor-NAME-exclusive.service) is its turn in a
            group.
          - When such a service is switched, its engine is started and has to answer, like any other. A socket that is open stays open.
        type: dict
        default: {}
  restore:
    description: Restores all services from before the last run of this module that changed something, instead of O(services).
    type: bool
    default: false
  renewed:
    description:
      - Names of services whose engine was installed anew since they were started. They are restarted even if unit and configuration are the
        same, since an engine that was repaired keeps its path and the running process keeps the files that it has opened.
    type: list
    elements: str
    default: []
  models:
    description:
      - New revisions of models that wait beside the old ones. Each gets its directory together with the definitions of the services that
        use it, which are restarted. A failure brings the old one back, and so does O(restore). One that neither this option nor O(restore)
        names any more is removed.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory of the model.
        type: str
        required: true
      identity:
        description: The digest of its manifest, as in C(thor_host.models).
        type: str
        required: true
  files:
    description: Support files, written before anything is started. A changed support file alone restarts nothing.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      content:
        description: Text of the file.
        type: str
        required: true
      mode:
        description: Permissions as octal digits.
        type: str
        default: "0644"
  units:
    description: Support units that are enabled and started, such as V(thor.target). Targets come last.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds allowed for the whole switch.
    type: int
    default: 7200
extends_documentation_fragment:
  - jetson.thor.attributes
  - jetson.thor.attributes.action
notes:
  - Secrets do not belong in unit files or configurations; both are shown in diff mode.
seealso:
  - module: jetson.thor.verify
"""

EXAMPLES = r"""
- name: Serve what thor_services lists
  jetson.thor.services:
    files: "{{ wanted.files }}"
    units: "{{ wanted.units }}"
    services: "{{ wanted.services }}"
  vars:
    wanted: "{{ ansible_facts['thor_services'] | jetson.thor.service_definitions(ansible_facts['thor_host']) }}"

- name: Undo the last switch
  jetson.thor.services:
    restore: true
    units:
      - thor.target

- name: Remove all services
  jetson.thor.services:
    services: []
"""

RETURN = r"""
switched:
  description: Services that got a new unit, configuration or engine and were restarted.
  type: list
  elements: str
  returned: always
started:
  description: Services that were in the desired state but did not run.
  type: list
  elements: str
  returned: always
removed:
  description: Services that are no longer wanted.
  type: list
  elements: str
  returned: always
files:
  description: Support files that were written.
  type: list
  elements: str
  returned: always
units:
  description: Support units that were enabled or started.
  type: list
  elements: str
  returned: always
models:
  description: Directories of models that got another revision.
  type: list
  elements: str
  returned: always
pruned:
  description: Directories of models whose unused revisions were removed.
  type: list
  elements: str
  returned: always
drift:
  description:
    - Drop-ins of somebody else that change what a service is, each as a sentence with V(THOR-UNIT-DRIFT) and the way out.
    - If there is one, nothing is changed. In check mode they are warnings.
  type: list
  elements: str
  returned: always
code:
  description: V(THOR-SERVICE-START), or V(THOR-UNIT-DRIFT).
  type: str
  returned: when a service did not answer, or somebody else has changed a unit
cause:
  description: Code of the reason, if the supervisor knew it, see C(docs/errors.md).
  type: str
  returned: when a service did not answer
  sample: THOR-GPU-UNUSED
reason:
  description: The reason as a sentence.
  type: str
  returned: when a service did not answer
unit:
  description: The unit that did not start.
  type: str
  returned: when a service did not answer
restored:
  description: Services that serve again as before.
  type: list
  elements: str
  returned: when a service did not answer
serving:
  description: Units of the collection that serve now.
  type: list
  elements: str
  returned: when a service did not answer
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import jobs, records
from ansible_collections.jetson.thor.plugins.module_utils.services import (
    compare,
    definitions,
    drop_ins,
    previous,
    switch,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.observation import diffs, observe
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import Systemctl

JOB = "switch"


def _previous(module: AnsibleModule) -> dict[str, Any]:
    """The parameters of the services that served before the last switch, and of their models. Fails where none did."""
    try:
        return {
            "services": previous.services(definitions.Disk()),
            "models": [asdict(tree) for tree in previous.trees(definitions.Disk())],
        }
    except jobs.JobFailed as error:
        records.tell(module)
        module.fail_json(msg=str(error))
        raise  # fail_json ends the module


def main() -> None:
    """Run the module."""
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "services": {
                "type": "list",
                "elements": "dict",
                "options": {"name": text, "unit": text, "config": text, "parts": {"type": "dict", "default": {}}},
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": text, "content": text, "mode": {"type": "str", "default": "0644"}},
            },
            "renewed": {"type": "list", "elements": "str", "default": []},
            "models": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": text, "identity": text},
            },
            "restore": {"type": "bool", "default": False},
            "units": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 7200},
        },
        required_if=[("restore", False, ["services"])],
        supports_check_mode=True,
    )
    params = {**module.params, **(_previous(module) if module.params["restore"] else {})}
    on_disk, manager = definitions.Disk(), Systemctl()
    wanted = compare.Wanted.from_spec(params)
    for service in wanted.services:
        if not service.unit.startswith(definitions.MARKER):
            module.fail_json(msg=f"{service.unit_name}: the unit's first line must begin with {definitions.MARKER!r}")
    try:
        difference = compare.compare(wanted, observe(on_disk, manager, wanted))
    except jobs.JobFailed as error:
        module.fail_json(msg=str(error))
    if difference.drift and not module.check_mode:
        module.fail_json(msg="\n".join(difference.drift), code=drop_ins.CODE, **difference.result())
    for line in difference.drift:
        module.warn(line)
    if not (module.check_mode or difference or jobs.is_running(JOB)):
        switch.tidy(wanted, on_disk)
    if module.check_mode or not difference:
        records.tell(module)
        module.exit_json(changed=bool(difference), diff=diffs(wanted, difference, on_disk), **difference.result())
    jobs.start(
        module,
        name=JOB,
        target="services.switch",
        spec={**wanted.spec(), "restore": params["restore"]},
        timeout=module.params["timeout"],
        after="services.switch.recover()",
    )


if __name__ == "__main__":
    main()
