# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Result files: which are read, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.report import result_files
from lean_results import result, service


def write(folder: Path, name: str, document: Any) -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_results_are_read_from_files_and_folders_the_oldest_first(tmp_path: Path) -> None:
    write(tmp_path, "b.json", result("thor02", 2))
    write(tmp_path, "a.json", result("thor01", 3))
    write(tmp_path, "report.html", "<html>")
    extra = write(tmp_path, "one.json", result("thor03", 1))
    documents, problems = result_files.read_all([tmp_path, extra])
    assert [one["host"] for one in documents] == ["thor03", "thor02", "thor01"], "each once"
    assert problems == []


def test_another_version_of_the_schema_is_refused_by_file_and_version(tmp_path: Path) -> None:
    path = write(tmp_path, "old.json", {**result("thor01", 1), "schema": 2})
    document, (problem,) = result_files.read(path)
    assert document is None
    assert (problem.code, problem.variable, problem.value) == ("THOR-RESULT-SCHEMA", str(path), 2)
    assert "reads version 1" in problem.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "names no schema"),
        ({"models": []}, "names no schema"),
        ({**result("thor01", 1), "host": 7}, "must be a string"),
        ({key: value for key, value in result("thor01", 1).items() if key != "conditions"}, "required"),
        (result("thor01", 1, {**service(), "state": "perhaps"}), "has no such value"),
        (result("thor01", 1, hot=None), "must be a list"),
        (result("thor01", 1, service(loads=[{"concurrency": 1}])), "required"),
        (result("thor01", 1, service(float("nan"))), "NaN is not a number"),
    ],
)
def test_an_invalid_result_is_refused_with_its_place(tmp_path: Path, content: Any, words: str) -> None:
    path = write(tmp_path, "x.json", content)
    document, problems = result_files.read(path)
    assert document is None and problems
    assert all(one.code == "THOR-RESULT-INVALID" and one.variable.startswith(str(path)) for one in problems)
    assert any(words in one.reason for one in problems), problems


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    documents, (problem,) = result_files.read_all([tmp_path / "gone"])
    assert documents == [] and problem.variable == str(tmp_path / "gone")


def test_an_additional_key_does_not_change_the_version(tmp_path: Path) -> None:
    document, problems = result_files.read(write(tmp_path, "x.json", {**result("thor01", 1), "weather": "fine"}))
    assert problems == [] and document is not None
