#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The images of engines on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_image
short_description: Pull the images of engines once, keep them by digest, and check them
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Pulls missing images, one after the other, through the API of the Docker Engine. An image with a digest is pulled by that digest. For
    one without, the digest that the registry returned is recorded in C(/var/lib/thor/images.json) and used from then on, even if somebody
    pulls the tag again.
  - Runs a short-lived container of each image with the runtime C(nvidia), without network and capabilities, to check that it can use the
    GPU; again after O(l4t) or O(toolkit) has changed.
  - Checks, in a container of the image, for Python packages that a service needs, and adds missing ones in a derived image. The versions of
    everything else in the image are pinned meanwhile.
  - A pull without progress is cancelled and started again, and resumes at the layer where it broke.
  - The work runs as a job (a transient systemd unit of low priority) that outlives the connection. A later run attaches to it, or continues
    where it was killed.
options:
  images:
    description: The images that the services of this host use.
    type: list
    elements: dict
    required: true
    suboptions:
      reference:
        description: Registry, repository and tag.
        type: str
        required: true
      digest:
        description: The digest in the lock, V(sha256:...); without one the first pull is trusted.
        type: str
      engine:
        description: Name of the engine, for messages.
        type: str
        required: true
      version:
        description: Its version, for messages.
        type: str
        required: true
      bytes:
        description: Estimated size on disk.
        type: int
      expected:
        description:
          - Digests that others recorded for the tag; V(either) where they did not say of which of the two.
          - An image without O(images[].digest) must have one of them when it is pulled for the first time, as its index or as its manifest
            for this machine.
        type: dict
        suboptions:
          index:
            description: Digest of the index.
            type: str
          manifest:
            description: Digest of the manifest for the devices' architecture.
            type: str
          either:
            description: Digest of one of the two.
            type: str
      entrypoint:
        description: How the image's entrypoint and a service's command go together, which the check of the image compares.
        type: dict
        suboptions:
          how:
            description:
              - V(runs), the image has none, or one that runs the whole command.
              - V(is), the image's own is O(images[].entrypoint.words).
              - V(set), these words replace it.
            type: str
            choices: [runs, is, set]
            required: true
          words:
            description: The first words of the command.
            type: list
            elements: str
            required: true
      cuda_code:
        description:
          - Which files of the image must hold CUDA code that the GPU runs (C(required), a list of patterns of paths), and what is C(lost)
            where others do not, by pattern. Read with O(require_gpu) only, as soon as cuobjdump is installed.
        type: dict
      environments:
        description: Environments in which containers of the image run; it is checked in each of them.
        type: list
        elements: dict
        default: []
      parser:
        description:
          - Which engine's parser to ask for the options, V(vllm) or V(sglang), if no list of them is stored.
          - A container of the image without GPU and network asks it. The list is kept in C(/var/lib/thor/flags), with what identifies the
            accepted O(images[].argvs). It is asked again when they change, or were refused.
        type: str
      argvs:
        description: Arguments that services will pass to the engine, by service name. The parser that is asked must accept them.
        type: dict
        default: {}
      wanted:
        description:
          - Architectures of the models of services that no stored list of the engine has, by service name.
          - With O(images[].parser), the engine or its Transformers must have one of them (V(THOR-MODEL-ARCHITECTURE)).
        type: dict
        default: {}
      extras:
        description: Sets of Python packages that services need in it, each a list of C(NAME==VERSION).
        type: list
        elements: list
        default: []
  registry_logins:
    description:
      - Logins of registries. Each is sent to its own registry only, and reaches dockerd in a header of the request.
      - Nothing of it is stored in Docker's configuration. Until the job has started, it lies in a file that only root can read.
    type: list
    elements: dict
    default: []
    suboptions:
      registry:
        description: The registry as images name it, with its port if it has one; V(docker.io) for Docker Hub.
        type: str
        required: true
      login:
        description: User name and password.
        type: dict
        required: true
        suboptions:
          username:
            description: User name; V($oauthtoken) for an API key of NGC.
            type: str
            required: true
          password:
            description: Password, token or key.
            type: str
            required: true
  require_gpu:
    description: Whether a container must find a GPU. Otherwise it only has to run.
    type: bool
    default: true
  l4t:
    description: Version of Linux for Tegra, recorded with a check.
    type: str
  toolkit:
    description: Version of the NVIDIA Container Toolkit, recorded with a check.
    type: str
  derive:
    description: Whether missing Python packages are added in a derived image. Otherwise an image that lacks them is refused.
    type: bool
    default: true
  pip_arguments:
    description: Further arguments for pip, which runs in a container of the image with the network of the host.
    type: str
    default: ""
  prune:
    description: Whether to remove images that this module once pulled and that no service, unit or kept configuration uses.
    type: bool
    default: false
  stall_timeout:
    description: Seconds without progress after which a pull is cancelled and started again.
    type: int
    default: 300
  attempts:
    description: How many attempts in a row may make no lasting progress.
    type: int
    default: 5
  timeout:
    description: Seconds allowed for the whole job.
    type: int
    default: 86400
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.attributes
  - jetson.thor.attributes.action
  - jetson.thor.attributes.idempotent
