# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What no file of the checkout may hold, and what each must have."""

from __future__ import annotations

import ast
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


LINES, FUNCTION = 400, 60
# Programs that are copied as one file, makers of data, and one scenario whose tests share a host and a registry.
LONGER = {
    "tests/gpu/run.py",
    "tests/integration/container_faults/test_engine_image.py",
    "tests/integration/real_vllm/tiny_qwen3.py: make",
    "tests/integration/real_vllm/tiny_whisper.py: make",
    "tests/sandbox/engine/standin.py",
    "tests/sandbox/hub.py: make_all",
    "tests/sandbox/hub.py: make_language_model",
}


def longer(name: str, source: str) -> set[str]:
    """The file, if it has too many lines, and those of its functions that have."""
    found = {name} if len(source.splitlines()) > LINES else set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= FUNCTION:
            found.add(f"{name}: {node.name}")
    return found


def test_no_file_and_no_function_is_longer_than_a_reader_can_hold() -> None:
    found: set[str] = set()
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".py" or text.startswith(("#!/usr/bin/env python3", "#!/usr/bin/python3")):
            found |= longer(str(path.relative_to(ROOT)), text)
    assert sorted(found - LONGER) == [], f"more than {LINES} lines, or {FUNCTION} in a function"
    assert sorted(LONGER - found) == [], "no longer too long: take it off the list"


def test_a_long_file_and_a_long_function_are_found() -> None:
    body = "    pass\n" * (FUNCTION - 1)
    assert longer("x", f"def short():\n{body}") == set()
    assert longer("x", f"def long():\n{body}    pass\n") == {"x: long"}
    assert longer("x", "\n" * LINES) == set() and longer("x", "\n" * (LINES + 1)) == {"x"}
