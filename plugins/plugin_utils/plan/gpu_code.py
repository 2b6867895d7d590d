# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What was found in the libraries of the engines that are installed on a host: which hold code for its GPU. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import cuda_code


def lines(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> list[str]:
    """A line for each engine, however many services share it."""
    found = {name: text for service in services for name, text in _found(service, host)}
    return [f"{name}: {text}" for name, text in found.items()]


def of(service: Mapping[str, Any], host: Mapping[str, Any]) -> str | None:
    """What was found in a service's engine, in words; None if it is not installed, or if nobody looked."""
    return next((text for _name, text in _found(service, host)), None)


def _found(service: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The engine's name and what was found, of its environment, its build or its image. ``host`` is ``thor_host``."""
    for kind in ("environments", "builds"):
        made = ((host.get(kind) or {}).get(service["engine"]) or {}).get(service["version"]) or {}
        if made.get("cuda_code"):
            yield f"{service['engine']} {service['version']}", cuda_code.text(made["cuda_code"])
    proof = ((host.get("images") or {}).get(service["image"]) or {}).get("proof") or {}
    if proof.get("cuda_code"):
        yield service["image"], cuda_code.text(proof["cuda_code"])
