#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Which CUDA code below a folder a GPU runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cuda_code
short_description: Show which libraries and programs below a folder hold CUDA code that Thor runs
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Reads the CUDA code in every library and program below a folder with NVIDIA's C(cuobjdump), and tells which of them hold machine code
    that the GPU runs, or PTX that its driver can compile.
  - Fails with V(THOR-CUDA-CODE) if one of the O(required) files holds neither.
  - The listings are kept below O(state) and are used again as long as the files have the same paths, sizes and times. In check mode nothing
    is kept.
  - Code that an engine compiles while it runs (Triton, Inductor, FlashInfer, DeepGEMM) is in no file, so it is not shown.
options:
  path:
    description: The folder, such as the tree of a Python environment or a build.
    type: path
    required: true
  required:
    description: Patterns of paths below O(path), in which C(*) also stands for slashes. Each must match a file, and all its files must run.
    type: list
    elements: str
    default: []
  lost:
    description: What is lost if a file does not run, by the pattern of its path.
    type: dict
    default: {}
  architecture:
    description: Compute capability of the GPU, without its dot.
    type: str
    default: "110"
  cuobjdump:
    description:
      - The program.
      - Defaults to the one that the role C(python_engine) installs, or that of the CUDA toolkit.
    type: path
  state:
    description: Folder for what was read.
    type: path
    default: /var/lib/thor
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.idempotent
requirements:
  - cuobjdump
  - up to 5.5 GB of memory for a library as large as PyTorch's
"""

EXAMPLES = r"""
- name: Prove that vLLM's kernels run on Thor
  jetson.thor.cuda_code:
    path: /opt/thor/engines/vllm/0.33.0/lib/python3.12/site-packages
    required: ["vllm/_C*.so", torch/lib/libtorch_cuda.so]
    lost:
      vllm/_flashmla_*: FlashMLA

- name: Prove a build of llama.cpp
  jetson.thor.cuda_code:
    path: /opt/thor/engines/llama.cpp/0c1e570
    required: [bin/llama-server]
"""

RETURN = r"""
libraries:
  description: What each file holds, by its path below O(path).
  type: dict
  returned: success
  contains:
    machine_code:
      description: Number of objects with machine code, by architecture.
      type: dict
      returned: always
      sample: {sm_110: 8, sm_120: 27}
    ptx:
      description: Number of objects with PTX, by architecture.
      type: dict
      returned: always
      sample: {sm_80: 15}
    runs:
      description: Whether the GPU runs any of it, or can compile it.
      type: bool
      returned: always
runs:
  description: Paths of the files that run.
  type: list
  elements: str
  returned: success
lacks:
  description: The files that do not run, each with its C(path) and with what is C(lost) without it.
  type: list
  elements: dict
  returned: success
  sample: [{path: vllm/_flashmla_C.abi3.so, lost: FlashMLA}]
text:
  description: The same in one line.
  type: str
  returned: success
  sample: "35 of 47 CUDA libraries run on Thor; no code for it in: FlashMLA"
problems:
  description: What was refused, one entry each.
  type: list
  elements: dict
  returned: when something was refused
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, records
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "required": {"type": "list", "elements": "str", "default": []},
    "lost": {"type": "dict", "default": {}},
    "architecture": {"type": "str", "default": cuda_code.THOR},
    "cuobjdump": {"type": "path"},
    "state": {"type": "path", "default": "/var/lib/thor"},
}


def check(params: dict[str, Any]) -> list[Problem]:
    """What is wrong with the arguments."""
    found = []
    if not Path(params["path"]).is_dir():
        reason = "there is no such folder."
        found.append(Problem("THOR-VALUE-INVALID", "path", params["path"], reason, "Name an existing one."))
    if not params["architecture"].isdecimal():
        reason = "this is not the number of a compute capability."
        remedy = "Write 110 for compute capability 11.0."
        found.append(Problem("THOR-VALUE-INVALID", "architecture", params["architecture"], reason, remedy))
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    problems = check(params)
    if not problems:
        try:
            # The version of an engine is a link to its tree.
            record = cuda_code.prove(
                Path(params["path"]).resolve(),
                params,
                None if module.check_mode else Path(params["state"]),
                Path(params["cuobjdump"]) if params["cuobjdump"] else None,
                params["architecture"],
            )
        except cuda_code.CudaCodeError as error:
            problems = error.problems
        else:
            records.tell(module)
            module.exit_json(changed=False, text=cuda_code.text(record), **record)
    module.fail_json(
        msg="\n".join(problem.text() for problem in problems), problems=[problem.as_dict() for problem in problems]
    )


if __name__ == "__main__":
    main()
