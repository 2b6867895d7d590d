# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The lock of models that are on Hugging Face: the commit of their branch, and the size and hash of each file at this commit.

The hub states a sha256 for files that are stored with LFS, and git's blob id for the others. ``HF_ENDPOINT`` names a mirror, ``HF_TOKEN``
holds a token for gated and private models: a command line is readable by everybody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from wheel_choice import Unreadable

Entry = dict[str, Any]
# Models that another token may read stay unpinned, with the reason. Other refusals are errors.
NOT_FOR_US = ("THOR-MODEL-GATED", "THOR-MODEL-DENIED")


def lock_on_huggingface(
    key: str,
    model: Mapping[str, Any],
    old: Mapping[str, Any],
    timeout: float | None,
    of_collection: Callable[[str], Any],
    select: Callable[[Mapping[str, Entry], Mapping[str, Any]], dict[str, Entry]],
) -> Entry:
    """The model's entry of the lock; without a ``timeout`` offline: what is held, if it still fits. Raises Unreadable."""
    branch = model.get("revision") or "main"
    branch = str(branch.get("huggingface", "main") if isinstance(branch, Mapping) else branch)
    entry: Entry = {"id": model["huggingface"], "hub": "huggingface"}
    if timeout is None:
        held: Mapping[str, Entry] = old.get("files") or {}
        same = held and (entry | {"branch": branch}).items() <= old.items() and select(held, model) == held
        return dict(old) if same else entry | {"unpinned": model.get("unpinned", "the hub has not been listed yet")}
    huggingface, errors = (of_collection(f"module_utils.models.{name}") for name in ("huggingface", "errors"))
    hub = of_collection("module_utils.models.hubs").HUBS["huggingface"]
    at = {
        "source": "hub",
        "hub": "huggingface",
        "id": model["huggingface"],
        "revision": branch,
        "endpoint": os.environ.get("HF_ENDPOINT", hub.endpoint).rstrip("/"),
        "token": os.environ.get("HF_TOKEN"),
        "retries": 2,
        "idle_timeout": int(timeout),
    }
    try:
        found = huggingface.list_over_http(at)
    except errors.FetchError as error:
        if error.problem.code in NOT_FOR_US:
            return entry | {"unpinned": f"{error.problem.reason} (script/lock with HF_TOKEN can list it)"}
        raise Unreadable(f"model {key}: {error}") from error
    files = select({name: _plain(one) for name, one in found.files.items()}, model)
    if not files:
        names = ", ".join(sorted(found.files)[:50]) or "nothing"
        raise Unreadable(f"model {key}: no file of {at['id']} matches its include; there is: {names}")
    return entry | {"branch": branch, "revision": found.commit, "files": files}


def _plain(entry: Any) -> Entry:
    digest = {"sha256": entry.sha256} if entry.sha256 else {"blob": entry.blob}
    return {"size": entry.size, **digest}
