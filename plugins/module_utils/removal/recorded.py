# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that we wrote over, such as daemon.json, and sources of apt: put back, removed, or listed where nobody knows how they were."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, files
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host

DAEMON_JSON = str(daemon_json.PATH)
SOURCES = "/etc/apt/sources.list.d/*.sources"
KEYRINGS = "/etc/apt/keyrings"
WRITTEN = "# Written by jetson.thor."
BACK, GONE = "put back as it was before us", "written by the collection"
UNKNOWN = "no earlier state is recorded, so it is left as it is"


class Recorded:
    """The step that puts them back. A file that somebody has changed since is left alone, but for our keys in daemon.json."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.known: Mapping[str, Mapping[str, str | None]] = host.record["files"]

    def find(self) -> Iterator[Removable | Kept]:
        """The recorded files, and what looks like ours without a record."""
        for name, one in self.known.items():
            if name.startswith("/etc/systemd/"):
                continue  # a drop-in: the units' step has it
            now = self._read(name)
            if now == one["before"]:
                continue
            if now == one["ours"]:
                yield _file(name, GONE if one["before"] is None else BACK)
            elif name == DAEMON_JSON and now is not None and without_ours(now, one)[1]:
                keys = ", ".join(without_ours(now, one)[1])
                yield _file(name, f"somebody has changed it since: only our {keys} are taken back")
            elif now is not None:
                yield Kept("file", name, "somebody has changed it since, so it is left as it is")
        yield from self._unrecorded()

    def _unrecorded(self) -> Iterator[Removable | Kept]:
        """What hosts have that were set up before there was a record."""
        for path in self.host.glob(SOURCES):
            name, text = self.host.name(path), files.read(None, str(path)) or ""
            if name in self.known or path.is_symlink() or not text.startswith(WRITTEN):
                continue
            yield _file(name, GONE)
            for key in re.findall(rf"^Signed-By: ({KEYRINGS}/\S+)$", text, re.MULTILINE):
                if key not in self.known and self.host.path(key).exists():
                    yield Kept("file", key, UNKNOWN)
        has_runtime = "nvidia-container-runtime" in (self._read(DAEMON_JSON) or "")
        if has_runtime and DAEMON_JSON not in self.known and self.host.path("/var/lib/thor").is_dir():
            yield Kept("file", DAEMON_JSON, f"{UNKNOWN}; the runtime nvidia in it may be ours")

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Write the earlier content, or remove the file."""
        kept: list[Kept] = []
        for one in items:
            name, path = one.name, self.host.path(one.name)
            known = self.known.get(name, {"before": None, "ours": None})
            now, text = self._read(name), known["before"]
            if name == DAEMON_JSON and now is not None and now != known["ours"]:
                text = without_ours(now, known)[0]
            if text is None:
                path.unlink(missing_ok=True)
            else:
                files.write(path, text.encode(errors="surrogateescape"))
            if name == DAEMON_JSON:
                kept += self._apply(now or "", text or "")
        return kept

    def _apply(self, before: str, after: str) -> Iterator[Kept]:
        """Let dockerd read its file, and say for what it would have to be restarted.

        It keeps the value of a key that is no longer there (moby, daemon/reload.go: each key is looked at only if it is set).
        """
        now = daemon_json.parse(after)[0]
        keys = daemon_json.changed_keys(daemon_json.parse(before)[0], now)
        if self.host.run("systemctl", "is-active", "--quiet", "docker.service")[0]:
            return
        ready = [key for key in keys if key in now and daemon_json.action([key]) == "reload"]
        if ready:
            self.host.run("systemctl", "reload", "docker.service")
        if later := [key for key in keys if key not in ready]:
            yield Kept("setting", "dockerd", f"it applies the earlier {', '.join(later)} when it is restarted")

    def _read(self, name: str) -> str | None:
        found = files.content(self.host.path(name))
        return None if found is None else found.decode(errors="surrogateescape")


def without_ours(now: str, known: Mapping[str, str | None]) -> tuple[str | None, list[str]]:
    """A daemon.json with the earlier values of the keys that are still as we wrote them, and these keys. Pure.

    The text is None where nothing would be left of a file that was not there before.
    """
    current, error = daemon_json.parse(now)
    before, ours = (daemon_json.parse(known[key] or "")[0] for key in ("before", "ours"))
    changed = [key for key in daemon_json.changed_keys(before, ours) if not error and current.get(key) == ours.get(key)]
    data: dict[str, Any] = {key: value for key, value in current.items() if key not in changed}
    data |= {key: before[key] for key in changed if key in before}
    if not changed:
        return now, []
    return (json.dumps(data, indent=4) + "\n" if data or known["before"] is not None else None), changed


def _file(name: str, why: str) -> Removable:
    return Removable("file", name, (name,), 0, why)
