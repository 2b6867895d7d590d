# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module hub_client, with the real pip and a folder of wheels: a real environment, from nothing to complete."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import module_promises
import pytest
from forward_proxy import ForwardProxy


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a module adopts goes again."""
    monkeypatch.setattr(
        os, "environ", {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    )


def wheel(folder: Path, name: str, version: str) -> None:
    """The smallest wheel (PEP 427)."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def failed(arguments: dict[str, Any]) -> str:
    """The whole result of a run that must fail."""
    with pytest.raises(AssertionError) as caught:
        module_promises.run("hub_client", arguments)
    return str(caught.value)


def test_it_keeps_its_promises_and_installs_another_version(tmp_path: Path) -> None:
    for name, version in (("my_hub", "1.0"), ("my_hub", "1.1"), ("a_library", "2.0")):
        wheel(tmp_path, name, version)
    home = tmp_path / "opt/hub"
    arguments = {"path": str(home), "pip_arguments": f"--no-index --find-links {tmp_path}"}
    done = module_promises.keep("hub_client", {**arguments, "packages": ["my-hub==1.0", "a-library==2.0"]}, tmp_path)
    assert done["missing"] == ["my-hub==1.0", "a-library==2.0"]
    newer = module_promises.run("hub_client", {**arguments, "packages": ["my-hub==1.1", "a-library==2.0"]})
    assert (newer["changed"], newer["missing"]) == (True, ["my-hub==1.1"])
    (home / "bin/python").unlink()
    (home / "bin/python").symlink_to("/nonexistent/python3.9")
    again = module_promises.run("hub_client", {**arguments, "packages": ["my-hub==1.1", "a-library==2.0"]})
    assert again["changed"] and (home / "bin/python").exists(), "the host's Python is another one"


def test_it_goes_through_the_proxy_and_says_no_password(tmp_path: Path) -> None:
    index = "http://index.nowhere.test/simple"
    arguments = {"path": str(tmp_path / "hub"), "packages": ["my-hub==1.0"]}
    options = f"--index-url {index.replace('//', '//robot:hunter2@')} --trusted-host index.nowhere.test"
    with ForwardProxy("site:hunter3") as site:
        given = {"pip_arguments": options, "proxy": {"http": site.address}}
        said = failed({**arguments, **given})
    assert "THOR-CLIENT-INSTALL" in said and "hunter" not in said
    assert site.passed and set(site.passed) == {f"GET {index}/my-hub/"}


def test_arguments_that_cannot_be_parsed_are_refused(tmp_path: Path) -> None:
    said = failed({"path": str(tmp_path / "hub"), "packages": ["a==1"], "pip_arguments": "--weird 'x hunter2"})
    assert "thor_pip_extra_args cannot be parsed: No closing quotation" in json.dumps(said) and "hunter2" not in said
