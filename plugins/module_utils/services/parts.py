# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The further units of a service that starts on demand: their names, and in which order they start.

The socket has the service's own port. A connection starts the door, a proxy, and with it the engine (``thor-NAME.service``), whose
unit systemd stops when the door has closed. A service that takes turns with others has a unit for its turn, too.
"""

from __future__ import annotations

# The first line of each of them; they are told from services by it.
MARKER = "# Part of a service of jetson.thor:"


def socket_of(name: str) -> str:
    """The socket that has the service's port, and is enabled in the engine's place."""
    return f"thor-{name}.socket"


def proxy_of(name: str) -> str:
    """The door between clients and engine. Who starts it starts the engine, and holds it up for the idle time."""
    return f"thor-{name}-proxy.service"


def exclusive_of(name: str) -> str:
    """The turn of a service in its group."""
    return f"thor-{name}-exclusive.service"


def names_of(name: str) -> list[str]:
    """All parts that a service may have."""
    return [socket_of(name), proxy_of(name), exclusive_of(name)]
