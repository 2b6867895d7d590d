# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The gateway of a host as it should be: who may reach what, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass

# Bodies of requests: up to this size in nginx's buffer, ...
BUFFERED_BYTES = 128 << 10
# ... larger ones in the file system in memory that the unit has for them (TemporaryFileSystem=), of which one client has at most half.
BODIES_BYTES = 1 << 30
CLIENT_BODIES_BYTES = BODIES_BYTES // 2


@dataclass(frozen=True, kw_only=True)
class Client:
    """Somebody who has a key. A client reads either models or metrics, never both."""

    name: str
    sha256: str  # of the key, 64 hexadecimal digits
    models: tuple[str, ...] | None = ()  # names of services, models or adapters; None: all of them
    requests_per_minute: int | None = None  # None: as many as it likes
    concurrency: int | None = None  # requests at one time; None: as many as it likes
    metrics: bool = False


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where the gateway's files are on the device. Tests have their own."""

    configuration: str = "/etc/thor/gateway"
    log: str = "/var/log/thor/gateway"
    run: str = "/run/thor-gateway"  # in memory: the process number, and the bodies of requests while they are looked at
    modules: str = "/usr/lib/nginx/modules"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The one address of a host."""

    port: int
    address: str  # an IPv4 or IPv6 address to listen on: 0.0.0.0, ::
    names: tuple[str, ...]
    body_bytes: int  # a larger request is refused
    clients: tuple[Client, ...]
    certificate: str  # the path of the PEM file on the device; empty for plain HTTP
    key: str  # likewise
    metrics: bool  # whether the node exporter runs
    paths: Paths = Paths()


@dataclass(frozen=True, kw_only=True)
class GatewayFile:
    """A file of the gateway, which belongs to root."""

    path: str
    content: str
    mode: str  # octal: "0600"
    secret: bool  # whether its content must not be shown
