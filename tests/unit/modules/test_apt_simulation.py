# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""apt itself, on folders of its own: what an installation beside JetPack's packages would do."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import apt_simulation as simulation
from ansible_collections.jetson.thor.plugins.module_utils.observe.toolkit import PACKAGES as TOOLKIT
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed
from ansible_collections.jetson.thor.plugins.modules import apt_simulation

from tests.sandbox import toolkit

JETPACK = ("nvidia-container", "nvidia-jetpack")
Host = Callable[..., SimpleNamespace]


def metapackages(version: str) -> list[toolkit.Package]:
    """The metapackages of JetPack 7.1 that depend on the four packages, each at exactly this version."""
    depends = [f"{name} (= {version})" for name in TOOLKIT]
    return [toolkit.Package(name, "7.1-b10", depends) for name in JETPACK]


def repository(folder: Path, *versions: str, others: tuple[toolkit.Package, ...] = ()) -> str:
    """A flat repository of the toolkit, and of further packages; its source. apt reads lists alone to simulate."""
    folder.mkdir()
    stanzas = [
        f"{one.control('all')}Filename: ./{one.name}.deb\nSize: 1\nSHA256: {hashlib.sha256(one.name.encode()).hexdigest()}\n"
        for one in [*(one for version in versions for one in toolkit.packages(version)), *others]
    ]
    (folder / "Packages").write_text("\n".join(stanzas))
    return f"Types: deb\nURIs: file:{folder}\nSuites: ./\nTrusted: yes\nSigned-By: /etc/apt/keyrings/x.asc\n"


