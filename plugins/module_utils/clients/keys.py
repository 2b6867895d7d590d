# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The keys that requests to services carry, out of the files that hand them to the services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import SecretFiles


def learn_keys(services: Iterable[Mapping[str, Any]]) -> None:
    """Make requests to services that require an API key carry it, if this process may read the key."""
    for service in services:
        if service.get("api_key") and (key := SecretFiles().value(service["name"], service["api_key"])):
            api.keys[service["port"]] = key
