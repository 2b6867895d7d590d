#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""How far a long job on the host is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_status
short_description: Show the progress of a long job on the host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Builds, downloads and switches run on the host under a transient systemd unit that outlives the connection.
  - This module returns the progress of such a unit. The action plugins of the modules that start one call it; users may do so too.
options:
  name:
    description: Name of the job, the C(NAME) in C(thor-job-NAME.service).
    type: str
    required: true
  wait:
    description: Seconds to wait for the end of the job before returning its progress.
    type: float
    default: 0
  digest:
    description:
      - Identifies the arguments of the job, as returned by the module that started it.
      - If another play has since started a job of that name with other arguments, its result is not returned.
    type: str
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.action
"""

EXAMPLES = r"""
- name: Show the progress of the build
  jetson.thor.job_status:
    name: build-llama.cpp-0c1e570
  register: build
"""

RETURN = r"""
state:
  description:
    - V(running), V(ended), or V(lost) for a job that ended without a result.
    - V(replaced) if the job of that name has other arguments than those of O(digest).
  type: str
  returned: always
progress:
  description: The last progress that the job reported.
  type: dict
  returned: while the job runs
  sample: {"done": 12, "total": 194, "unit": "steps", "text": "compile"}
result:
  description: The result of the module that started the job.
  type: dict
  returned: when the job has ended
log:
  description: Last lines of the job's log.
  type: list
  elements: str
  returned: when the job was lost
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import jobs, records


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "wait": {"type": "float", "default": 0},
            "digest": {"type": "str"},
        },
        supports_check_mode=True,
    )
    found = jobs.status(module.params["name"], module.params["wait"], module.params["digest"])
    records.tell(module)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