attributes:
  check_mode:
    details: Only a container of the image can tell whether Python packages are missing; check mode assumes that they are.
notes:
  - Works with Docker's classic store and with the containerd image store.
  - Check mode needs no Docker on the host. If dockerd does not run, the record is trusted.
  - A repeated check alone does not count as a change.
requirements:
  - Docker Engine 20.10 or later with the runtime C(nvidia)
  - systemd and root
"""

EXAMPLES = r"""
- name: Pull vLLM's image
  jetson.thor.engine_image:
    images:
      - reference: nvcr.io/nvidia/vllm:25.10-py3
        engine: vllm
        version: "25.10"
    registry_logins:
      - registry: nvcr.io
        login:
          username: $oauthtoken
          password: "{{ vault_ngc_key }}"
"""

RETURN = r"""
pulled:
  description: References that were pulled, or would be in check mode.
  type: list
  elements: str
  returned: always
checked:
  description: References whose container was run, or would be.
  type: list
  elements: str
  returned: always
asked:
  description: References whose engine was asked for its options, or would be.
  type: list
  elements: str
  returned: always
derived:
  description: References for which an image with further Python packages was built; in check mode, those whose packages would be checked.
  type: list
  elements: str
  returned: always
pruned:
  description: Names of images that were removed, or would be.
  type: list
  elements: str
  returned: always
kept:
  description: Images that no service needs but that are kept, with the reason.
  type: dict
  returned: when the work was done
images:
  description: The digest of each of our images, by reference.
  type: dict
  returned: always
unlocked:
  description: Images without a digest in the lock, and the digest that this host uses.
  type: list
  elements: dict
  returned: always
  sample:
    - engine: vllm
      version: "25.10"
      image: nvcr.io/nvidia/vllm:25.10-py3
      digest: sha256:b1b90ca398c7f1c697e023502cb9810d322fd4996aa58c30effa36e55412db6c
problems:
  description: What is wrong, each problem with a code, the culprit, the reason and the way out.
  type: list
  elements: dict
  returned: failure
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import jobs, proxy, records
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker
from ansible_collections.jetson.thor.plugins.module_utils.images import job, predict, record

ARGUMENTS: dict[str, Any] = {
    "images": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "reference": {"type": "str", "required": True},
            "digest": {"type": "str"},
            "engine": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "bytes": {"type": "int"},
            "expected": {
                "type": "dict",
                "options": {"index": {"type": "str"}, "manifest": {"type": "str"}, "either": {"type": "str"}},
            },
            "entrypoint": {
                "type": "dict",
                "options": {
                    "how": {"type": "str", "required": True, "choices": ["runs", "is", "set"]},
                    "words": {"type": "list", "elements": "str", "required": True},
                },
            },
            "cuda_code": {"type": "dict"},
            "environments": {"type": "list", "elements": "dict", "default": []},
            "parser": {"type": "str"},
            "argvs": {"type": "dict", "default": {}},
            "wanted": {"type": "dict", "default": {}},
            "extras": {"type": "list", "elements": "list", "default": []},
        },
    },
    "registry_logins": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "registry": {"type": "str", "required": True},
            "login": {
                "type": "dict",
                "required": True,
                "options": {
                    "username": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                },
            },
        },
    },
    "require_gpu": {"type": "bool", "default": True},
    "l4t": {"type": "str"},
    "toolkit": {"type": "str"},
    "derive": {"type": "bool", "default": True},
    "pip_arguments": {"type": "str", "default": "", "no_log": True},
    "prune": {"type": "bool", "default": False},
    "stall_timeout": {"type": "int", "default": 300},
    "attempts": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 86400},
    "proxy": proxy.ARGUMENT,
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    proxy.adopt(module)
    spec = {key: value for key, value in module.params.items() if key not in ("timeout", "proxy")}
    spec["environment"] = jobs.proxies()
    for image in spec["images"]:
        if image["digest"] and not re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"]):
            module.fail_json(
                msg=f"images: the digest {image['digest']!r} of {image['reference']} is invalid: write sha256: and 64 hex digits."
            )
    held = record.read_record()
    # Outside check mode the question may start a stopped dockerd: it is needed anyway.
    asleep = module.check_mode and not record.dockerd_runs()
    local = record.Local.recorded(held) if asleep else record.Local.ask(Docker(timeout=60))
    todo = predict.predict(spec, held, local)
    entries, notes = job.unlocked(spec, held)
    result: dict[str, Any] = {
        "changed": bool(todo["pull"] or todo["derive"] or todo["prune"]),
        "pulled": todo["pull"],
        "checked": todo["check"],
        "asked": todo["ask"],
        "derived": todo["derive"],
        "pruned": todo["prune"],
        "unlocked": entries,
        "images": {name: entry["digest"] for name, entry in held["images"].items()},
    }
    if result["changed"]:
        result["diff"] = predict.diff_of(predict.lines_of(held), predict.lines_after(todo, held))
    if module.check_mode or not any(todo.values()):
        for line in notes:
            module.warn(line)
        records.tell(module)
        module.exit_json(**result)
    jobs.start(module, name="images", target="images.job", spec=spec, timeout=module.params["timeout"])


if __name__ == "__main__":
    main()
