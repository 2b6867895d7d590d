# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The proxy of a site (``thor_proxy``): what fetches something reaches the network through it, and nothing else sees it.

A module is given it as a parameter, not as an environment: Ansible puts a task's environment on a command line, and an address may
hold a password. apt and dockerd are not ours; they read it from files of root's (``APT``, ``DOCKER``).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.jetson.thor.plugins.module_utils import files

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

FOLDER = Path("/etc/thor/proxy")
APT = FOLDER / "apt.conf"
DOCKER = FOLDER / "docker.env"
# What a device says to itself never leaves it.
ALWAYS = ("localhost", "127.0.0.1", "::1")
# Every spelling that programs read (curl, Python, Go, uv). With one of them set by us, the others are not somebody else's.
_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
# Shared by the modules that fetch something (doc_fragments/proxy.py).
ARGUMENT: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {
        "http": {"type": "str", "no_log": True},
        "https": {"type": "str", "no_log": True},
        "no_proxy": {"type": "list", "elements": "str", "default": []},
    },
}


@dataclass(frozen=True)
class Proxy:
    """Addresses of the proxy for http and https (None: that goes directly), and the hosts that are reached without it."""

    http: str | None = None
    https: str | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: str | Mapping[str, Any] | None) -> Proxy:
        """From what ``thor_proxy`` holds: an address for both, or a mapping. What is neither is refused elsewhere, and counts as none."""
        if isinstance(value, str):
            return cls(value or None, value or None)
        found = value if isinstance(value, Mapping) else {}
        return cls(found.get("http") or None, found.get("https") or None, tuple(found.get("no_proxy") or ()))

    def __bool__(self) -> bool:
        """Whether anything goes through a proxy."""
        return bool(self.http or self.https)

    @property
    def direct(self) -> str:
        """The value of ``no_proxy``."""
        return ",".join(dict.fromkeys((*ALWAYS, *self.no_proxy)))

    def environment(self) -> dict[str, str]:
        """The environment of programs that fetch something; empty without a proxy."""
        if not self:
            return {}
        given = {"http_proxy": self.http, "https_proxy": self.https, "no_proxy": self.direct}
        lower = {name: value for name, value in given.items() if value}
        return {**lower, **{name.upper(): value for name, value in lower.items()}}

    def apt_conf(self) -> str:
        """What ``APT_CONFIG`` names; empty without a proxy. What is said in /etc/apt comes later and wins (apt.conf(5))."""
        lines = [
            f'Acquire::{scheme}::Proxy "{address}";\n'
            for scheme, address in (("http", self.http), ("https", self.https))
            if address
        ]
        return "".join(["// Written by jetson.thor (thor_proxy).\n", *lines]) if lines else ""

    def docker_env(self) -> str:
        """The file that docker.service reads (``EnvironmentFile=``); empty without a proxy."""
        names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
        values = {name: value for name, value in self.environment().items() if name in names}
        return "".join(f'{name}="{value}"\n' for name, value in sorted(values.items()))

    def as_dict(self) -> dict[str, Any]:
        """As the parameter ``proxy`` of modules."""
        return {"http": self.http, "https": self.https, "no_proxy": list(self.no_proxy)} if self else {}


def adopt(module: AnsibleModule) -> Proxy:
    """Let this process, and what it starts, use the proxy of the parameter ``proxy``. Without one, its environment stays."""
    proxy = Proxy.of(module.params.get("proxy"))
    if proxy:
        for name in _VARIABLES:
            os.environ.pop(name, None)
            os.environ.pop(name.upper(), None)
        os.environ.update(proxy.environment())
    return proxy


# --- The files ---


def write(path: Path, text: str) -> None:
    """Write one of the files, root's alone; an empty text removes it."""
    if not text:
        path.unlink(missing_ok=True)
        return
    # What services read lies beside this folder, whatever root's umask is.
    path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    files.write(path, text, 0o600)


def is_written(path: Path, text: str) -> bool:
    """Whether the file holds this and is root's alone; for an empty text, whether it is absent."""
    try:
        status = path.stat()
        return (status.st_mode & 0o777, path.read_text(encoding="utf-8")) == (0o600, text)
    except FileNotFoundError:
        return not text
    except (OSError, ValueError):
        return False


# --- Observed without telling anybody the password ---


def digest(key: str, text: str) -> str:
    """A digest by which ``observe`` recognizes a file; ``key`` is used once, so that it tells nobody else anything."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def wanted(key: str, proxy: Proxy) -> dict[str, str]:
    """What the controller asks ``observe`` for."""
    return {"apt": digest(key, proxy.apt_conf()), "docker": digest(key, proxy.docker_env())}


def observe(key: str, digests: Mapping[str, str], dockerd: Sequence[str] = ()) -> dict[str, Any]:
    """Whether apt's file is there and as wanted, and whether the running dockerd has the wanted proxy (``dockerd``: its environment)."""
    text = files.read(None, str(APT)) or ""
    return {
        "there": APT.exists(),
        "apt": is_written(APT, text) and digest(key, text) == digests.get("apt", digest(key, "")),
        "docker": digest(key, running(dockerd)) == digests.get("docker", digest(key, "")),
    }


def running(environment: Sequence[str]) -> str:
    """The proxy that a dockerd with this environment (``NAME=VALUE``) uses, in the form of ``docker_env``."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    values = dict(one.split("=", 1) for one in environment if one.split("=", 1)[0] in names and "=" in one)
    return "".join(f'{name}="{value}"\n' for name, value in sorted(values.items()))
