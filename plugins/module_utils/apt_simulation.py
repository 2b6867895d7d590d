# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""apt with sources, lists and a cache of its own: what an installation would do, without any change to the host."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.jetson.thor.plugins.module_utils import apt
from ansible_collections.jetson.thor.plugins.module_utils.apt import failed, unreadable
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SOURCES = Path("/etc/apt/sources.list.d")
LISTS = Path("/var/lib/apt/lists")
UNCHANGED = "Nothing was changed."
_MISSING = re.compile(
    r"^E: (?:Version '.+' for '(.+)' was not found|Unable to locate package (\S+)|Package '(.+)' has no inst)",
    re.MULTILINE,
)


class Simulation:
    """The folders of one simulation below ``scratch``, from the parameters of the module apt_simulation."""

    def __init__(self, module: AnsibleModule, scratch: Path) -> None:
        os.umask(0o022)  # apt reads keys and lists as the user _apt, whatever root's umask is
        self.module = module
        self.scratch = scratch
        self.packages: list[str] = module.params["packages"]
        self.host_output = ""  # of reading the lists of all sources
        self.own = scratch / "own"  # the further sources alone
        self.all = scratch / "all"  # together with the host's
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

    def run(self) -> list[str]:
        """The packages that would be installed. Raises Failed."""
        fresh = not self._use_host_lists()
        if fresh:
            self._read_all()
        if self.module.params["sources"]:
            self._read_own()
        code, output = self._install()
        if code and not fresh and not apt.removed(output):
            # The host's lists may be old; the installation itself reads them again.
            shutil.rmtree(self.scratch / "lists")
            (self.scratch / "lists/partial").mkdir(parents=True, mode=0o755)
            self._read_all()
            code, output = self._install()
        self._refuse(code, output)
        return re.findall(r"^Inst (\S+)", output, re.MULTILINE)

    def apt(self, program: str, sources: Path, *arguments: str, alone: bool = False) -> tuple[int, str]:
        """Run a program of apt on the temporary folders; its exit status and output."""
        folders = [f"-oDir::State::lists={self.scratch / 'lists'}", f"-oDir::Cache={self.scratch / 'cache'}"]
        folders += [f"-oDir::Etc::sourceparts={sources}", *(["-oDir::Etc::sourcelist=/dev/null"] if alone else [])]
        command = ["timeout", str(self.module.params["timeout"]), program, *folders, *arguments]
        code, out, err = self.module.run_command(
            command, environ_update={"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        )
        return code, f"{out}\n{err}"

    def _use_host_lists(self) -> bool:
        """Link to the lists that the host has; whether there are any."""
        found = [path for path in LISTS.glob("*") if path.is_file() and path.name != "lock"]
        for path in found:
            (self.scratch / "lists" / path.name).symlink_to(path)
        return any("Packages" in path.name for path in found)

    def _update(self, sources: Path, *arguments: str, alone: bool = False) -> tuple[int, str]:
        options = ("-oAPT::Get::List-Cleanup=0", "-oAcquire::Retries=2", "-oAcquire::http::Timeout=30")
        return self.apt("apt-get", sources, "update", *options, *arguments, alone=alone)

    def _read_all(self) -> None:
        """Read the lists of all sources. Some of the host's may fail, which matters only if a package is missing."""
        _code, self.host_output = self._update(self.all)

    def _read_own(self) -> None:
        """Read the lists of the further sources. Raises Failed."""
        code, output = self._update(self.own, "-oAPT::Update::Error-Mode=any", alone=True)
        if code:
            given = self.module.params["sources"]
            variables, urls = (" and ".join(source[key] for source in given) for key in ("variable", "url"))
            raise _unreadable(variables, urls, output)

    def _install(self) -> tuple[int, str]:
        options = (
            "--simulate",
            "--no-install-recommends",
            "--allow-downgrades",
            "--allow-change-held-packages",
            "--yes",
        )
        return self.apt("apt-get", self.all, "install", *options, *self.packages)

    def _refuse(self, code: int, output: str) -> None:
        """Raise Failed if a package would be removed, or if apt refuses."""
        wanted = ", ".join(self.packages)
        if gone := apt.removed(output):
            reason = f"the installation would remove {', '.join(gone)}."
            remedy = (
                f"{UNCHANGED} Check the dependencies (apt-get --simulate install {' '.join(self.packages)}), then install a matching "
                "version by hand or name it (container_runtime_toolkit_version): a suitable installed version is used."
            )
            raise failed("THOR-APT-REMOVES", "packages", wanted, reason, remedy)
        if code and (match := _MISSING.search(output)):
            raise self._missing(wanted, next(filter(None, match.groups())))
        if code:
            remedy = (
                f"{UNCHANGED} Correct what apt names (sudo apt-get check), or install these packages by hand: suitable installed "
                "versions are used."
            )
            raise failed(
                "THOR-APT-REFUSES", "packages", wanted, f"apt cannot install them: {apt.complaints(output)}", remedy
            )

    def _missing(self, wanted: str, name: str) -> Failed:
        if re.search(r"^[EW]:", self.host_output, re.MULTILINE):
            return _unreadable("the host's own package sources", None, self.host_output)
        _code, known = self.apt("apt-cache", self.all, "madison", name)
        reason = f"no source of this host has this version of {name}. {apt.available(known)}"
        remedy = f"{UNCHANGED} Choose another version, or correct the host's sources (sudo apt-get update)."
        return failed("THOR-PACKAGE-MISSING", "packages", wanted, reason, remedy)


def _unreadable(variable: str, value: str | None, output: str) -> Failed:
    remedy = f"{UNCHANGED} Check network and proxy of the host, or name a mirror of your own."
    return unreadable(variable, value, f"apt cannot read it: {apt.complaints(output)}", remedy, output)
