# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""script/flags: the form in which it stores the options of an engine's version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scripts

LISTS = sorted((Path(__file__).resolve().parents[3] / "roles/catalog/files/flags").glob("*.json"))

flags = scripts.load("flags")


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_stored_lists_are_in_the_form_that_the_script_writes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == flags.written(json.loads(text))


def test_every_option_has_its_own_line() -> None:
    options = {"--port": {"aliases": ["-p"], "choices": None}, "--größe": {"aliases": [], "choices": ['"', "\n"]}}
    content = {"engine": "x", "version": "1", "options": options, "removed": {"--old": "use --port"}}
    text = flags.written(content)
    assert json.loads(text) == content
    assert text.splitlines() == [
        "{",
        ' "engine": "x",',
        ' "version": "1",',
        ' "options": {',
        '  "--port": {"aliases": ["-p"], "choices": null},',
        r'  "--größe": {"aliases": [], "choices": ["\"", "\n"]}',
        " },",
        ' "removed": {',
        '  "--old": "use --port"',
        " }",
        "}",
    ]
