# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What building a source distribution needs, and which ones no lock accepts."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from source_check import LEGACY, Refused, build_requirements

MODERN = '[build-system]\nrequires = ["hatchling>=1", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n'
OWN = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["tools"]\n'


def archive(kind: str, files: dict[str, str]) -> tuple[str, bytes]:
    """A source distribution with these files."""
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as target:
            for name, text in files.items():
                target.writestr(f"toy-1/{name}", text)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(f"toy-1/{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
    return f"toy-1.{kind}", buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    ("files", "requires"),
    [
        ({"pyproject.toml": MODERN}, ["hatchling>=1", "hatch-vcs"]),
        ({"pyproject.toml": "[tool.black]\n", "setup.py": "from setuptools import setup\nsetup()\n"}, LEGACY),
        ({"setup.py": "# -*- coding: utf-8 -*-\nfrom distutils.core import setup\nimport os, re\n"}, LEGACY),
        # Only what takes part in the build counts.
        ({"pyproject.toml": MODERN, "toy/download.py": "import requests\n"}, ["hatchling>=1", "hatch-vcs"]),
        ({"pyproject.toml": OWN, "tools/own.py": "import os\n", "toy.py": ""}, []),
    ],
)
def test_the_requirements_of_a_build_come_from_its_project(
    kind: str, files: dict[str, str], requires: list[str]
) -> None:
    assert build_requirements(*archive(kind, files)) == requires


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {"pyproject.toml": '[build-system]\nrequires = ["nvidia-stub"]\nbuild-backend = "nvidia_stub.buildapi"\n'},
            "is a stub",
        ),
        (
            {"pyproject.toml": '[build-system]\nrequires = ["tool @ https://example.org/tool.whl"]\n'},
            "which comes from no index",
        ),
        ({"pyproject.toml": '[build-system]\nrequires = "tool"\n'}, "is not a list of requirements"),
        ({"pyproject.toml": 'build-system = "tool"\n'}, "is not a table"),
        ({"pyproject.toml": "[build-system\n"}, "pyproject.toml cannot be read"),
        ({"pyproject.toml": OWN, "tools/own.py": "import http.client as c\n"}, "tools/own.py imports http.client"),
        (
            {"pyproject.toml": MODERN, "setup.py": "import pip\nfrom requests.sessions import Session\n"},
            "setup.py imports pip, requests",
        ),
        ({"setup.py": "def broken(:\n"}, "setup.py cannot be parsed"),
    ],
)
def test_a_build_that_would_use_the_network_is_refused(files: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        build_requirements(*archive("tar.gz", files))
    assert reason in str(caught.value)
    assert str(caught.value).startswith("toy-1.tar.gz")


@pytest.mark.parametrize("file", ["toy-1.tar.gz", "toy-1.zip"])
def test_a_damaged_archive_is_refused(file: str) -> None:
    for content in (b"", b"no archive", archive(file.removeprefix("toy-1."), {"setup.py": "a = 1\n" * 500})[1][:60]):
        with pytest.raises(Refused, match=r"toy-1\.\S+ cannot be read"):
            build_requirements(file, content)
