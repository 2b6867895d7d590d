#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Make one Python environment of an engine present."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_engine
short_description: Install one version of an engine as a Python environment
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Installs the packages of a lock, each with the hash that the lock has for it, as one virtual environment of the host's own Python under
    C(<prefix>/<engine>/<version>-<fingerprint>), with the link C(<prefix>/<engine>/<version>) to it. The system's packages are neither
    used nor changed.
  - The fingerprint covers the lock, the Python and the machine. An existing environment is never installed again, unless one of its
    programs or libraries is no longer the one that was installed.
  - Environment and link appear in one rename each, after every check.
  - Code for the GPU is looked for in every library, if O(cuda_code) is given, and an engine without a stored list of options is asked for
    them, if O(parser) is given. Such a check of an environment that is there does not count as a change.
  - C(uv) does the installation, itself installed by pip with hashes into O(uv_home). Only wheels are accepted, except for packages
    that the lock names as C(source_only); their build requirements have hashes, too.
  - The work runs as a job (a transient systemd unit of low priority) that outlives the connection. A later run attaches to it, or
    continues where it was killed. Packages that have arrived as a whole are not fetched again.
options:
  engine:
    description: Name of the engine, a folder under O(prefix).
    type: str
    required: true
  version:
    description: Version of the engine.
    type: str
    required: true
  lock:
    description: Text of the lock, which C(script/lock --packages) writes.
    type: str
    required: true
  uv:
    description: Text of a requirements file that pins uv with hashes.
    type: str
    required: true
  argvs:
    description: Arguments that services will pass to the engine, by service name. With O(parser), its own parser must accept them.
    type: dict
    default: {}
  wanted:
    description:
      - Architectures of the models of services that no stored list of the engine has, by service name. With O(parser), the engine or its
        Transformers must have one of them (V(THOR-MODEL-ARCHITECTURE)).
    type: dict
    default: {}
  parser:
    description:
      - Which engine's parser to ask for the options, V(vllm) or V(sglang), if no list of them is stored.
      - The answer is kept in C(/var/lib/thor/flags), with what identifies the accepted O(argvs). The engine is asked again when they
        change, or were refused.
      - An engine that does not answer fails with V(THOR-ENGINE-UNASKABLE) and its first exception. The environment stays.
    type: str
  cuda_code:
    description: Libraries that must have code for the GPU (C(required)), and what is lost where others have none (C(lost)), by pattern.
    type: dict
  pip_arguments:
    description:
      - Arguments of pip that say where packages come from.
      - C(--index-url), C(--extra-index-url), C(--find-links), C(--no-index), C(--trusted-host), C(--cert) and C(--proxy) are translated for
        uv; others are refused with V(THOR-PACKAGES-ARGUMENTS).
      - pip's configuration files on the host are read before them.
      - Passwords in addresses appear in no command line, log or result.
    type: str
    default: ""
  prune:
    description: Whether to remove, before an installation, environments of this engine that no unit and no kept configuration names.
    type: bool
    default: false
  keep:
    description: Versions of the engine whose environments O(prune) leaves.
    type: list
    elements: str
    default: []
  python:
    description: The host's Python.
    type: path
    default: /usr/bin/python3
  prefix:
    description: Folder for the trees of all engines.
    type: path
    default: /opt/thor/engines
  state:
    description: Folder for what was downloaded until the environment is complete.
    type: path
    default: /var/lib/thor
  uv_home:
    description: Virtual environment of uv.
    type: path
    default: /opt/thor/venv/uv
  attempts:
    description: How many attempts in a row may fail without another complete package.
    type: int
    default: 5
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
    details: Shows the packages of the present environment and of the desired one.
requirements:
  - python3-venv on Debian and Ubuntu
  - systemd and root
"""

EXAMPLES = r"""
- name: Install vLLM
  jetson.thor.python_engine:
    engine: vllm
    version: 0.33.0
    lock: "{{ lookup('ansible.builtin.file', 'vllm-0.33.0-cp312-aarch64.txt', rstrip=false) }}"
    uv: "{{ lookup('ansible.builtin.file', 'uv.txt', rstrip=false) }}"
"""

RETURN = r"""
path:
  description: The tree of the environment.
  type: str
  returned: always
  sample: /opt/thor/engines/vllm/0.33.0-3f2a9c51d0be
fingerprint:
  description: Identifies lock, Python and machine.
  type: str
  returned: always
  sample: 3f2a9c51d0be
packages:
  description: How many packages it has.
  type: int
  returned: always
  sample: 199
bytes_to_fetch:
  description: What is still to be downloaded; 0 if the environment is there.
  type: int
  returned: always
bytes_fetched:
  description: What was downloaded, without what an interrupted run had left.
  type: int
  returned: when something was installed
bytes:
  description: The environment's size on disk.
  type: int
  returned: when the environment is there
seconds:
  description: How long the installation took.
  type: float
  returned: when something was installed
