# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Only packages that we installed, and that nothing else needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import install_record
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.packages import Packages, choose
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host


class Apt:
    """A double of apt-get's simulation (apt-get(8)): removing takes dependents along, and auto-removal what nothing depends on."""

    def __init__(self, depends: dict[str, list[str]], automatic: set[str]) -> None:
        self.depends = depends
        self.automatic = automatic

    def __call__(self, command: str, *arguments: str) -> set[str]:
        gone = {name for name in arguments if not name.startswith("-")} & set(self.depends)
        while more := {name for name, others in self.depends.items() if name not in gone and gone & set(others)}:
            gone |= more
        while command == "autoremove" or "--auto-remove" in arguments:
            used = {other for name, others in self.depends.items() if name not in gone for other in others}
            more = {name for name in self.depends if name in self.automatic and name not in used | gone}
            if not more:
                break
            gone |= more
        return gone


DEPENDS = {
    "bash": [],
    "docker": ["containerd", "libc"],
    "containerd": ["runc"],
    "runc": ["libc"],
    "libc": [],
    "orphan": [],
}
AUTOMATIC = {"containerd", "runc", "libc", "orphan"}
PRESENT = ["bash", "libc"]


def test_ours_go_with_what_was_installed_only_for_them() -> None:
    apt = Apt(DEPENDS, AUTOMATIC)
    # The orphan was left by somebody else, and libc was there before us.
    assert choose(["docker"], PRESENT, AUTOMATIC, apt) == (["containerd", "docker", "runc"], {})


def test_a_package_that_somebody_elses_needs_stays_with_its_dependencies() -> None:
    apt = Apt(
        {**DEPENDS, "compose": ["docker", "libcompose"], "libcompose": [], "cmake": []}, AUTOMATIC | {"libcompose"}
    )
    going, staying = choose(["cmake", "docker"], PRESENT, AUTOMATIC | {"libcompose"}, apt)
    assert (going, staying) == (["cmake"], {"docker": ["compose"]})


def test_what_a_person_installed_by_hand_stays() -> None:
    apt = Apt(DEPENDS, AUTOMATIC - {"runc"})
    assert choose(["docker"], PRESENT, AUTOMATIC - {"runc"}, apt)[0] == ["containerd", "docker"]


def test_nothing_is_left_to_remove() -> None:
    apt = Apt({"docker": [], "compose": ["docker"]}, set())
    assert choose(["docker"], [], set(), apt) == ([], {"docker": ["compose"]})


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host whose record names docker and a package that is gone."""
    monkeypatch.setattr(install_record, "installed", lambda: ["bash", "docker"])
    record = {**install_record.EMPTY, "packages": ["docker", "gone"], "present": ["bash"]}
    return Host(Path("/none"), record, lambda *_command: (0, "Remv docker [26.1]\n"))


def test_they_are_listed_unless_their_removal_is_asked_for(host: Host) -> None:
    (kept,) = Packages(host, remove=False).find()
    assert isinstance(kept, Kept) and kept.name == "docker" and "thor_remove_packages=true" in kept.why
    (item,) = Packages(host, remove=True).find()
    assert isinstance(item, Removable) and item.name == "docker"


def test_a_failure_of_apt_is_said(host: Host) -> None:
    failing = Host(host.root, host.record, lambda *_command: (100, "E: Could not get lock"))
    (kept,) = Packages(failing, remove=True).remove([Removable("package", "docker", (), 0, "")])
    assert kept.why == "apt-get remove said: E: Could not get lock"
