#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What models say of themselves, before they are fetched."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_look
short_description: Read what models say of themselves, before they are fetched
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Lists the files of each model and reads its configuration, the beginning of its chat template, or the header of its GGUF file with
    range requests, so that memory, thinking and vision are known before a byte of the weights is fetched.
  - A model in safetensors files costs at most 2 MB and 10 requests. A GGUF file costs 1 MB, or at most 32 MB if its vocabulary, its
    template and its tensors have to be looked at.
  - A model that cannot be looked at does not make the module fail. What is wrong is returned beside the others.
  - After a hub that did not answer, no further request is repeated.
  - Uses plain HTTP, so that nothing has to be installed beforehand. The C(client) of a hub in O(hubs) is not used.
options:
  models:
    description: The models, as the fact C(thor_looks) has them.
    type: list
    elements: dict
    required: true
    suboptions:
      key:
        description: The model's name in the catalog.
        type: str
        required: true
      identity:
        description: What identifies its files. It is returned with the result.
        type: str
        default: ""
      source:
        description: Where it comes from.
        type: str
        choices: [hub, local, url]
        required: true
      sources:
        description: The hubs that have it, in the order in which they are tried, each with C(hub), C(id) and C(revision).
        type: list
        elements: dict
        default: []
      include:
        description: Patterns of its files.
        type: list
        elements: str
        default: ["*"]
      exclude:
        description: Patterns of files that are left out.
        type: list
        elements: str
        default: []
      path:
        description: Its folder on the device.
        type: path
      file:
        description: The file with which the engine is started.
        type: str
      projector:
        description: The file with which the engine reads images.
        type: str
      url:
        description: The address of the file of a plain web server.
        type: str
      whole:
        description: Whether the whole header of a GGUF file is read, and not only the keys that give its geometry.
        type: bool
        default: true
  retries:
    description: How often a request is repeated after a failure that passes.
    type: int
    default: 3
  idle_timeout:
    description: Seconds without a byte after which a request has failed.
    type: int
    default: 30
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.hubs
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.facts
"""

EXAMPLES = r"""
- name: Look at a model
  jetson.thor.model_look:
    models:
      - key: qwen3-8b
        source: hub
        sources: [{hub: huggingface, id: Qwen/Qwen3-8B, revision: main}]
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  type: dict
  returned: always
  contains:
    thor_seen:
      description:
        - By key of the model, C(identity), and either C(about) with C(bytes), C(files), C(hub), C(id), C(revision) and C(commit), or
          C(problem) with C(code), C(variable), C(value), C(reason) and C(remedy).
      type: dict
      returned: always
      sample:
        qwen3-8b: {"about": {"format": "safetensors", "context": 40960, "thinking": "switchable"}, "bytes": 16400000000}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import proxy
from ansible_collections.jetson.thor.plugins.module_utils.models import parameters
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError
from ansible_collections.jetson.thor.plugins.module_utils.models.hubs import HUBS
from ansible_collections.jetson.thor.plugins.module_utils.models.look import look

MODEL = {
    "key": {"type": "str", "required": True, "no_log": False},
    "identity": {"type": "str", "default": ""},
    "source": {"type": "str", "choices": ["hub", "local", "url"], "required": True},
    "sources": {"type": "list", "elements": "dict", "default": []},
    "include": {"type": "list", "elements": "str", "default": ["*"]},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path"},
    "file": {"type": "str"},
    "projector": {"type": "str"},
    "url": {"type": "str"},
    "whole": {"type": "bool", "default": True},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "models": {"type": "list", "elements": "dict", "required": True, "options": MODEL},
            "hubs": parameters.HUBS_ARGUMENT,
            "retries": {"type": "int", "default": 3},
            "idle_timeout": {"type": "int", "default": 30},
            "proxy": proxy.ARGUMENT,
        },
        supports_check_mode=True,
    )
    proxy.adopt(module)
    settings = {key: module.params[key] for key in ("retries", "idle_timeout")}
    try:
        settings["hubs"] = {hub: parameters.reach(hub, module.params["hubs"].get(hub) or {}) for hub in HUBS}
    except FetchError as error:
        module.fail_json(msg=str(error), problems=[error.problem.as_dict()])
    seen: dict[str, Any] = {}
    for model in module.params["models"]:
        seen[model["key"]] = {"identity": model["identity"]}
        try:
            seen[model["key"]] |= look(model, settings)
        except FetchError as error:
            seen[model["key"]]["problem"] = error.problem.as_dict()
            if error.problem.code == "THOR-HUB-UNREACHABLE":
                settings["retries"] = 0  # somebody waits, and the next model probably comes from there, too
    module.exit_json(changed=False, ansible_facts={"thor_seen": seen})


if __name__ == "__main__":
    main()
