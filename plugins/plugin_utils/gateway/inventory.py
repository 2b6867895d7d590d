# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What an inventory may say about the gateway: ``thor_gateway`` and ``thor_gateway_keys``, and what is wrong with the keys. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import Client

PORT = 443
ADDRESS = "0.0.0.0"
BODY = "64m"
# Keys are stored by their SHA-256, which is fast to compute: only a long random key resists guessing.
SHORTEST_KEY = 20
# Digests of these are in inventories where $KEY was not set or somebody tried things out; also with the newline that echo adds.
GUESSED = (
    "",
    "admin",
    "changeme",
    "key",
    "KEY",
    "$KEY",
    "my-key",
    "password",
    "robot7",
    "secret",
    "test",
    "thor",
    "token",
    "123456",
    "12345678",
)
GUESSED_SHA256 = frozenset(
    hashlib.sha256(f"{word}{end}".encode()).hexdigest() for word in GUESSED for end in ("", "\n")
)
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def settings(given: Any) -> dict[str, Any] | None:
    """``thor_gateway`` as a mapping; None if it is off."""
    if isinstance(given, Mapping):
        return dict(given)
    return {} if given else None


def plain_address(text: str) -> str | None:
    """An address in its usual form; None if it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def size(text: str | int) -> int:
    """Bytes: ``64m`` is 64 MiB, as nginx reads it."""
    found = re.fullmatch(r"(\d+)([kmg]?)", str(text).lower())
    if found is None:
        raise ValueError(text)
    return int(found[1]) * UNITS[found[2]]


def clients(keys: Mapping[str, Any]) -> tuple[Client, ...]:
    """The clients of ``thor_gateway_keys``, whose values have their shapes."""
    return tuple(
        Client(
            name=name,
            sha256=sha256(entry) or "",
            models=None if entry.get("models") == "all" else tuple(entry.get("models") or ()),
            requests_per_minute=entry.get("requests_per_minute"),
            concurrency=entry.get("concurrency"),
            metrics=bool(entry.get("metrics")),
        )
        for name, entry in sorted(keys.items())
    )


def sha256(entry: Mapping[str, Any]) -> str | None:
    """The SHA-256 by which a client's key is stored."""
    if entry.get("key") is not None:
        return hashlib.sha256(str(entry["key"]).encode()).hexdigest()
    return str(entry["sha256"]).lower() if entry.get("sha256") else None


def key_problems(keys: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the keys by themselves. No value is quoted."""
    owners: dict[str, str] = {}
    for name, entry in sorted(keys.items()):
        where = f"thor_gateway_keys[{name!r}]"
        if ("key" in entry) == ("sha256" in entry):
            reason = "A client has either key or sha256, and this one has " + (
                "both." if "key" in entry else "neither."
            )
            yield Problem("THOR-GATEWAY-KEY-MISSING", where, None, reason, "Write one of them.")
            continue
        if "key" in entry and len(entry["key"]) < SHORTEST_KEY:
            reason = f"The key has {len(entry['key'])} characters; one of fewer than {SHORTEST_KEY} can be guessed."
            yield Problem("THOR-GATEWAY-KEY-SHORT", where, None, reason, "Make another one: openssl rand -hex 24.")
        if "sha256" in entry and sha256(entry) in GUESSED_SHA256:
            reason = "It is the SHA-256 of an empty text or of a word that anybody would try first."
            remedy = "Make a key with openssl rand -hex 24, and write its SHA-256."
            yield Problem("THOR-GATEWAY-KEY-SHORT", where, None, reason, remedy)
        if other := owners.get(digest := sha256(entry) or ""):
            reason = f"{other} has the same key, so the gateway could not tell them apart."
            yield Problem("THOR-GATEWAY-KEY-TWICE", where, None, reason, "Give each client a key of its own.")
        owners.setdefault(digest, name)
        if bool(entry.get("models")) == bool(entry.get("metrics")):
            reason = (
                "A key is for models or for metrics, not for both."
                if entry.get("models")
                else "The key has no models, so it opens nothing."
            )
            remedy = "Write models: [NAME, ...] or models: all, or metrics: true for a client that only reads metrics."
            yield Problem("THOR-GATEWAY-KEY-RIGHTS", where, None, reason, remedy)
