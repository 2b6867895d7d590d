# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The journal of our units: the last entries of some of them, without secrets."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import redaction
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import UNITS, Disk

SECONDS = 60
LONGEST = 4000  # characters of an entry that are shown
LARGEST = 8 << 20  # bytes of journalctl's answer that are read
# Units of ours that are no services, by the names that people use for them.
OTHERS = ("gateway", "metrics")
_FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,UNIT"
# A terminal would obey them: everything but the tab and the end of a line.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Refused(ValueError):
    """journalctl does not accept what it was asked for."""


@dataclass(frozen=True)
class Entry:
    """One entry: ``at`` in seconds since 1970, ``source`` is the program or the unit."""

    at: float
    source: str
    text: str

    def line(self) -> str:
        """As people read it; further lines of an entry are indented."""
        moment = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return f"{moment} {self.source}: " + self.text.replace("\n", "\n    ")


def names(disk: Disk) -> list[str]:
    """The services whose journals can be read, and our other units that this host has."""
    others = [name for name in OTHERS if disk.path(f"/{UNITS}/thor-{name}.service").exists()]
    return list(dict.fromkeys([*disk.ours(), *others]))


def units(name: str) -> list[str]:
    """The units of a service; the last two wake one that runs on demand."""
    return [f"thor-{name}.service", f"thor-{name}.socket", f"thor-{name}-proxy.service"]


def read(asked: Iterable[str], since: str, lines: int, secrets: redaction.Secrets) -> list[Entry]:
    """The last entries of these units, the oldest first. ``since``: a time as journalctl takes it; empty for any.

    Raises Refused for a time that it does not understand, and where there is no journal.
    """
    command = ["journalctl", "--no-pager", "--quiet", f"--lines={lines}", "--output=json", f"--output-fields={_FIELDS}"]
    command += [f"--unit={unit}" for unit in asked] + ([f"--since={since}"] if since else [])
    return without_secrets([found for line in run(command).splitlines() if (found := entry(line))], secrets)


def run(command: Sequence[str]) -> str:
    """What journalctl prints, up to a limit."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(str(error)) from error
    if done.returncode != 0:
        raise Refused(" ".join(done.stderr.decode(errors="replace").split())[:300] or f"exit status {done.returncode}")
    text = done.stdout
    if len(text) > LARGEST:  # the newest count
        text = text[-LARGEST:].partition(b"\n")[2]
    return text.decode(errors="replace")


def entry(line: str) -> Entry | None:
    """An entry of journalctl's JSON; None for anything else."""
    try:
        found: Mapping[str, Any] = json.loads(line)
        at = int(found["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError):
        return None
    source = found.get("SYSLOG_IDENTIFIER") or found.get("_SYSTEMD_UNIT") or found.get("UNIT") or "?"
    return Entry(at, plain(str(source)), plain(_message(found.get("MESSAGE"))))


def _message(value: Any) -> str:
    """A message may also be a list of bytes, if it is not UTF-8, or missing, if it was too long (systemd's JSON format)."""
    if isinstance(value, list):
        return bytes(one & 0xFF for one in value if isinstance(one, int)).decode(errors="replace")
    return value if isinstance(value, str) else "(too long to be shown)"


def plain(text: str) -> str:
    """Without colours and control characters."""
    return _CONTROL.sub("?", _COLOURS.sub("", text).replace("\r\n", "\n").rstrip())


def without_secrets(entries: Sequence[Entry], secrets: redaction.Secrets) -> list[Entry]:
    """The same entries, redacted together: a secret may be split over several. Shortened only then: a part of one is not recognized."""
    texts = redaction.of_lines((one.text for one in entries), secrets)
    return [Entry(one.at, one.source, text[:LONGEST]) for one, text in zip(entries, texts, strict=True)]