python:
  description: Version of the Python that it was made for.
  type: str
  returned: when the environment is there
cuda_code:
  description: Which of its libraries have code for the GPU; null if nobody looked.
  type: dict
  returned: when the environment is there
options:
  description: The options that the engine was asked for; null if it was not asked.
  type: list
  elements: str
  returned: when the environment is there
pruned:
  description: Environments that were removed.
  type: list
  elements: str
  returned: when something was installed
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
from ansible_collections.jetson.thor.plugins.module_utils.builds.finished import is_current, make_current
from ansible_collections.jetson.thor.plugins.module_utils.environments import checks, finished, index, inputs, job, lock
from ansible_collections.jetson.thor.plugins.module_utils.observe import environments
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

ARGUMENTS: dict[str, Any] = {
    "engine": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "lock": {"type": "str", "required": True},
    "uv": {"type": "str", "required": True},
    "argvs": {"type": "dict", "default": {}},
    "wanted": {"type": "dict", "default": {}},
    "parser": {"type": "str"},
    "cuda_code": {"type": "dict"},
    "pip_arguments": {"type": "str", "default": "", "no_log": True},
    "prune": {"type": "bool", "default": False},
    "keep": {"type": "list", "elements": "str", "default": []},
    "python": {"type": "path", "default": "/usr/bin/python3"},
    "prefix": {"type": "path", "default": "/opt/thor/engines"},
    "state": {"type": "path", "default": "/var/lib/thor"},
    "uv_home": {"type": "path", "default": "/opt/thor/venv/uv"},
    "attempts": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 14400},
    "proxy": proxy.ARGUMENT,
}


def refused(params: dict[str, Any], python: dict[str, Any]) -> list[Problem]:
    """What is wrong with the lock, for this Python and machine, and with pip's arguments."""
    where = f"thor_services[{params['engine']} {params['version']}].packages"
    found = []
    if wrong := index.problem(params["pip_arguments"]):
        found.append(wrong)
    try:
        wanted = lock.parse(params["lock"])
    except lock.LockError as error:
        remedy = "Write it anew with script/lock --packages; a lock is not edited by hand."
        return [*found, Problem("THOR-LOCK-INVALID", where, None, f"its lock cannot be used: {error}", remedy)]
    if python["version"] is None:
        reason = f"environments are made for {python['path']}, which does not run"
        remedy = "Install it (sudo apt-get install python3)."
        return [*found, Problem("THOR-PYTHON-VERSION", "thor_host.python", None, reason, remedy)]
    tag = inputs.tag(python["version"], platform.machine())
    if wanted.tag != tag:
        code = "THOR-PYTHON-VERSION" if wanted.machine == platform.machine() else "THOR-PACKAGES-PLATFORM"
        reason = f"its lock is for {wanted.tag}, and this host has {python['path']} {python['version']} ({tag})"
        remedy = (
            f"Make a lock for {tag} with script/lock --packages, or use a version of {params['engine']} that has one."
        )
        found.append(Problem(code, where, wanted.requirement, reason, remedy))
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    proxy.adopt(module)
    params = module.params
    python = environments.python(params["python"])
    if problems := refused(params, python):
        module.fail_json(
            msg="\n".join(problem.text() for problem in problems), problems=[problem.as_dict() for problem in problems]
        )
    wanted = lock.parse(params["lock"])
    spec = {
        **{name: params[name] for name in ARGUMENTS if name not in ("timeout", "proxy")},
        "tag": wanted.tag,
        "python_version": python["version"],
        "environment": jobs.proxies(),
    }
    tree = job.tree_of(spec)
    record = finished.read(tree)
    damage = finished.damage(tree, record) if record else None
    ready = record is not None and damage is None
    current = ready and is_current(tree, params["version"])
    result: dict[str, Any] = {
        "changed": not current,
        "path": str(tree),
        "fingerprint": tree.name.rpartition("-")[2],
        "packages": len(wanted.packages),
        "bytes_to_fetch": 0 if ready else wanted.bytes - job.earlier_bytes(spec, wanted),
    }
    if damage:
        module.warn(checks.damaged(params["engine"], params["version"], damage))
    if not current:
        result["diff"] = finished.difference(tree, params["version"], wanted.versions)
    checked = (
        record is not None
        and checks.is_proven(record["cuda_code"], params["cuda_code"])
        and checks.is_asked(params, result["fingerprint"])
    )
    if ready and record and (checked or module.check_mode):
        if not current and not module.check_mode:
            make_current(tree, params["version"])
        records.tell(module)
        known = {"options": checks.options(params["engine"], result["fingerprint"])}
        module.exit_json(**{**finished.summary(tree, record), **known, **result})
    if module.check_mode:
        records.tell(module)
        module.exit_json(**result)
    jobs.start(
        module,
        name=f"environment-{params['engine']}-{params['version']}",
        target=job.TARGET,
        spec=spec,
        timeout=params["timeout"],
    )


if __name__ == "__main__":
    main()
