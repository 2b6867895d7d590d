# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What no file of the checkout may hold, and what each must have."""

from __future__ import annotations

import re

import pytest
from checkout import ROOT, tracked

# Hosts of package indexes by their parts, so that this file names none, and options of pip and uv with a URL.
INDEX = re.compile(
    r"\b(?:pypi|pythonhosted|pypa|pytorch|npmjs|yarnpkg|debian|ubuntu|crates|rubygems|golang|conda|anaconda)\.(?:org|com|io)\b"
)
INDEX_OPTION = re.compile(
    r"(?:--(?:extra-)?index-url|--find-links|(?:PIP|UV)_\w*(?:INDEX|LINKS)\w*)[ =]+['\"]?https?://([^/:'\"\s]+)"
)
RESERVED = re.compile(
    r"[^.]+|.*\.(?:example|test)|(?:.*\.)?example\.(?:org|com|net)"
)  # RFC 2606, and names without a dot


def test_no_file_names_a_package_index() -> None:
    # Clients take the index from their own configuration, so that a site can have a mirror.
    wrong = []
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="replace")
        hosts = [found[0] for found in INDEX.finditer(text)]
        hosts += [host for host in INDEX_OPTION.findall(text) if not RESERVED.fullmatch(host)]
        wrong += [f"{path.relative_to(ROOT)} names {host}" for host in hosts]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://download.py" + "torch.org/whl/cpu", True),
        ("registry.np" + "mjs.org", True),
        ("pip install --index-url " + "https://mirror.corp/simple", True),
        ("PIP_EXTRA_INDEX_URL=" + "https://mirror.corp/simple", True),
        ("--find-links http://hub.test:8080/wheels/", False),
        ("--index-url http://mirror.example/simple", False),
        ("nvcr.io/nvidia/vllm", False),
    ],
)
def test_a_package_index_is_found_by_host_and_by_option(text: str, found: bool) -> None:
    hosts = [host for host in INDEX_OPTION.findall(text) if not RESERVED.fullmatch(host)]
    assert bool(INDEX.search(text) or hosts) == found


def test_no_test_and_no_script_changes_the_path_of_imports() -> None:
    # pyproject.toml says where tests import from, and PYTHONPATH where scripts do.
    changed = re.compile(r"\bsys\.path\b *(?:[\[=+]|\.(?:insert|append|extend)\b)")
    for path in tracked():
        if path.relative_to(ROOT).parts[0] in {"tests", "script"}:
            assert not changed.search(path.read_text(encoding="utf-8", errors="replace")), path.relative_to(ROOT)


def test_files_carry_a_licence_and_name_no_machine() -> None:
    # The changelog is written by a tool, LICENSE is the licence, and the facts are a device's own files.
    without_header = {"changelogs/changelog.yaml", "LICENSE"}
    home = re.compile(rf"(?<![\w.-])(/home/\w+/|/Users/\w+/|{re.escape(str(ROOT))}\b)")
    wrong = []
    for path in tracked():
        name = str(path.relative_to(ROOT))
        text = path.read_text(encoding="utf-8", errors="replace")
        if found := home.search(text):
            wrong.append(f"{name} names a path of one machine: {found[0]}")
        can_hold_one = path.suffix not in {".json", ".md", ".png", ".txt", ".wav"} and name not in without_header
        can_hold_one = can_hold_one and text != "" and not name.startswith("tests/sandbox/facts/")
        if can_hold_one and "SPDX-License-Identifier" not in "\n".join(text.splitlines()[:6]):
            wrong.append(f"{name} has no licence header")
    assert wrong == []
