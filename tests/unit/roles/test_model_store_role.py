# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What was looked at is what the role model_store fetches."""

from __future__ import annotations

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from real_catalog import FILES

TASKS = FILES.parents[1] / "model_store" / "tasks" / "fetch.yml"


def sources_of(facts: dict[str, Any]) -> Any:
    """What hub_model gets for a model at /models/a/b."""
    loader = DataLoader()
    tasks = loader.load_from_file(str(TASKS), trusted_as_template=True)
    (arguments,) = (one["jetson.thor.hub_model"] for one in tasks if "jetson.thor.hub_model" in one)
    item = {"path": "/models/a/b", "sources": [{"hub": "huggingface", "id": "a/b", "revision": "main"}]}
    return Templar(loader, {"item": item, "ansible_facts": facts}).template(arguments["sources"])


def test_a_model_that_was_looked_at_is_fetched_at_the_commit_of_then() -> None:
    main = {"hub": "huggingface", "id": "a/b", "revision": "main"}
    seen = [{**main, "commit": "c" * 40}]
    assert sources_of({"thor_sources": {"/models/a/b": seen}}) == seen
    assert sources_of({"thor_sources": {"/models/other": seen}}) == [main]
    assert sources_of({}) == [main]
