# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The secrets of a host's services, which appear in no fact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def service_secrets(profiles: Iterable[Any], extra_profiles: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The secrets by service, with the names that plugin_utils/catalog/resolve.py gives services."""
    found: dict[str, Any] = {}
    for written in profiles or []:
        entry = written if isinstance(written, Mapping) else {"profile": written}
        named = str(entry.get("profile"))
        profile = (extra_profiles or {}).get(named) or {}
        secrets = {**(profile.get("secrets") or {}), **(entry.get("secrets") or {})}
        if secrets:
            found[str(entry.get("name", named))] = secrets
    return found
