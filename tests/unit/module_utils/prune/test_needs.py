# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What counts as needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_tree import SERVICE, HostTree


def test_services_are_those_of_the_host_the_inventory_and_the_rollback(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.unit("served", "x")
    host.write("/etc/thor/services/configured.json", "{}")
    host.write("/etc/systemd/system/.thor-staged.service.new", "--config /etc/thor/services/staged.json")
    host.write("/var/lib/thor/before.json", '{"unit": "--config /etc/thor/services/a.b-c.json"}')
    assert host.needs(SERVICE).services == {"served", "configured", "staged", "a.b-c", "chat"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("--model /models/a/b", True),
        ("--model=/models/a/b,", True),
        ('"/models/a/b"', True),
        ("/models/a/b/config.json", True),
        ("/models/a/b-FP8", False),
        ("/models/a/b.gguf", False),
        ("/models/a/bc", False),
    ],
)
def test_a_path_is_named_as_a_whole_or_as_a_beginning(tmp_path: Path, text: str, known: bool) -> None:
    host = HostTree(tmp_path)
    host.write("/etc/thor/services/x.json", text)
    assert host.needs().names("/models/a/b") == ("/etc/thor/services/x.json" if known else None)


def test_the_draft_of_a_service_is_needed(tmp_path: Path) -> None:
    draft = {"path": "/models/a/draft", "file": None}
    service = {**SERVICE, "speculative": {"method": "draft", "model": draft}}
    assert HostTree(tmp_path).needs(service).names("/models/a/draft")


def test_a_projector_and_a_file_are_needed_by_their_paths(tmp_path: Path) -> None:
    model = {"path": "/models/a", "file": "m.gguf", "projector": "mmproj.gguf"}
    needs = HostTree(tmp_path).needs({**SERVICE, "model": model})
    assert needs.names("/models/a/m.gguf") and needs.names("/models/a/mmproj.gguf")
    assert needs.names("/models/a/other.gguf") is None
