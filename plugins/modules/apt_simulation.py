#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What apt would install and remove, found out without a change to the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_simulation
short_description: Show what apt would install and remove, without changing the host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Lets apt simulate an installation, with the host's sources and with further ones that are not on the host yet. Sources, keys, lists and
    cache are in a temporary folder, so nothing on the host changes, and the module works in check mode and on a fresh host.
  - Fails if apt would remove a package, or cannot install one.
  - Uses the lists of the host if there are any. If they are not enough for apt, all lists are read again, into the temporary folder.
options:
  packages:
    description: Packages to install, C(NAME) or C(NAME=VERSION). A version may be lower than the installed one.
    type: list
    elements: str
    required: true
  sources:
    description: Further sources, each as M(jetson.thor.apt_source) returns it in C(trial).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the files.
        type: str
        required: true
      text:
        description: The source in deb822 form.
        type: str
        required: true
      key:
        description: The key that signs the source, in ASCII armor.
        type: str
        required: true
      url:
        description: Address of the repository, for messages.
        type: str
        required: true
      variable:
        description: Name of the variable in which users set the address, for messages.
        type: str
        required: true
  timeout:
    description: Seconds that apt may take to read lists.
    type: int
    default: 300
attributes:
  check_mode:
    description: Can run in check mode and return what is found without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: none
requirements:
  - root
seealso:
  - module: jetson.thor.apt_source
"""

EXAMPLES = r"""
- name: Check what the installation of Docker would do
  jetson.thor.apt_simulation:
    packages: [docker.io]
"""

RETURN = r"""
install:
  description: Packages that would be installed or change their version.
  type: list
  elements: str
  returned: success
