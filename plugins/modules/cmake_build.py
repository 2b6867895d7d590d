#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Make one build of a native engine present."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cmake_build
short_description: Build one version of a native engine
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Fetches a pinned source, builds it with CMake, Ninja and ccache, and installs the programs as one tree under
    C(<prefix>/<engine>/<version>-<fingerprint>), with the link C(<prefix>/<engine>/<version>) to it.
  - The fingerprint covers source, options, targets, compiler, CUDA and machine. An existing tree is never built again, and one that was
    built earlier from the same inputs only gets its link back.
  - Tree and link appear in one rename each, after the first program has printed its version and its help.
  - With O(cuda=true) the first program must hold CUDA code for the GPU (V(THOR-CUDA-CODE) otherwise), if cuobjdump is installed.
  - The work runs as a job (a transient systemd unit of low priority) that outlives the connection. A later run attaches to it, or continues
    where it was killed.
options:
  engine:
    description: Name of the engine, a folder under O(prefix).
    type: str
    required: true
  version:
    description: Version of the engine.
    type: str
    required: true
  source:
    description: Where the source comes from, a repository at a commit or an archive.
    type: dict
    required: true
    suboptions:
      git:
        description: Address of the repository.
        type: str
      commit:
        description: The full commit, 40 hexadecimal digits.
        type: str
      archive:
        description: Address of a tar archive.
        type: str
      sha256:
        description: SHA-256 of the archive.
        type: str
      subdirectory:
        description: Folder in the source that contains the C(CMakeLists.txt) to build.
        type: str
  options:
    description:
      - CMake cache variables. Booleans become V(ON) and V(OFF), lists are joined by semicolons.
      - C(CMAKE_BUILD_TYPE=Release) and C(BUILD_SHARED_LIBS=OFF) are always set.
    type: dict
    default: {}
  version_options:
    description: CMake cache variables whose value is the O(version).
    type: list
    elements: str
    default: []
  targets:
    description: Targets to build.
    type: list
    elements: str
    required: true
  programs:
    description:
      - Paths, in the build tree, of the programs to install in C(bin/). The first one must print its version and help.
      - Defaults to C(bin/<target>) for each of O(targets).
    type: list
    elements: str
    default: []
  version_text:
    description:
      - Text that the first program must print for C(--version); defaults to O(version).
      - An empty text skips the check.
    type: str
  argvs:
    description:
      - Arguments that services will pass to the first program, by service name.
      - Its help must list each option among them.
    type: dict
    default: {}
  cuda:
    description: Whether nvcc is needed. If it is missing, the module fails with V(THOR-CUDA-MISSING).
    type: bool
    default: false
  architectures:
    description:
      - Value of C(CMAKE_CUDA_ARCHITECTURES) with O(cuda=true).
      - V(110-real) contains machine code for Thor only; V(110) adds as much PTX again, which no Thor ever needs.
    type: str
    default: 110-real
  libraries:
    description:
      - Patterns of the libraries that the built programs may need when they start, such as C(libcublas.so.*).
      - A program that needs any other library is refused with V(THOR-BUILD-LIBRARY) before anything is installed.
    type: list
    elements: str
    default: ["*"]
  jobs:
    description:
      - How many compilers run at once.
      - V(0) means one per CPU, as far as the free memory allows.
    type: int
    default: 0
  prefix:
    description: Folder for the trees of all engines.
    type: path
    default: /opt/thor/engines
  state:
    description: Folder for sources and unfinished builds.
    type: path
    default: /var/lib/thor
  ccache:
    description: Folder of the compiler cache.
    type: path
    default: /var/lib/thor/ccache
  timeout:
    description: Seconds after which the job is stopped.
    type: int
    default: 14400
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.attributes
  - jetson.thor.attributes.action
  - jetson.thor.attributes.idempotent
attributes:
  diff_mode:
    details: Shows the inputs of the present build and of the desired one.
requirements:
  - cmake, ninja, ccache and a C++ compiler; git for a source from a repository; the CUDA toolkit for O(cuda=true)
  - systemd and root
"""

EXAMPLES = r"""
- name: Build llama.cpp for Thor
  jetson.thor.cmake_build:
    engine: llama.cpp
    version: 0c1e570
    source:
      git: https://github.com/ggml-org/llama.cpp.git
      commit: 0c1e57098bba43ac29e6e3b677cdceebdd22334f
    options:
      GGML_CUDA: true
      LLAMA_BUILD_UI: false
    version_options: [LLAMA_BUILD_COMMIT]
    targets: [llama-server, llama-bench]
    cuda: true
