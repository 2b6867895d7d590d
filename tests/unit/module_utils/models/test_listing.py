# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Listings that cannot be a folder of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import listing
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST
from model_store import model, problem_of

BAD_LISTINGS: dict[str, list[dict[str, Any]]] = {
    "a file and a folder": [{"Path": "a", "Size": 1}, {"Path": "a/b", "Size": 1}],
    "twice": [{"Path": "a", "Size": 1}, {"Path": "a", "Size": 2}],
    "newline": [{"Path": "a\nb", "Size": 1}],
    "escape": [{"Path": "a\x1b[31m", "Size": 1}],
    "reversed": [{"Path": "a\u202egpj.exe", "Size": 1}],
    "half a surrogate pair": [{"Path": "a\ud800", "Size": 1}],
    "absolute": [{"Path": "/etc/passwd", "Size": 1}],
    "upwards": [{"Path": "a/../../b", "Size": 1}],
    "here": [{"Path": "./a", "Size": 1}],
    "backslash": [{"Path": "a\\..\\b", "Size": 1}],
    "no name": [{"Path": "", "Size": 1}],
    "no path": [{"Size": 1}],
    "deep": [{"Path": "/".join("d" * 40), "Size": 1}],
    "long name": [{"Path": "n" * 250, "Size": 1}],
    "long path": [{"Path": "/".join(["n" * 100] * 20), "Size": 1}],
    "negative": [{"Path": "a", "Size": -1}],
    "truth": [{"Path": "a", "Size": True}],
    "fraction": [{"Path": "a", "Size": 1.5}],
    "no size": [{"Path": "a"}],
    "huge": [{"Path": "a", "Size": 1 << 60}],
    "huge together": [{"Path": f"a{number}", "Size": 1 << 43} for number in range(3)],
    "a number for a hash": [{"Path": "a", "Size": 1, "Sha256": 5}],
    "a short hash": [{"Path": "a", "Size": 1, "Sha256": "ab"}],
    "a name that we use during the transfer": [{"Path": "a", "Size": 1}, {"Path": "a.incomplete", "Size": 1}],
    "the manifest during the transfer": [{"Path": f"{MANIFEST}.incomplete", "Size": 1}],
}


@pytest.mark.parametrize("entries", BAD_LISTINGS.values(), ids=BAD_LISTINGS)
def test_the_whole_listing_is_checked_before_any_transfer(
    entries: list[dict[str, Any]], hub: hub_server.Hub, place: Path
) -> None:
    good = [{"Path": "config.json", "Type": "blob", "Size": 2}]
    files = good + [{"Type": "blob", **entry} for entry in entries]
    hub.listing_body = json.dumps({"Code": 200, "Success": True, "Data": {"Files": files}}).encode()
    # The requested file is fine: the bad entries need not be fetched, and are refused all the same.
    problem = problem_of(model(hub, place, include=["config.json"]))
    assert problem["code"] == "THOR-HUB-ANSWER"
    assert problem["reason"].isprintable(), "no terminal escapes"
    assert len(hub.requests) == 1 and hub.transfers == []


def test_too_many_files(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_FILES", 3)
    assert "more than 3 files" in problem_of(model(hub, place))["reason"]
