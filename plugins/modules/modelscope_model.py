#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A model of a ModelScope hub on disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: modelscope_model
short_description: Fetch a model from a ModelScope hub, complete and verified
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes the files of one model present in a directory. They appear under their final name in one rename, after the size and SHA-256 of
    each have been checked; until then none of them is there.
  - A killed download resumes at the byte where it stopped.
  - A manifest in the directory (C(.thor-manifest.json)) reduces the next run to one C(stat) per file. While the manifest is valid, the hub
    is not asked, so a branch that moves on the hub changes nothing here.
  - Several sets of files of one model and revision may share a directory. Files that somebody else put there stay. A correct file is not
    fetched again, no matter who put it there.
  - The transfer runs under a transient systemd unit that outlives the connection, and shows its progress.
options:
  id:
    description: The model's id on the hub, as V(owner/name).
    type: str
    required: true
  revision:
    description: Branch or tag.
    type: str
    default: master
  include:
    description:
      - Patterns of the files to fetch. C(*) also matches across folders.
      - A name without a wildcard that the hub does not have is an error.
    type: list
    elements: str
    default: ["*"]
  endpoint:
    description: Address of the hub, or of a mirror of it.
    type: str
    default: https://modelscope.cn
  token:
    description: Token for models that are not public. It is sent to the hub only.
    type: str
  sha256:
    description: Expected SHA-256 by file name, as recorded in a lock file.
    type: dict
    default: {}
  client:
    description: Virtual environment with the Python package C(modelscope-hub). Needed only for downloads.
    type: path
    default: /opt/thor/venv/modelscope
extends_documentation_fragment:
  - jetson.thor.model_files
  - jetson.thor.attributes
  - jetson.thor.attributes.action
notes:
  - Check mode requests the hub's listing and needs nothing installed on the host.
  - Check mode does not read the content of files, with O(verify_checksums) or without, so it cannot predict what only a hash tells.
seealso:
  - module: jetson.thor.url_model
"""

EXAMPLES = r"""
- name: Fetch one quantization of a model
  jetson.thor.modelscope_model:
    id: Qwen/Qwen3-8B-GGUF
    include: [Qwen3-8B-Q5_K_M.gguf]
    path: /models/Qwen/Qwen3-8B-GGUF

- name: Fetch a private model from a mirror
  jetson.thor.modelscope_model:
    id: acme/assistant
    revision: v1.2
    path: /models/acme/assistant
    endpoint: http://mirror.example:8080
    token: "{{ vault_hub_token }}"

- name: Verify every byte again
  jetson.thor.modelscope_model:
    id: Qwen/Qwen3-8B-GGUF
    include: [Qwen3-8B-Q5_K_M.gguf]
    path: /models/Qwen/Qwen3-8B-GGUF
    verify_checksums: true
"""

RETURN = r"""
path:
  description: The directory.
  type: str
  returned: success
revision:
  description: The revision that is present.
  type: str
  returned: success
bytes:
  description: Size of all files of the model in the directory.
  type: int
  returned: success
fetched_bytes:
  description: Bytes that this run transferred, or would transfer in check mode.
  type: int
  returned: success
files:
  description: The files.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Name relative to the directory.
      type: str
    size:
      description: Size in bytes.
      type: int
    sha256:
      description: SHA-256; null in check mode if the hub does not name it.
      type: str
    trusted:
      description: Source of the SHA-256, V(lock), V(hub) or V(first use).
      type: str
problems:
  description: What is wrong, each problem with a code, the culprit, the reason and the way out.
  type: list
  elements: dict
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch, parameters
from ansible_collections.jetson.thor.plugins.module_utils.models.client import CLIENT
from ansible_collections.jetson.thor.plugins.module_utils.models.hub import ENDPOINT


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "revision": {"type": "str", "default": "master"},
            "include": {"type": "list", "elements": "str", "default": ["*"]},
            "endpoint": {"type": "str", "default": ENDPOINT},
            "token": {"type": "str", "no_log": True},
            "sha256": {"type": "dict", "default": {}},
            "client": {"type": "path", "default": CLIENT},
            **parameters.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    fetch.run_module(module, parameters.model_spec)


if __name__ == "__main__":
    main()
