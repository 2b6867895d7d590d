# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a sandbox host is like: files, accounts, packages, holds and units, to be compared with those of another one."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where we write, and where a person would look. dpkg and apt keep their own books.
PLACES = "/etc /opt /usr/local /srv /models /var/lib /var/cache /var/log /var/spool /root /home /run/thor /run/thor-drop-caches.sock"
PRUNED = (
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/var/cache/apt",
    "/var/cache/debconf",
    "/var/log/journal",
    "/var/lib/docker",
)
# Not every host has all of them, and services go on writing meanwhile.
FIND = f"""places=(); for place in {PLACES}; do [ ! -e $place ] || places+=($place); done
find "${{places[@]}}" -ignore_readdir_race -xdev \\( {" -o ".join(f"-path {path}" for path in PRUNED)} \\) -prune \
    -o -printf '%p %y %m %u %g %l\\n'"""


def on_host(host: str, script: str, timeout: float = 120) -> str:
    """The output of a shell script that succeeds as root on a sandbox host."""
    command = [
        "ssh",
        "-F",
        str(ROOT / ".sandbox/ssh_config"),
        host,
        f"sudo bash -e -o pipefail -c {shlex.quote(script)}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, f"{host}: {script}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@dataclass(frozen=True)
class HostState:
    """``files``: each with kind, mode, owner, group and target. ``units``: those that start at boot, or that have failed."""

    files: frozenset[str]
    accounts: frozenset[str]
    groups: frozenset[str]
    packages: frozenset[str]
    holds: frozenset[str]
    units: frozenset[str]
    daemon_json: str

    @classmethod
    def of(cls, host: str) -> HostState:
        """A host as it is now."""
        units = "systemctl list-unit-files --state=enabled --no-legend --plain | awk '{print $1}'"
        failed = "systemctl list-units --failed --no-legend --plain | awk '{print $1 \" has failed\"}'"
        lines = {
            "files": on_host(host, FIND),
            "accounts": on_host(host, "cut -d: -f1,5,6 /etc/passwd"),
            "groups": on_host(host, "cut -d: -f1 /etc/group"),
            "packages": on_host(host, "dpkg-query -W -f '${db:Status-Status} ${Package}\\n' | grep ^installed"),
            "holds": on_host(host, "apt-mark showhold"),
            "units": on_host(host, f"{units}; {failed}"),
        }
        known = {key: frozenset(text.splitlines()) for key, text in lines.items()}
        return cls(
            **known, daemon_json=on_host(host, "[ ! -e /etc/docker/daemon.json ] || cat /etc/docker/daemon.json")
        )

    def beyond(self, other: HostState, allowed: re.Pattern[str]) -> dict[str, list[str]]:
        """What this host has and the other one does not, and the other way round, but for what is allowed."""
        found = {}
        for key in ("files", "accounts", "groups", "packages", "holds", "units"):
            more, less = getattr(self, key) - getattr(other, key), getattr(other, key) - getattr(self, key)
            lines = [f"+ {one}" for one in sorted(more)] + [f"- {one}" for one in sorted(less)]
            if left := [line for line in lines if not allowed.search(line)]:
                found[key] = left
        return found
