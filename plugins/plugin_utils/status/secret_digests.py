# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Digests of the secrets that an inventory has: a host finds them in its journals, and learns nothing else. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.jetson.thor.plugins.module_utils import redaction
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.role_variables import VARIABLES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import Field
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.secrets import service_secrets

KEYS = "thor_gateway_keys"


def secret_digests(variables: Mapping[str, Any], template: Callable[[Any], Any]) -> list[str]:
    """SHA-256 of every secret of a host's variables, sorted. What cannot be read is a problem of other playbooks, and left out."""
    found: set[str] = set()
    for name in sorted(VARIABLES.keys() & variables.keys()):
        if name != KEYS and holds_secrets(VARIABLES[name]):
            found |= {redaction.digest(text) for text in _secrets(_value(variables[name], template), VARIABLES[name])}
    clients = _value(variables.get(KEYS), template)
    for client in clients.values() if isinstance(clients, Mapping) else ():
        if isinstance(client, Mapping):
            found |= {redaction.digest(client[key]) for key in ("key",) if isinstance(client.get(key), str)}
            found |= {client[key].lower() for key in ("sha256",) if isinstance(client.get(key), str)}
    given = [_value(variables.get(name), template) for name in ("thor_profiles", "thor_extra_profiles")]
    try:
        of_services = service_secrets(given[0] or [], given[1] or {})
        found |= {redaction.digest(str(text)) for values in of_services.values() for text in values.values()}
    except (AttributeError, TypeError, ValueError):
        return sorted(found)
    return sorted(found)


def holds_secrets(spec: Field) -> bool:
    """Whether a variable of this shape is a secret, or has one in it."""
    inner = [*(spec.keys or {}).values(), spec.values, spec.items]
    return spec.secret or any(isinstance(one, Field) and holds_secrets(one) for one in inner)


def _value(written: Any, template: Callable[[Any], Any]) -> Any:
    try:
        return template(written)
    except AnsibleError:
        return None


def _secrets(value: Any, spec: Field) -> Iterator[str]:
    """The texts in a value that its shape calls secret; a name beside a password is none."""
    if isinstance(value, str):
        if spec.secret and str in spec.types and len(value) >= redaction.SHORTEST:
            yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            inner = (spec.keys or {}).get(str(key), spec.values)
            if inner is not None:
                yield from _secrets(one, inner)
    elif isinstance(value, list | tuple) and spec.items is not None:
        for one in value:
            yield from _secrets(one, spec.items)
