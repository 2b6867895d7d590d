#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A file of a plain URL on disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: url_model
short_description: Fetch a model file, or a file that belongs to a model, from a plain URL
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes one file present that no model hub has, such as a chat template or a model in its own format.
  - The file appears under its final name in one rename, after its checksum has been compared. A download that was killed, or cut off by the
    server, resumes at the byte where it stopped if the server supports ranges.
  - A URL without a checksum is trusted on first use. The SHA-256 of the download is kept in the directory's manifest
    (C(.thor-manifest.json)) and returned; from then on the server is not asked again.
  - A different file of that name that somebody else put there is kept under its name with C(.thor-old) appended.
options:
  url:
    description: Address of the file.
    type: str
    required: true
  checksum:
    description: Expected checksum, as V(sha256:HEX) or V(sha1:HEX).
    type: str
  max_bytes:
    description:
      - Maximum size of the file in bytes. A server that announces or sends more is refused (THOR-HUB-ANSWER).
      - Defaults to the size that the server announces, and to 2 GiB if it announces none.
    type: int
  file:
    description: The file's name in O(path).
    type: str
    required: true
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.model_files
  - jetson.thor.attributes
  - jetson.thor.attributes.action
notes:
  - Check mode opens the URL for its size, and reads no file's content, neither here nor there.
seealso:
  - module: jetson.thor.hub_model
"""

EXAMPLES = r"""
- name: Fetch a model for whisper.cpp
  jetson.thor.url_model:
    url: https://mirror.example/ggml-large-v3-turbo.bin
    checksum: sha1:4af2b29d7ec73d781377bfd1758ca957a807e941
    path: /models/whisper.cpp/models
    file: ggml-large-v3-turbo.bin
"""

RETURN = r"""
path:
  description: The directory.
  type: str
  returned: success
file:
  description: Name of the file in that directory.
  type: str
  returned: success
bytes:
  description: Size of the file; null in check mode if the server does not announce it.
  type: int
  returned: success
fetched_bytes:
  description: Bytes that this run transferred, or would transfer in check mode.
  type: int
  returned: success
sha256:
  description: SHA-256 of the file; null in check mode if nothing names it.
  type: str
  returned: success
problems:
  description: What is wrong, each problem with a code, the culprit, the reason and the way out.
  type: list
  elements: dict
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch, parameters


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "checksum": {"type": "str"},
            "file": {"type": "str", "required": True},
            "max_bytes": {"type": "int"},
            **parameters.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    fetch.run_module(module, parameters.url_spec)


if __name__ == "__main__":
    main()
