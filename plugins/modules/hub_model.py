#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A model of a hub on disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hub_model
short_description: Fetch a model from Hugging Face or ModelScope, complete and verified
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes the files of one model present in a directory. They appear under their final name in one rename, after the size and hash of
    each have been checked; until then none of them is there.
  - A model may have several sources. They are asked in order, and the first one that can deliver it is taken. What the others said is in
    the job's log; if all fail, the error names what each has said. Files with the same SHA-256 are the same, so one hub continues what
    another has begun.
  - The commit of a branch of Hugging Face is fixed when its files are listed. A branch that moves during the fetch changes nothing.
  - A killed download resumes at the byte where it stopped.
  - A manifest in the directory (C(.thor-manifest.json)) reduces the next run to one C(stat) per file. While the manifest is valid, no hub
    is asked, so a branch that moves on the hub changes nothing here.
  - Several sets of files of one model and revision may share a directory. Files that somebody else put there stay. A correct file is not
    fetched again, no matter who put it there. What another revision or another model in the store has is linked, not fetched.
  - The transfer runs under a transient systemd unit that outlives the connection, and shows its progress.
  - Rate limits of a hub are waited for up to 330 seconds; the log says so.
options:
  sources:
    description: Where the model is, in the order in which to try.
    type: list
    elements: dict
    required: true
    suboptions:
      hub:
        description: The hub.
        type: str
        choices: [huggingface, modelscope]
        required: true
      id:
        description: The model's id on this hub, as V(owner/name).
        type: str
        required: true
      revision:
        description: Branch, tag or, on Hugging Face, commit. Defaults to V(main) on Hugging Face and V(master) on ModelScope.
        type: str
      commit:
        description:
          - The commit that is fetched of the revision, as M(jetson.thor.model_look) found it. Without it, what the revision has now.
          - A commit that the directory has comes first, unless O(update) is set. ModelScope has none.
        type: str
  include:
    description:
      - Patterns of the files to fetch. C(*) also matches across folders.
      - A name without a wildcard that the hub does not have is an error.
    type: list
    elements: str
    default: ["*"]
  exclude:
    description: Patterns of files that are not fetched, even if O(include) matches them.
    type: list
    elements: str
    default: []
  sha256:
    description: Expected SHA-256 by file name, as recorded in a lock file.
    type: dict
    default: {}
  update:
    description:
      - Whether to look a branch or tag up again. Without it, the commit that was fetched first is kept, also where files have to be
        repaired or added.
      - Only a commit that has moved is fetched. A model with O(sha256), or whose revisions are all commits, is not looked up.
    type: bool
    default: false
  beside:
    description:
      - Whether a revision that would replace or remove files in O(path) is left beside it, in C(.thor/beside), complete and with hard links
        for equal files. M(jetson.thor.services) exchanges the two when it switches the services that use the model.
      - Without it, the new revision takes its place at once.
    type: bool
    default: false
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.hubs
  - jetson.thor.model_files
  - jetson.thor.attributes
  - jetson.thor.attributes.action
notes:
  - Check mode requests a hub's listing and needs nothing installed on the host.
  - Check mode does not read the content of files, with O(verify_checksums) or without, so it cannot predict what only a hash tells.
seealso:
  - module: jetson.thor.url_model
"""

EXAMPLES = r"""
- name: Fetch one quantization of a model
  jetson.thor.hub_model:
    sources:
      - {hub: huggingface, id: Qwen/Qwen3-8B-GGUF}
      - {hub: modelscope, id: Qwen/Qwen3-8B-GGUF}
    include: [Qwen3-8B-Q5_K_M.gguf]
    path: /models/Qwen/Qwen3-8B-GGUF

- name: Fetch a gated model from a mirror
  jetson.thor.hub_model:
    sources:
      - {hub: huggingface, id: acme/assistant, revision: v1.2}
    hubs:
      huggingface:
        endpoint: http://mirror.example:8080
        token: "{{ vault_hub_token }}"
    exclude: ["*.bin", "original/*"]
    path: /models/acme/assistant

- name: Verify every byte again
  jetson.thor.hub_model:
    sources:
      - {hub: modelscope, id: Qwen/Qwen3-8B-GGUF}
    include: [Qwen3-8B-Q5_K_M.gguf]
    path: /models/Qwen/Qwen3-8B-GGUF
    verify_checksums: true
"""

RETURN = r"""
path:
  description: The directory.
  type: str
  returned: success
hub:
  description: The hub that the files came from.
  type: str
  returned: success
id:
  description: The model's id on this hub.
  type: str
  returned: success
revision:
  description: The revision that is present, as it was asked for.
  type: str
  returned: success
commit:
  description: The commit that is present; null if the hub does not name it.
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
from ansible_collections.jetson.thor.plugins.module_utils.models.hubs import HUBS


def main() -> None:
    """Run the module."""
    source = {
        "hub": {"type": "str", "choices": sorted(HUBS), "required": True},
        "id": {"type": "str", "required": True},
        "revision": {"type": "str"},
        "commit": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "sources": {"type": "list", "elements": "dict", "options": source, "required": True},
            "hubs": parameters.HUBS_ARGUMENT,
            "include": {"type": "list", "elements": "str", "default": ["*"]},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "sha256": {"type": "dict", "default": {}},
            "update": {"type": "bool", "default": False},
            "beside": {"type": "bool", "default": False},
            **parameters.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    fetch.run_module(module, parameters.model_spec)


if __name__ == "__main__":
    main()
