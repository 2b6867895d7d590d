# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What apt and gpg say, and how their failures are reported. Pure."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed, Problem


def failed(code: str, variable: str, value: Any, reason: str, remedy: str) -> Failed:
    """A failure that names a variable, or whatever else holds the wrong value."""
    return Failed(Problem(code, variable, value, reason, remedy))


def unreadable(variable: str, value: Any, reason: str, remedy: str, said: str) -> Failed:
    """A server that cannot be read. If the host's clock is in the past, that is not the server's fault."""
    if network_errors.clock_is_behind(said):
        return failed("THOR-CLOCK-WRONG", variable, value, reason, network_errors.CLOCK_REMEDY)
    return failed("THOR-REPOSITORY-FAILED", variable, value, reason, remedy)


def removed(simulation: str) -> list[str]:
    """Packages that ``apt-get --simulate`` would remove, with their versions."""
    return [
        f"{name} {version}"
        for name, version in re.findall(r"^(?:Remv|Purg) (\S+) \[([^\]]*)\]", simulation, re.MULTILINE)
    ]


def complaints(output: str) -> str:
    """Apt's explanation of a failure, on one line: its errors and the dependencies it cannot meet."""
    lines = [line.strip() for line in output.splitlines()]
    errors = [line for line in lines if line.startswith(("E:", "W:")) or " : " in line]
    return " ".join(errors) or " ".join(" ".join(lines).split())[-300:] or "apt said nothing"


def versions(madison: str) -> list[str]:
    """The versions that ``apt-cache madison`` lists."""
    return [line.split("|")[1].strip() for line in madison.splitlines() if line.count("|") == 2]


def available(madison: str) -> str:
    """The same as a sentence."""
    found = versions(madison)
    return f"Available: {', '.join(found[:10])}." if found else "No package of that name is available."


def fingerprints_of(colons: str) -> dict[str, str]:
    """Fingerprints of all keys in ``gpg --with-colons``, subkeys included, each with that of its primary key."""
    found: dict[str, str] = {}
    primary, kind = "", ""
    for line in colons.splitlines():
        fields = line.split(":")
        if fields[0] in {"pub", "sub"}:
            kind = fields[0]
        elif fields[0] == "fpr" and kind and len(fields) > 9:
            primary = fields[9] if kind == "pub" else primary
            found[fields[9]] = primary
            kind = ""
    return found