@pytest.fixture(name="host")
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with sources and a state of its own, by apt's own configuration."""

    def make(installed: Mapping[str, str] | None = None, own: tuple[toolkit.Package, ...] = ()) -> SimpleNamespace:
        etc, lists = tmp_path / "etc", tmp_path / "lists"
        for folder in (etc, lists / "partial"):
            folder.mkdir(parents=True)
        (etc / "host.sources").write_text(repository(tmp_path / "host", others=own))
        known = {(one.name, one.version): one for one in own}
        for version in ("1.16.2", "1.18.0", "1.18.1"):
            known |= {(one.name, one.version): one for one in toolkit.packages(version)}
        status = "\n".join(
            re.sub(r"\n", "\nStatus: install ok installed\n", known[pair].control("all"), count=1)
            for pair in (installed or {}).items()
        )
        (tmp_path / "status").write_text(status)
        settings = {
            "Dir::State::status": tmp_path / "status",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            # Folders of pytest are closed to the account that apt reads with.
            "APT::Sandbox::User": "root",
        }
        (tmp_path / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
        monkeypatch.setattr(simulation, "SOURCES", etc)
        monkeypatch.setattr(simulation, "LISTS", lists)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        return SimpleNamespace(etc=etc, lists=lists)

    return make


def run(wanted: list[str], **sources: str) -> list[str]:
    """Simulate on that host; the packages that would be installed."""

    def run_command(argv: list[str], environ_update: Mapping[str, str]) -> tuple[int, str, str]:
        done = subprocess.run(argv, env={**os.environ, **environ_update}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    given = [
        {"name": name, "text": text, "key": "", "url": text.split()[3], "variable": "some_url"}
        for name, text in sources.items()
    ]
    params = {"packages": wanted, "sources": given, "timeout": 60}
    module: Any = SimpleNamespace(params=params, run_command=run_command)
    return apt_simulation.run(module)


def four(version: str) -> list[str]:
    return [f"{name}={version}" for name in TOOLKIT]


def test_a_fresh_host_would_get_the_toolkit_and_does_not_change(host: Host, tmp_path: Path) -> None:
    made = host()
    source = repository(tmp_path / "nvidia", "1.18.0", "1.18.1")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert sorted(run(four("1.18.1-1"), nvidia=source)) == sorted(TOOLKIT)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before, "sources, lists and cache are gone with it"
    assert list(made.etc.iterdir()) == [made.etc / "host.sources"]


def test_removal_of_jetpacks_metapackages_is_refused_by_name(host: Host, tmp_path: Path) -> None:
    jetpack = tuple(metapackages("1.18.0-1"))
    host({**dict.fromkeys(TOOLKIT, "1.18.0-1"), **dict.fromkeys(JETPACK, "7.1-b10")}, own=jetpack)
    source = repository(tmp_path / "nvidia", "1.18.0", "1.18.1")
    with pytest.raises(Failed) as failure:
        run(four("1.18.1-1"), nvidia=source)
    text = str(failure.value)
    assert text.startswith("THOR-APT-REMOVES: ") and "Nothing was changed" in text
    assert "nvidia-container 7.1-b10" in text and "nvidia-jetpack 7.1-b10" in text
    assert run(four("1.18.0-1"), nvidia=source) == [], "what it wants is there"


def test_an_old_toolkit_is_upgraded(host: Host, tmp_path: Path) -> None:
    host(dict.fromkeys(TOOLKIT, "1.16.2-1"))
    source = repository(tmp_path / "nvidia", "1.18.1")
    assert sorted(run(four("1.18.1-1"), nvidia=source)) == sorted(TOOLKIT)


def test_a_missing_version_is_reported_with_the_available_ones(host: Host, tmp_path: Path) -> None:
    host()
    with pytest.raises(Failed) as failure:
        run(four("1.99.0-1"), nvidia=repository(tmp_path / "nvidia", "1.18.0", "1.18.1"))
    text = str(failure.value)
    assert text.startswith("THOR-PACKAGE-MISSING: ") and "1.18.1-1" in text and "1.18.0-1" in text
    with pytest.raises(Failed, match=r"THOR-PACKAGE-MISSING: .*docker\.io"):
        run(["docker.io"])


def test_unmet_dependencies_are_reported_in_apts_words(host: Host) -> None:
    host(own=(toolkit.Package("docker.io", "26.1", ["containerd (>= 1.7)"]),))
    with pytest.raises(Failed) as failure:
        run(["docker.io"])
    text = str(failure.value)
    assert text.startswith("THOR-APT-REFUSES: ") and "containerd (>= 1.7)" in text


def test_old_lists_are_read_again_and_the_hosts_stay_unchanged(host: Host, tmp_path: Path) -> None:
    made = host(own=(toolkit.Package("docker.io", "26.1", []),))
    # The host knows another repository's packages only, from before.
    old = made.lists / "old_Packages"
    old.write_text("")
    assert run(["docker.io"]) == ["docker.io"]
    assert sorted(path.name for path in made.lists.iterdir()) == ["old_Packages", "partial"] and old.read_text() == ""
    assert not list(tmp_path.glob("thor-apt-*"))


def test_an_unreadable_repository_is_reported_by_its_variable(host: Host, tmp_path: Path) -> None:
    host()
    with pytest.raises(Failed) as failure:
        run(four("1.18.1-1"), nvidia=f"Types: deb\nURIs: file:{tmp_path}/absent\nSuites: ./\nTrusted: yes\n")
    text = str(failure.value)
    assert text.startswith("THOR-REPOSITORY-FAILED: ") and f'some_url = "file:{tmp_path}/absent"' in text


def test_a_list_from_the_future_means_a_wrong_clock(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host()
    said = (
        "E: Release file for http://ports.example.com/dists/noble/InRelease is not valid yet (invalid for another 61d 2h). "
        "Updates for this repository will not be applied.\n"
    )
    real = simulation.Simulation.apt

    def apt(self: simulation.Simulation, program: str, *arguments: Any, **options: Any) -> tuple[int, str]:
        return (100, said) if "update" in arguments else real(self, program, *arguments, **options)

    monkeypatch.setattr(simulation.Simulation, "apt", apt)
    with pytest.raises(Failed) as failure:
        run(["docker.io"])
    assert str(failure.value).startswith("THOR-CLOCK-WRONG: ") and "insecure" not in str(failure.value)


def test_it_keeps_its_promises(host: Host, tmp_path: Path) -> None:
    made = host(own=(toolkit.Package("docker.io", "26.1", []),))
    result = module_promises.keep_reading("apt_simulation", {"packages": ["docker.io"]}, made.etc, made.lists)
    assert result["install"] == ["docker.io"]
    assert not list(tmp_path.glob("thor-apt-*"))
