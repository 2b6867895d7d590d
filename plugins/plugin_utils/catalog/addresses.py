# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Addresses that a service listens on."""

from __future__ import annotations

import ipaddress

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address; raises ValueError where nothing can listen on it.

    A zone (fe80::1%eth0) may hold any character, and no engine accepts one.
    """
    found = ipaddress.ip_address(address)
    if "%" in address or found.is_multicast:
        raise ValueError(address)
    return found.is_loopback


def address_problems(draft: Draft) -> list[Problem]:
    """An address that is invalid, or open to others."""
    address = draft.address
    where = f"{draft.place}.address" if "address" in draft.entry else "thor_address"
    try:
        loopback = is_loopback(address)
    except ValueError:
        reason = "That is not an IP address that a service can listen on."
        return [Problem("THOR-ADDRESS-INVALID", where, address, reason, "Write one such as 127.0.0.1.")]
    if loopback:
        return []
    if draft.engine.get("loopback_only"):
        reason = f"Only its own device may reach {draft.engine_name}: {draft.engine['loopback_only']}"
        return [Problem("THOR-ADDRESS-LOOPBACK", where, address, reason, "Give this service address: 127.0.0.1.")]
    if draft.inputs.allow_unauthenticated:
        return []
    reason = "The engines require no key: anybody who reaches this address can use them."
    remedy = "Keep 127.0.0.1, or set thor_allow_unauthenticated: true on a network that you trust."
    return [Problem("THOR-ADDRESS-OPEN", where, address, reason, remedy)]
