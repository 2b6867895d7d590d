#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Add a package repository with its key, both verified, or neither."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_source
short_description: Add a package repository after checking its key and its packages
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Fetches the key of a repository to a place that apt does not read. Every primary key in it must have O(fingerprint).
  - Reads the repository's lists with that key only, and checks whether they contain O(packages).
  - Only then do key and source appear under their final names, the key for this source alone (C(Signed-By)). If anything is wrong, keys and
    sources stay unchanged.
  - An existing source of the same repository, in whatever file, is used as it is if its own key has O(fingerprint), whether that key is in
    keyring files, written into the source itself, or chosen by its fingerprint (C(Signed-By) in all its forms). Two entries with different
    keys would stop apt from working at all.
options:
  name:
    description:
      - Name of the files, C(/etc/apt/sources.list.d/NAME.sources) and C(/etc/apt/keyrings/NAME.asc).
    type: str
    required: true
  url:
    description: Address of the repository, as apt expects it.
    type: str
    required: true
  suite:
    description: Suite. V(/) means a repository without suites.
    type: str
    default: /
  components:
    description: Components of the suite.
    type: list
    elements: str
    default: []
  architecture:
    description: Architecture as Debian calls it, the only one that is read.
    type: str
    required: true
  key_url:
    description: Address of the key, in ASCII armor.
    type: str
    required: true
  fingerprint:
    description: Fingerprint of the primary key.
    type: str
    required: true
  packages:
    description: Packages that the repository must have, C(NAME) or C(NAME=VERSION).
    type: list
    elements: str
    default: []
  variables:
    description: Names of the variables in which users set O(url), O(key_url), O(fingerprint) and O(packages), for messages.
    type: dict
    default: {}
  timeout:
    description: Seconds allowed to the server for the key, and to apt for the lists.
    type: int
    default: 120
extends_documentation_fragment:
  - jetson.thor.proxy
  - jetson.thor.attributes
attributes:
  check_mode:
    support: partial
    details: Fetches and checks the key if C(gpg) is installed, but does not contact the repository.
requirements:
  - gpg
  - root
seealso:
  - module: ansible.builtin.deb822_repository
"""

EXAMPLES = r"""
- name: Add NVIDIA's repository of the container toolkit
  jetson.thor.apt_source:
    name: nvidia-container-toolkit
    url: https://nvidia.github.io/libnvidia-container/stable/deb/arm64
    architecture: arm64
    key_url: https://nvidia.github.io/libnvidia-container/gpgkey
    fingerprint: C95B321B61E88C1809C4F759DDCAE044F796ECB0
    packages: [nvidia-container-toolkit=1.18.1-1]
"""

RETURN = r"""
path:
  description: The file that contains the source, ours or an existing one.
  type: str
  returned: success
fingerprint:
  description: Fingerprint of the key; null in check mode if there is no C(gpg) to read it.
  type: str
  returned: success
trial:
  description: What M(jetson.thor.apt_simulation) needs to know about a source that is not on the host yet.
  type: dict
  returned: unless somebody else's source is used
  contains:
    name:
      description: Name of the files.
      type: str
      returned: always
    text:
      description: The source in deb822 form.
      type: str
      returned: always
    key:
      description: The key, in ASCII armor.
      type: str
      returned: always
    url:
      description: Address of the repository.
      type: str
      returned: always
    variable:
      description: Name of the variable in which users set the address.
      type: str
      returned: always
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import files, install_record, proxy
from ansible_collections.jetson.thor.plugins.module_utils.apt_repository import Repository
from ansible_collections.jetson.thor.plugins.module_utils.apt_sources import Entry
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed


def run(module: AnsibleModule) -> dict[str, Any]:
    """Add the repository; the module's result. Raises Failed."""
    repository = Repository(module)
    present = repository.present()
    if present and present[0] != repository.path:
        return _use_present(repository, *present)
    scratch = Path(tempfile.mkdtemp(prefix="thor-apt-"))
    try:
        scratch.chmod(0o755)  # apt reads as a user of its own
        key = scratch / repository.key_path.name
        key.write_bytes(repository.fetch_key())
        key.chmod(0o644)
        result = _result(repository, key, repository.check_key(f"the key of {module.params['key_url']}", key))
        if not module.check_mode:
            trial = scratch / "sources"
            trial.mkdir(mode=0o755)
            (trial / repository.path.name).write_text(repository.text(key), encoding="utf-8")
            repository.read_lists(trial)
            repository.check_packages(trial)
            _install(repository.key_path, key.read_bytes())
            _install(repository.path, repository.text(repository.key_path).encode())
        return result
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _result(repository: Repository, key: Path, fingerprint: str | None) -> dict[str, Any]:
    text, path = repository.text(repository.key_path), repository.path
    before, key_before = _content(path), _content(repository.key_path)
    return {
        "changed": before != text.encode() or key_before != key.read_bytes(),
        "path": str(path),
        "fingerprint": fingerprint,
        "trial": {
            "name": repository.wanted["name"],
            "text": text,
            "key": key.read_text(encoding="utf-8", errors="replace"),
            "url": repository.wanted["url"],
            "variable": repository.variable("url"),
        },
        "diff": {
            "before": (before or b"").decode(errors="replace"),
            "after": text,
            "before_header": str(path),
            "after_header": str(path),
        },
    }


def _use_present(repository: Repository, path: Path, entry: Entry) -> dict[str, Any]:
    """Use somebody else's source, if its key is the right one."""
    fingerprint = repository.check_entry(path, entry)
    if not repository.module.check_mode:
        # A folder with this source only; apt follows the link.
        with tempfile.TemporaryDirectory(prefix="thor-apt-") as folder:
            os.chmod(folder, 0o755)
            (Path(folder) / path.name).symlink_to(path)
            repository.read_lists(Path(folder))
            repository.check_packages(Path(folder))
    return {"changed": False, "path": str(path), "fingerprint": fingerprint, "diff": {"before": "", "after": ""}}


def _install(path: Path, content: bytes) -> None:
    if _content(path) == content:
        return
    install_record.note_file(path, content)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    files.write(path, content, 0o644)  # apt ignores names that start with a dot


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def main() -> None:
    """Run the module."""
    text: dict[str, Any] = {"type": "str", "required": True}
    names: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "name": text,
            "url": text,
            "suite": {"type": "str", "default": "/"},
            "components": names,
            "architecture": text,
            "key_url": {**text, "no_log": False},  # of a public key
            "fingerprint": text,
            "packages": names,
            "variables": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 120},
            "proxy": proxy.ARGUMENT,
        },
        supports_check_mode=True,
    )
    proxy.adopt(module)
    try:
        module.exit_json(**run(module))
    except Failed as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
