#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A package repository with its key: both verified, or neither there."""

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
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: partial
    details: Fetches and checks the key if C(gpg) is installed, but does not contact the repository.
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: full
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

import contextlib
import http.client
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.jetson.thor.plugins.module_utils import bounded, network_errors
from ansible_collections.jetson.thor.plugins.module_utils.apt_sources import (
    Entry,
    SignedBy,
    entries,
    fingerprints_of,
    signed_by,
)

SOURCES = Path("/etc/apt")
KEYRINGS = Path("/etc/apt/keyrings")
KEY_BYTES = 1 << 20


class Failed(Exception):
    """A message with a code for the person."""


class Source:
    """The wanted source, and what there is of it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.host = platform.node()
        self.wanted = module.params
        self.path = SOURCES / "sources.list.d" / f"{self.wanted['name']}.sources"
        self.key_path = KEYRINGS / f"{self.wanted['name']}.asc"
        self.fingerprint = re.sub(r"\s", "", self.wanted["fingerprint"]).upper()

    def text(self, key: Path) -> str:
        """The source in deb822 form, with this key."""
        lines = [
            "# Written by jetson.thor.",
            "Types: deb",
            f"URIs: {self.wanted['url']}",
            f"Suites: {self.wanted['suite']}",
            *([f"Components: {' '.join(self.wanted['components'])}"] if self.wanted["components"] else []),
            f"Architectures: {self.wanted['architecture']}",
            f"Signed-By: {key}",
        ]
        return "\n".join([*lines, ""])

    def failed(self, code: str, option: str, value: object, reason: str, remedy: str) -> Failed:
        """A message in the shape of all others."""
        variable = self.wanted["variables"].get(option, option)
        return Failed(
            f"{code}: {self.host}: {variable} = {value}: {reason} {remedy} Keys and sources are as they were."
        )

    def unreadable(self, option: str, value: object, reason: str, remedy: str, said: str) -> Failed:
        """A message about a server that cannot be read; a clock in the past is no fault of the server."""
        if network_errors.clock_is_behind(said):
            return self.failed("THOR-CLOCK-WRONG", option, value, reason, network_errors.CLOCK_REMEDY)
        return self.failed("THOR-REPOSITORY-FAILED", option, value, reason, remedy)

    # --- The key ---

    def fetch_key(self) -> bytes:
        """The key file from its server. Raises Failed."""
        url = self.wanted["key_url"]
        content = b""
        try:
            # It reads the body of an error by itself, and that may break off.
            response, info = fetch_url(self.module, url, timeout=self.wanted["timeout"], use_proxy=True)
            said = info["msg"]
            if info["status"] == 200:
                said = "the answer is empty"
                content = bounded.read(response, KEY_BYTES, self.wanted["timeout"])
        except (OSError, bounded.TooMuch, http.client.HTTPException) as error:
            said = str(error)
        if not content:
            reason = f"the key cannot be fetched: {said}."
            remedy = "Check network, name service and proxy of the host, or name a copy of yours: its fingerprint is checked."
            raise self.unreadable("key_url", url, reason, remedy, str(said))
        return bytes(content)

    def fingerprints(self, keys: Sequence[Path], where: str) -> dict[str, str] | None:
        """Fingerprints in key files, each with that of its primary key. None without gpg, in check mode. Raises Failed."""
        program = self.module.get_bin_path("gpg")
        if program is None:
            if self.module.check_mode:
                return None
            raise Failed(
                f"THOR-REPOSITORY-FAILED: {self.host}: gpg is missing, which reads the key {where}. Install the package gpg."
            )
        with tempfile.TemporaryDirectory(prefix="thor-gpg-") as home:
            argv = [program, "--homedir", home, "--batch", "--show-keys", "--with-colons", *map(str, keys)]
            _code, out, err = self.module.run_command(argv)
        found = fingerprints_of(out)
        if not found:
            reason = f"{where} is no key: {' '.join(err.split()) or 'gpg finds none in it'}."
            raise self.failed(
                "THOR-KEY-WRONG", "fingerprint", self.fingerprint, reason, "Look at what the address answers."
            )
        return found

    def check_key(self, where: str, *keys: Path) -> str | None:
        """The fingerprint of the key in the files. None without gpg, in check mode. Raises Failed where there is another."""
        found = self.fingerprints(keys, where)
        return None if found is None else self.check_fingerprints(where, set(found.values()))

    def check_fingerprints(self, where: str, found: set[str]) -> str:
        """The fingerprint, where it is the only one of ``found``. Raises Failed."""
        if found != {self.fingerprint}:
            told = ", ".join(sorted(found))
            reason = f"{where} has the fingerprint {told}. It was not installed and nothing was fetched with it."
            remedy = "Find out at the publisher which is right before you change the variable."
            raise self.failed("THOR-KEY-WRONG", "fingerprint", self.fingerprint, reason, remedy)
        return self.fingerprint

    # --- The repository ---

    def present(self) -> tuple[Path, Entry] | None:
        """The file that has this repository already, and its entry there; None where none has."""
        files = sorted(
            [
                SOURCES / "sources.list",
                *(SOURCES / "sources.list.d").glob("*.list"),
                *self.path.parent.glob("*.sources"),
            ]
        )
        for path in files:
            with contextlib.suppress(OSError):
                for entry in entries(path.read_text(encoding="utf-8", errors="replace"), self.wanted["architecture"]):
                    if entry.url.rstrip("/") == self.wanted["url"].rstrip("/"):
                        return path, entry
        return None

    def check_entry(self, path: Path, entry: Entry) -> str | None:
        """The fingerprint of the key that an entry of somebody else is held to. None without gpg, in check mode. Raises Failed."""
        named = signed_by(entry.signed_by)
        missing = [name for name in named.files if not Path(name).is_file()]
        reason = ""
        if entry.unsigned:
            reason = f"{path} tells apt to do without a signature of this repository (trusted, allow-insecure)."
        elif named.unclear:
            reason = f"Signed-By in {path} names {', '.join(named.unclear)}: neither an absolute path nor a whole fingerprint."
        elif missing:
            reason = f"Signed-By in {path} names {', '.join(missing)}, and there is no such file."
        elif named == SignedBy():
            reason = (
                f"{path} has this repository without a key of its own (signed-by), so any key that apt trusts would do."
            )
        if reason:
            remedy = "Mend it there, or remove the entry: this role writes one with its key."
            raise self.failed("THOR-KEY-WRONG", "url", self.wanted["url"], reason, remedy)
        files = [Path(name) for name in named.files]
        if named.key:
            with tempfile.TemporaryDirectory(prefix="thor-gpg-") as folder:
                key = Path(folder) / "embedded.asc"
                key.write_text(named.key, encoding="utf-8")
                return self.check_key(f"the key in {path}", key)
        if not named.fingerprints:
            return self.check_key(f"{' and '.join(named.files)}, which {path} names,", *files)
        # They choose among the keys in the files, so that whatever else lies there does not count.
        chosen = set(named.fingerprints)
        if chosen != {self.fingerprint}:
            keyrings = files or [place for place in trusted() if place.is_file()]
            known = (self.fingerprints(keyrings, f"Signed-By in {path}") if keyrings else {}) or {}
            chosen = {known.get(one, one) for one in chosen}
        return self.check_fingerprints(f"Signed-By in {path}", chosen)

    def read_lists(self, sources: Path) -> None:
        """Have apt read the lists of the sources in a folder, and of no other. Raises Failed."""
        argv = [
            "apt-get",
            "update",
            *options(sources),
            # What belongs to other sources stays.
            "-oAPT::Get::List-Cleanup=0",
            "-oAPT::Update::Error-Mode=any",
            "-oAcquire::Retries=2",
            f"-oAcquire::http::Timeout={min(30, self.wanted['timeout'])}",
            "-oDPkg::Lock::Timeout=300",
        ]
        code, out, err = self.module.run_command(["timeout", str(self.wanted["timeout"]), *argv])
        if code:
            said = (
                " ".join(line for line in (err or out).splitlines() if line.startswith(("E:", "W:")))
                or "no answer in time."
            )
            remedy = "Check network and proxy of the host, or name a mirror of yours."
            raise self.unreadable("url", self.wanted["url"], f"apt cannot read it: {said}", remedy, out + err)

    def check_packages(self, sources: Path) -> None:
        """Look whether the repository has the packages. Raises Failed."""
        for package in self.wanted["packages"]:
            name, _equals, version = package.partition("=")
            _code, out, _err = self.module.run_command(["apt-cache", "madison", *options(sources), name])
            versions = [line.split("|")[1].strip() for line in out.splitlines() if line.count("|") == 2]
            if not versions or (version and version not in versions):
                there = f"It has {', '.join(versions[:10])}." if versions else "It has none of that name."
                reason = f"{self.wanted['url']} does not have {package} for {self.wanted['architecture']}. {there}"
                raise self.failed(
                    "THOR-PACKAGE-MISSING", "packages", version or name, reason, "Choose another version."
                )


def options(sources: Path) -> list[str]:
    """Options that have apt see the sources of one folder only."""
    return ["-oDir::Etc::sourcelist=/dev/null", f"-oDir::Etc::sourceparts={sources}"]


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do it; returns the module's result. Raises Failed."""
    source = Source(module)
    present = source.present()
    text = source.text(source.key_path)
    scratch = Path(tempfile.mkdtemp(prefix="thor-apt-"))
    try:
        scratch.chmod(0o755)  # apt reads as a user of its own
        if present and present[0] != source.path:
            return _use_present(source, *present)
        key = scratch / source.key_path.name
        key.write_bytes(source.fetch_key())
        key.chmod(0o644)
        fingerprint = source.check_key(f"the key of {source.wanted['key_url']}", key)
        before, key_before = _content(source.path), _content(source.key_path)
        result = {
            "changed": before != text.encode() or key_before != key.read_bytes(),
            "path": str(source.path),
            "fingerprint": fingerprint,
            "trial": {
                "name": source.wanted["name"],
                "text": text,
                "key": key.read_text(encoding="utf-8", errors="replace"),
                "url": source.wanted["url"],
                "variable": source.wanted["variables"].get("url", "url"),
            },
            "diff": {
                "before": (before or b"").decode(errors="replace"),
                "after": text,
                "before_header": str(source.path),
                "after_header": str(source.path),
            },
        }
        if module.check_mode:
            return result
        trial = scratch / "sources"
        trial.mkdir(mode=0o755)
        (trial / source.path.name).write_text(source.text(key), encoding="utf-8")
        source.read_lists(trial)
        source.check_packages(trial)
        _install(module, source.key_path, key.read_bytes())
        _install(module, source.path, text.encode())
        return result
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def trusted() -> list[Path]:
    """The keyrings of all sources that name none."""
    return [SOURCES / "trusted.gpg", *sorted((SOURCES / "trusted.gpg.d").glob("*"))]


def _use_present(source: Source, path: Path, entry: Entry) -> dict[str, Any]:
    """Take the source that somebody else has put there, if it is what it should be."""
    fingerprint = source.check_entry(path, entry)
    if not source.module.check_mode:
        # apt reads a list file where a link has its name: the folder holds this one source.
        with tempfile.TemporaryDirectory(prefix="thor-apt-") as folder:
            os.chmod(folder, 0o755)
            (Path(folder) / path.name).symlink_to(path)
            source.read_lists(Path(folder))
            source.check_packages(Path(folder))
    return {"changed": False, "path": str(path), "fingerprint": fingerprint, "diff": {"before": "", "after": ""}}


def _install(module: AnsibleModule, path: Path, content: bytes) -> None:
    if _content(path) == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    # apt passes over names that begin with a dot.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.chmod(0o644)
    module.atomic_move(str(partial), str(path))


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
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except Failed as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
