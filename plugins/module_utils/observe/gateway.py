# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe the gateway of a host: its files as digests, and whether its packages are there or can be installed."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import commands, files, known_secrets

FOLDER = known_secrets.GATEWAY
UNIT = "etc/systemd/system/thor-gateway.service"
LOGROTATE = "etc/logrotate.d/thor-gateway"
# The web server, and the module with which it looks into requests, both from the distribution. tests/unit/roles/gateway has passed
# on Debian 12 (nginx 1.22.1, Lua 0.10.23) and Debian 13 (1.26.3, 0.10.28). Ubuntu 24.04 (1.24.0) lies between them: unverified.
# By package, what shows that it is installed (Debian 12 and 13, Ubuntu 24.04).
PACKAGES: Mapping[str, str] = {
    "nginx": "usr/sbin/nginx",
    "libnginx-mod-http-lua": "usr/lib/nginx/modules/ngx_http_lua_module.so",
}
NGINX_UNITS = (
    "etc/systemd/system/nginx.service",
    "lib/systemd/system/nginx.service",
    "usr/lib/systemd/system/nginx.service",
)


def observe(key: str, root: str | Path = "/") -> dict[str, Any]:
    """What is there. ``key``: of the digests (plugin_utils/gateway/wanted.py); empty if no gateway is wanted.

    ``files`` has the digest and the mode of each file of ours; ``missing`` the packages that have to be installed; ``unavailable`` those
    of them that apt does not offer; ``nginx``: whether this host has an nginx of its own; ``enabled_modules``: what that one loads.
    """
    base = Path(root)
    paths = [*sorted((base / FOLDER).rglob("*")), base / UNIT, base / LOGROTATE]
    found = {
        f"/{path.relative_to(base)}": {"digest": _digest(key, content), "mode": f"{path.stat().st_mode & 0o7777:04o}"}
        for path in paths
        if path.is_file() and (content := files.content(path)) is not None
    }
    missing = [name for name, proof in PACKAGES.items() if not (base / proof).exists()] if key else []
    return {
        "files": found,
        "missing": missing,
        "unavailable": unavailable(missing) if missing and _has_lists(base) else [],
        "nginx": any((base / unit).exists() for unit in NGINX_UNITS),
        "enabled_modules": sorted(path.name for path in (base / "etc/nginx/modules-enabled").glob("*.conf")),
    }


def _digest(key: str, content: bytes) -> str:
    return hmac.new(key.encode(), content, hashlib.sha256).hexdigest()


def _has_lists(base: Path) -> bool:
    """Whether apt knows of any packages: without lists the role fetches them."""
    return any((base / "var/lib/apt/lists").glob("*_Packages*"))


def unavailable(names: list[str]) -> list[str]:
    """Packages that apt knows no candidate of."""
    said = commands.output("apt-cache", "policy", *names)
    offered = dict(re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", said, re.MULTILINE))
    return [name for name in names if offered.get(name, "(none)") == "(none)"] if said else []
