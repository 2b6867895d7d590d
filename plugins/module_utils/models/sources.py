# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The hubs that a model may come from: list its files on the first one that can deliver it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import errors, hub, huggingface
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Listing
from ansible_collections.jetson.thor.plugins.module_utils.models.huggingface_client import list_with_client

# Failures of one hub after which another one may still deliver the model.
OTHERS_MAY = (
    "THOR-HUB-UNREACHABLE",
    "THOR-HUB-ANSWER",
    "THOR-HUB-LIMIT",
    "THOR-CLOCK-WRONG",
    "THOR-MODEL-NOT-FOUND",
    "THOR-MODEL-REVISION",
    "THOR-MODEL-DENIED",
    "THOR-MODEL-GATED",
)


def of_source(spec: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """The specification of one source: hub, id, revision, endpoint, token and client beside what holds for all."""
    return {**spec, **source}


def list_files(
    spec: Mapping[str, Any], home: Path | None = None, say: Callable[[str], None] = lambda _line: None
) -> Listing:
    """The files of a model, from the first of its sources that can deliver it.

    With ``home``, a directory for its files, the Hugging Face hub is listed by its own client; without it over plain HTTP.
    Raises FetchError: that of the only source, or THOR-MODEL-NO-SOURCE with what each has said.
    """
    failures: list[errors.FetchError] = []
    for number, source in enumerate(spec["sources"], 1):
        # Somebody waits: a hub that does not answer is asked less often while there is another one.
        retries = spec["retries"] if number == len(spec["sources"]) else min(spec["retries"], 1)
        at = of_source(spec, source) | {"retries": retries}
        say(f"listing the files of {source['id']} at {source['revision']} on {source['endpoint']}")
        try:
            return replace(_list(at, home, say), source=source)
        except errors.FetchError as error:
            if error.problem.code not in OTHERS_MAY or len(spec["sources"]) == 1:
                raise
            say(str(error))
            failures.append(error)
    raise errors.no_source(spec, failures)


def _list(at: Mapping[str, Any], home: Path | None, say: Callable[[str], None]) -> Listing:
    if at["hub"] == "modelscope":
        return Listing(at, None, hub.list_files(at, say))
    return huggingface.list_over_http(at, say) if home is None else list_with_client(at, home, say)
