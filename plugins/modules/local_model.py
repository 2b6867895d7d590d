#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A model that a person has put on the device."""

from __future__ import annotations

DOCUMENTATION = r"""
module: local_model
short_description: Know a model that is already on the device
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Checks a folder or a file that somebody has put on the device, and hashes it once. It is never changed, moved, removed or given to
    another owner.
  - What was found is recorded in C(/var/lib/thor/local_models). While every file has the recorded size and time, the next run costs one
    C(stat) per file.
  - Refuses a folder that lacks a file which its index names, a split GGUF that lacks a part, a Git LFS pointer in place of a file, a link
    that leads out of the folder, and files that the account of a service cannot read.
  - Hashing runs under a transient systemd unit that outlives the connection, and shows its progress.
options:
  path:
    description: Absolute path of the folder.
    type: path
    required: true
  file:
    description:
      - The one file in O(path) that an engine is started with. Of a GGUF that was split, the first part; the others belong to it.
      - Without it, every file in the folder that is not hidden belongs to the model.
    type: str
  projector:
    description: The file in O(path) with which the engine reads images.
    type: str
  verify_checksums:
    description: Whether to read all files and compare them with the record, even if size and time are as recorded.
    type: bool
    default: false
  timeout:
    description: Seconds allowed for the whole job.
    type: int
    default: 172800
extends_documentation_fragment:
  - jetson.thor.attributes
  - jetson.thor.attributes.action
attributes:
  check_mode:
    support: partial
    details: Check mode reads no content, so it cannot predict what only a hash tells.
requirements:
  - systemd and root, for the transient unit
seealso:
  - module: jetson.thor.url_model
"""

EXAMPLES = r"""
- name: Know a folder of safetensors
  jetson.thor.local_model:
    path: /data/models/my-finetune

- name: Know one GGUF file and its projector
  jetson.thor.local_model:
    path: /models/own
    file: vision-Q4_K_M.gguf
    projector: mmproj-F16.gguf
"""

RETURN = r"""
path:
  description: The folder.
  type: str
  returned: success
bytes:
  description: Size of all files of the model.
  type: int
  returned: success
hashed_bytes:
  description: Bytes that this run read to hash them, or would read in check mode.
  type: int
  returned: success
files:
  description: The files.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Name relative to the folder.
      type: str
    size:
      description: Size in bytes.
      type: int
    sha256:
      description: SHA-256; null in check mode.
      type: str
problems:
  description: What is wrong, each problem with a code, the culprit, the reason and the way out.
  type: list
  elements: dict
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.models import local


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "file": {"type": "str"},
            "projector": {"type": "str"},
            "verify_checksums": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 172800},
        },
        supports_check_mode=True,
    )
    local.run_module(module)


if __name__ == "__main__":
    main()
