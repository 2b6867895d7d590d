# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Logins of registries: each is sent to its own registry only, in a header of the request to dockerd, and is never shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.images import references

# What `docker login` calls Docker Hub. With another name the containerd store keeps the login to itself: it compares the name's
# host with the server's (moby, daemon/containerd/resolver.go, authorizationCredsFromAuthConfig).
HUB_ADDRESS = "https://index.docker.io/v1/"
HIDDEN = "********"


def login_of(spec: Mapping[str, Any], reference: str) -> Mapping[str, str] | None:
    """``username`` and ``password`` for the registry of an image; None where there is no login for it."""
    wanted = references.registry_of(reference)
    known = {references.registry(one["registry"]): one["login"] for one in spec["registry_logins"]}
    login: Mapping[str, str] | None = known.get(wanted)
    return login


def header(spec: Mapping[str, Any], reference: str) -> dict[str, str]:
    """The header with the login for an image's registry; empty without one."""
    login = login_of(spec, reference)
    if not login:
        return {}
    registry = references.registry_of(reference)
    address = HUB_ADDRESS if registry == references.HUB else registry
    content = {"username": login["username"], "password": login["password"], "serveraddress": address}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(content).encode()).decode()}


def variable(reference: str) -> str:
    """Where a person sets the login for an image's registry."""
    return f"thor_registry_logins[{references.registry_of(reference)!r}]"


def hidden(data: Any, spec: Mapping[str, Any]) -> Any:
    """Text or nested data without any password, whoever put it there."""
    passwords = [one["login"]["password"] for one in spec["registry_logins"]]
    return _hidden(data, sorted(passwords, key=len, reverse=True))


def _hidden(data: Any, passwords: list[str]) -> Any:
    if isinstance(data, str):
        for one in passwords:
            data = data.replace(one, HIDDEN)
        return data
    if isinstance(data, Mapping):
        return {_hidden(key, passwords): _hidden(one, passwords) for key, one in data.items()}
    return [_hidden(one, passwords) for one in data] if isinstance(data, list | tuple) else data
