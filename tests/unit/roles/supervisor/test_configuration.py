# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The configuration of a service, as far as the supervisor reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from supervisor_helper import service_document
from thor_supervisor import configuration
from thor_supervisor.configuration import Configuration


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (None, None),
        ({"path": "/slots", "match": "n_past"}, None),  # a page shows it
        ({"match": "progress = "}, "progress = "),
    ],
)
def test_the_output_shows_progress_only_if_no_page_does(progress: Any, line: str | None) -> None:
    assert Configuration.from_document(service_document(progress=progress)).progress_line == line


@pytest.mark.parametrize(
    ("settings", "gpu"),
    [
        ({"gpu": {"evidence": ["CUDA0"]}}, {"evidence": ["CUDA0"]}),
        ({"gpu": None}, None),
        ({"gpu_log": "CUDA0"}, {"evidence": ["CUDA0"]}),  # of an earlier version, which a rollback brings back
        ({}, None),
    ],
)
def test_the_evidence_for_the_gpu(settings: dict[str, Any], gpu: Any) -> None:
    document = {key: value for key, value in service_document().items() if key != "gpu"}
    assert Configuration.from_document({**document, **settings}).gpu == gpu


def test_start_timeouts_are_read_as_far_as_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "CONFIGS", str(tmp_path))
    for name, text in (
        ("a", '{"start_timeout": 5}'),
        ("b", "{"),
        ("c", "[]"),
        ("d", "{}"),
        ("e", '{"start_timeout": []}'),
    ):
        (tmp_path / f"{name}.json").write_text(text)
    (tmp_path / "f.json").mkdir()
    assert configuration.start_timeouts() == [5.0]


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_a_file_that_is_not_a_configuration_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "chat.json").write_text(text)
    with pytest.raises(ValueError, match=r"JSON|Expecting"):
        configuration.read(str(tmp_path / "chat.json"))
