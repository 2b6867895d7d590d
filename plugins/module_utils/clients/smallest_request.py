# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What "it has answered" means for readiness and liveness: the smallest real request of each API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, chat, embedding, rerank, transcription

SMALLEST_REQUEST: dict[str, Callable[[Mapping[str, Any], float], None]] = {
    "chat": chat.smallest,
    "embedding": embedding.smallest,
    "rerank": rerank.smallest,
    "transcription": transcription.smallest,
}


def ready(config: Mapping[str, Any], timeout: float) -> None:
    """Send the smallest real request of the service's API; return when it was answered, raise ProbeError otherwise.

    ``config`` is the service's ``/etc/thor/services/<name>.json``: at least ``api``, ``api_path``, ``address``, ``port``
    and ``served_name``.
    """
    ask = SMALLEST_REQUEST.get(config["api"])
    if ask is None:
        known = ", ".join(sorted(SMALLEST_REQUEST))
        raise api.ProbeError("unsupported", f"no request is known for the API {config['api']!r} (known: {known})")
    ask(config, timeout)
