#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The client of a hub of models, in a virtual environment of its own."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hub_client
short_description: Install the client of a hub of models in a virtual environment of its own
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes the virtual environment with the host's Python, and has its pip install the pinned packages.
  - Packages that are there in these versions are left alone, without asking an index.
  - Addresses of indexes and proxies, which may hold passwords, are on no command line and in no message.
options:
  path:
    description: The virtual environment.
    type: path
    required: true
  packages:
    description: The packages, each C(NAME==VERSION).
    type: list
    elements: str
    required: true
  pip_arguments:
    description: Further arguments for pip, as on its command line.
    type: str
    default: ""
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.attributes
requirements:
  - the Debian package python3-venv
seealso:
  - module: jetson.thor.hub_model
"""

EXAMPLES = r"""
- name: Install the client of Hugging Face
  jetson.thor.hub_client:
    path: /opt/thor/venv/huggingface
    packages: [huggingface-hub==2.4.0, httpx2==2.16.2]
"""

RETURN = r"""
path:
  description: The virtual environment.
  type: str
  returned: success
missing:
  description: Packages that were not there in their versions before.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import proxy
from ansible_collections.jetson.thor.plugins.module_utils.environments import hub_client


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "packages": {"type": "list", "elements": "str", "required": True},
            "pip_arguments": {"type": "str", "default": "", "no_log": True},
            "proxy": proxy.ARGUMENT,
        },
        supports_check_mode=True,
    )
    proxy.adopt(module)
    home, packages = Path(module.params["path"]), module.params["packages"]
    missing = hub_client.missing(home, packages)
    there = hub_client.installed(home)
    if missing and not module.check_mode:
        try:
            hub_client.install(home, packages, module.params["pip_arguments"])
        except hub_client.ClientError as error:
            module.fail_json(
                msg=f"THOR-CLIENT-INSTALL: {home}: {error}. Check network and proxy of the host; thor_pip_extra_args names another index."
            )
    before = "".join(f"{name}=={version}\n" for name, version in sorted(there.items())) if missing else ""
    after = "".join(f"{package}\n" for package in sorted(packages)) if missing else ""
    headers = {"before_header": str(home), "after_header": str(home)}
    module.exit_json(
        changed=bool(missing), path=str(home), missing=missing, diff={"before": before, "after": after, **headers}
    )


if __name__ == "__main__":
    main()
