# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Folders and files of ours, and the account that services share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ansible_collections.jetson.thor.plugins.module_utils import files, safe_removal, trees
from ansible_collections.jetson.thor.plugins.module_utils.observe import metrics
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host

# The last one holds our records: an interrupted removal goes on by them.
FOLDERS = (
    *("/etc/thor", "/opt/thor", "/var/cache/thor", "/var/cache/private/thor", "/var/log/thor", "/run/thor"),
    "/var/lib/thor",
)
FILES = (
    *("/etc/tmpfiles.d/thor*.conf", "/etc/tmpfiles.d/jetson-thor*.conf", "/etc/logrotate.d/thor-*"),
    *("/etc/sysctl.d/*jetson-thor*.conf", "/etc/apt/apt.conf.d/*jetson-thor*", "/run/thor-drop-caches.sock"),
    f"{metrics.DISTRIBUTION_TEXTFILES}/{metrics.NAME}",
)
ACCOUNT = "thor"
COMMENT = "jetson.thor inference services"


class Account:
    """The step that removes the account and its group."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def find(self) -> Iterator[Removable | Kept]:
        """The account, if it is the one that the role serving made."""
        line = _line(self.host, "/etc/passwd", ACCOUNT)
        if line and line[4].split(",")[0] == COMMENT:
            yield Removable("account", ACCOUNT, (), 0, "it was made by the collection, and so was its group")
        elif line:
            yield Kept("account", ACCOUNT, f"it is called {line[4]!r}, so it was not made by us")
        elif _line(self.host, "/etc/group", ACCOUNT):
            yield Kept("group", ACCOUNT, "there is no account of this name, so nobody knows whose it is")

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """userdel removes the group of the same name, too, unless it has other members."""
        for one in items:
            code, output = self.host.run("userdel", one.name)
            if code:
                yield Kept("account", one.name, f"userdel said: {' '.join(output.split())}")


class Folders:
    """The step that removes them. No link is followed, and what is mounted in them stays.

    Their names go first: a source or a cache that is only partly there would be taken for complete by the next site.yml.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

    def find(self) -> Iterator[Removable | Kept]:
        """Those that are there."""
        for pattern in FILES:
            for path in self.host.glob(pattern):
                name = self.host.name(path)
                yield Removable("file", name, (name,), 0, "written by the collection")
        for path in (one for name in FOLDERS for one in (trees.aside(self.host.path(name)), self.host.path(name))):
            name = self.host.name(path)
            if not os.path.lexists(path):
                continue
            obstacle = safe_removal.obstacle(path)
            parts = [] if path.is_symlink() else safe_removal.around_mounts(path)
            if obstacle:
                yield Kept("mount", name, f"{obstacle}: what is in there stays")
            if parts:
                paths = tuple(map(self.host.name, parts))
                yield Removable("folder", name, paths, safe_removal.freed_bytes(*parts), "a folder of the collection")

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Remove them; the records go only once everything else is gone."""
        for one in items:
            try:
                for path in one.paths:
                    trees.remove(self.host.path(path))
            except OSError as error:
                yield Kept(one.kind, one.name, f"it cannot be removed: {error}")


def _line(host: Host, path: str, name: str) -> list[str] | None:
    """The fields of an entry of passwd(5) or group(5)."""
    lines = (files.read(None, str(host.path(path))) or "").splitlines()
    return next((fields for fields in (line.split(":") for line in lines) if fields[0] == name), None)
