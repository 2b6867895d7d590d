# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module model_look: it reads, returns what it could read, and says what it could not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hub_server
import module_promises
import pytest
from tiny_folder import FOLDER


def test_it_returns_each_model_or_what_is_wrong_with_it(tmp_path: Path) -> None:
    with hub_server.running() as hub:
        hub.put("acme/small", FOLDER)
        arguments: dict[str, Any] = {
            "models": [
                {"key": "one", "identity": "a", "source": "hub", "sources": [source("acme/small")]},
                {"key": "two", "identity": "b", "source": "hub", "sources": [source("acme/gone")]},
            ],
            "hubs": {"modelscope": {"endpoint": f"{hub.url}/", "token": ""}},
            "retries": 0,
            "idle_timeout": 5,
        }
        seen = module_promises.keep_reading("model_look", arguments, tmp_path)["ansible_facts"]["thor_seen"]
    assert (seen["one"]["identity"], seen["one"]["about"]["context"]) == ("a", 40960)
    assert (seen["one"]["hub"], seen["one"]["id"], seen["one"]["revision"]) == ("modelscope", "acme/small", "master")
    assert (seen["two"]["identity"], seen["two"]["problem"]["code"]) == ("b", "THOR-MODEL-NOT-FOUND")


def test_a_token_with_a_line_break_is_in_no_message() -> None:
    with hub_server.running() as hub:
        hub.put("acme/small", FOLDER)
        arguments: dict[str, Any] = {
            "models": [{"key": "one", "source": "hub", "sources": [source("acme/small")]}],
            "hubs": {"modelscope": {"endpoint": hub.url, "token": "ms_s3cret\n"}},
            "retries": 0,
        }
        seen = module_promises.run("model_look", arguments)["ansible_facts"]["thor_seen"]
        assert seen["one"]["about"]["context"] == 40960, "a vault's line feed is no part of it"
        arguments["hubs"]["modelscope"]["token"] = "ms_s3cret\nX-Evil: yes"
        with pytest.raises(AssertionError, match=r"THOR-FETCH-ARGUMENT: hubs\.modelscope\.token") as failed:
            module_promises.run("model_look", arguments)
    assert "s3cret" not in str(failed.value)


def source(name: str) -> dict[str, str]:
    """A source of a model."""
    return {"hub": "modelscope", "id": name, "revision": "master"}