"""

import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.observe import packages

SOURCES = Path("/etc/apt/sources.list.d")
LISTS = Path("/var/lib/apt/lists")
_MISSING = re.compile(
    r"^E: (?:Version '.+' for '(.+)' was not found|Unable to locate package (\S+)|Package '(.+)' has no inst)",
    re.MULTILINE,
)


class Failed(Exception):
    """A message with a code for the person."""


class Simulation:
    """apt with folders of its own."""

    def __init__(self, module: AnsibleModule, scratch: Path) -> None:
        os.umask(0o022)  # apt reads keys and lists as the user _apt, whatever root's umask is
        self.module = module
        self.host = platform.node()
        self.scratch = scratch
        self.said = ""  # when the lists of all sources were read
        self.asked = ", ".join(module.params["packages"])
        self.own = scratch / "own"  # the further sources alone
        self.all = scratch / "all"  # and with the host's
        for name in ("own", "all", "lists/partial", "cache/archives/partial"):
            (scratch / name).mkdir(parents=True, mode=0o755)
        for present in SOURCES.glob("*"):
            (self.all / present.name).symlink_to(present)
        for source in module.params["sources"]:
            key = scratch / f"{source['name']}.asc"
            key.write_text(source["key"], encoding="utf-8")
            text = re.sub(r"(?m)^Signed-By:.*$", f"Signed-By: {key}", source["text"])
            for folder in (self.own, self.all):
                file = folder / f"{source['name']}.sources"
                file.unlink(missing_ok=True)
                file.write_text(text, encoding="utf-8")

    def apt(self, program: str, sources: Path, *arguments: str, alone: bool = False) -> tuple[int, str]:
        """Run a program of apt on the temporary folders; its exit status and what it said."""
        folders = [f"-oDir::State::lists={self.scratch / 'lists'}", f"-oDir::Cache={self.scratch / 'cache'}"]
        folders += [f"-oDir::Etc::sourceparts={sources}", *(["-oDir::Etc::sourcelist=/dev/null"] if alone else [])]
        command = ["timeout", str(self.module.params["timeout"]), program, *folders, *arguments]
        code, out, err = self.module.run_command(
            command, environ_update={"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        )
        return code, f"{out}\n{err}"

    def take_lists(self) -> bool:
        """Use the lists that the host has; whether there are any."""
        found = [path for path in LISTS.glob("*") if path.is_file() and path.name != "lock"]
        for path in found:
            (self.scratch / "lists" / path.name).symlink_to(path)
        return any("Packages" in path.name for path in found)

    def drop_lists(self) -> None:
        """Begin without lists."""
        shutil.rmtree(self.scratch / "lists")
        (self.scratch / "lists/partial").mkdir(parents=True, mode=0o755)

    def read(self, sources: Path, *arguments: str, alone: bool = False) -> None:
        """Read lists. Raises Failed."""
        patience = ("-oAPT::Get::List-Cleanup=0", "-oAcquire::Retries=2", "-oAcquire::http::Timeout=30")
        code, output = self.apt("apt-get", sources, "update", *patience, *arguments, alone=alone)
        if code and alone:
            urls = ", ".join(source["url"] for source in self.module.params["sources"])
            variables = " and ".join(source["variable"] for source in self.module.params["sources"])
            raise self.unreadable(f"{variables} = {urls}", output)
        # Of the host's own sources some may fail; it matters where a package is missing then.
        self.said = "" if alone else output

    def unreadable(self, what: str, said: str) -> Failed:
        """A message about sources that apt cannot read."""
        code, remedy = "THOR-REPOSITORY-FAILED", "Check network and proxy of the host, or name a mirror of yours."
        if network_errors.clock_is_behind(said):
            code, remedy = "THOR-CLOCK-WRONG", network_errors.CLOCK_REMEDY
        return Failed(
            f"{code}: {self.host}: {what}: apt cannot read it: {packages.complaints(said)} Nothing was changed. {remedy}"
        )

    def install(self) -> tuple[int, str]:
        """Simulate the installation."""
        options = (
            "--simulate",
            "--no-install-recommends",
            "--allow-downgrades",
            "--allow-change-held-packages",
            "--yes",
        )
        return self.apt("apt-get", self.all, "install", *options, *self.module.params["packages"])

    def judge(self, code: int, output: str) -> list[str]:
        """The packages that would be installed. Raises Failed where one would be removed, or apt refuses."""
        gone = packages.removed(output)
        if gone:
            raise Failed(
                f"THOR-APT-REMOVES: {self.host}: the installation of {self.asked} would remove {', '.join(gone)}. Nothing was changed. "
                f"Look at what depends on what (apt-get --simulate install {' '.join(self.module.params['packages'])}); install a version "
                "that goes with it by hand, or name it (container_runtime_toolkit_version): what is installed and good enough is used."
            )
        missing = (
            next((next(filter(None, match.groups())) for match in _MISSING.finditer(output)), None) if code else None
        )
        if missing and re.search(r"^[EW]:", self.said, re.MULTILINE):
            raise self.unreadable("the host's own package sources", self.said)
        if missing:
            _code, known = self.apt("apt-cache", self.all, "madison", missing)
            versions = [line.split("|")[1].strip() for line in known.splitlines() if line.count("|") == 2]
            there = f"There is {', '.join(versions[:10])}." if versions else "There is none of that name."
            raise Failed(
                f"THOR-PACKAGE-MISSING: {self.host}: {self.asked}: no source of this host has {missing} like that. {there} "
                "Nothing was changed. Choose another version, or mend the host's sources (sudo apt-get update)."
            )
        if code:
            raise Failed(
                f"THOR-APT-REFUSES: {self.host}: apt does not install {self.asked}: {packages.complaints(output)} Nothing was changed. "
                "Mend what it names (sudo apt-get check), or install these packages by hand: what is there and good enough is used."
            )
        return re.findall(r"^Inst (\S+)", output, re.MULTILINE)


def run(module: AnsibleModule) -> list[str]:
    """Do it; the packages that would be installed. Raises Failed."""
    scratch = Path(tempfile.mkdtemp(prefix="thor-apt-"))
    try:
        scratch.chmod(0o755)  # apt reads as a user of its own
        simulation = Simulation(module, scratch)
        fresh = not simulation.take_lists()
        if fresh:
            simulation.read(simulation.all)
        if any(os.scandir(simulation.own)):
            simulation.read(simulation.own, "-oAPT::Update::Error-Mode=any", alone=True)
        code, output = simulation.install()
        if code and not fresh and not packages.removed(output):
            # The lists may be old: the installation itself reads them anew.
            simulation.drop_lists()
            simulation.read(simulation.all)
            code, output = simulation.install()
        return simulation.judge(code, output)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> None:
    """Run the module."""
    source = {
        name: {"type": "str", "required": True, "no_log": False} for name in ("name", "text", "key", "url", "variable")
    }
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "sources": {"type": "list", "elements": "dict", "default": [], "options": source},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        install = run(module)
    except Failed as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, install=install)


if __name__ == "__main__":
    main()