"""

RETURN = r"""
path:
  description: The tree of the build.
  type: str
  returned: always
  sample: /opt/thor/engines/llama.cpp/0c1e570-3f2a9c51d0be
fingerprint:
  description: Identifies the inputs.
  type: str
  returned: always
  sample: 3f2a9c51d0be
version_output:
  description: What the first program prints for its version.
  type: str
  returned: when the build is there
options:
  description: Every spelling of every option in the help of the first program; empty if the help could not be parsed.
  type: list
  elements: str
  returned: when the build is there
cuda_code:
  description:
    - What the programs hold for the GPU, as M(jetson.thor.cuda_code) returns it.
    - V(null) for a build for the CPU, and where cuobjdump was missing when it was built.
  type: dict
  returned: when the build is there
problems:
  description: What was refused, one entry each.
  type: list
  elements: dict
  returned: when something was refused
"""

import platform
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import jobs, proxy, records
from ansible_collections.jetson.thor.plugins.module_utils.builds import finished, inputs, job
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolchain as tools
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

ARGUMENTS: dict[str, Any] = {
    "engine": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "source": {
        "type": "dict",
        "required": True,
        "options": {key: {"type": "str"} for key in ("git", "commit", "archive", "sha256", "subdirectory")},
        "required_together": [("git", "commit"), ("archive", "sha256")],
        "required_one_of": [("git", "archive")],
        "mutually_exclusive": [("git", "archive")],
    },
    "options": {"type": "dict", "default": {}},
    "version_options": {"type": "list", "elements": "str", "default": []},
    "targets": {"type": "list", "elements": "str", "required": True},
    "programs": {"type": "list", "elements": "str", "default": []},
    "version_text": {"type": "str"},
    "argvs": {"type": "dict", "default": {}},
    "cuda": {"type": "bool", "default": False},
    "architectures": {"type": "str", "default": "110-real"},
    "libraries": {"type": "list", "elements": "str", "default": ["*"]},
    "jobs": {"type": "int", "default": 0},
    "prefix": {"type": "path", "default": "/opt/thor/engines"},
    "state": {"type": "path", "default": "/var/lib/thor"},
    "ccache": {"type": "path", "default": "/var/lib/thor/ccache"},
    "timeout": {"type": "int", "default": 14400},
    "proxy": proxy.ARGUMENT,
}


def refuse(module: AnsibleModule, problems: list[Problem]) -> None:
    """Fail with all problems."""
    module.fail_json(
        msg="\n".join(problem.text() for problem in problems), problems=[problem.as_dict() for problem in problems]
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    proxy.adopt(module)
    params = module.params
    toolchain = tools.observe()
    if params["cuda"] and toolchain["nvcc"] is None:
        refuse(module, [inputs.cuda_missing(params["engine"])])
    wanted = inputs.inputs(params, toolchain, platform.machine())
    tree = finished.tree_of(params["prefix"], wanted)
    found = finished.read(tree)
    current = found is not None and finished.is_current(tree, params["version"])
    result: dict[str, Any] = {"changed": not current, "path": str(tree), "fingerprint": inputs.fingerprint(wanted)}
    if not current:
        result["diff"] = finished.difference(tree, wanted)
    if found is not None:
        problems = finished.check_argvs(params["argvs"], found["options"], params["engine"], params["version"])
        if problems:
            refuse(module, problems)
        if not current and not module.check_mode:
            finished.make_current(tree, params["version"])
        records.tell(module)
        module.exit_json(**{**finished.summary(tree), **result})
    if module.check_mode:
        records.tell(module)
        module.exit_json(**result)
    spec = {
        "inputs": wanted,
        "source": {key: value for key, value in params["source"].items() if value is not None},
        "version_text": params["version"] if params["version_text"] is None else params["version_text"],
        "argvs": params["argvs"],
        "libraries": params["libraries"],
        "nvcc": toolchain["nvcc"],
        "jobs": params["jobs"],
        "prefix": params["prefix"],
        "state": params["state"],
        "ccache": params["ccache"],
        "environment": jobs.proxies(),
    }
    jobs.start(
        module,
        name=f"build-{params['engine']}-{params['version']}",
        target=job.TARGET,
        spec=spec,
        timeout=params["timeout"],
    )


if __name__ == "__main__":
    main()
