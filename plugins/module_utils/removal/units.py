# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Units of ours, and the drop-ins with which we change other units."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host

UNITS = "/etc/systemd/system"
OURS = re.compile(r"(thor\.target|thor-.+\.(service|socket|timer|path|target)|jetson-thor-.+\.(service|socket|timer))")
# In each unit that we write: in its first line or in its description.
MARK = "jetson.thor"
DOCKER = "docker.service"
OUR_DROP_IN = re.compile(r"(.*-)?jetson-thor(-.*)?\.conf")


class Units:
    """The step that stops, disables and removes them."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def find(self) -> Iterator[Removable | Kept]:
        """Units with our names and our mark, links to those that are gone, and drop-ins."""
        folder = self.host.path(UNITS)
        for path in sorted(folder.glob("*")):
            name = self.host.name(path)
            if OURS.fullmatch(path.name) and not path.is_dir():
                if self._is_ours(path):
                    yield Removable("unit", path.name, (name,), 0, "a unit of the collection")
                else:
                    yield Kept("unit", name, "it has a name like ours, and we have not written it")
            if path.name.startswith(".thor-") and path.is_file():
                yield Removable("unit", path.name, (name,), 0, "an interrupted switch left it")
            if re.fullmatch(r"(thor|jetson-thor)[.-].*\.(wants|requires)", path.name) and not path.is_symlink():
                links = [one for one in path.glob("*") if one.is_symlink()]
                yield Removable(
                    "unit", path.name, tuple(map(self.host.name, (*links, path))), 0, "links to units of ours"
                )
        yield from self._links()
        yield from self._drop_ins()

    def _is_ours(self, path: Path) -> bool:
        return not path.is_symlink() and MARK in (files.content(path) or b"").decode(errors="replace")

    def _links(self) -> Iterator[Removable]:
        """Links from other units to ours, which stay where a removal was interrupted."""
        for link in self.host.glob(f"{UNITS}/*.wants/*"):
            mine = re.match(r"(thor|jetson-thor)[.-]", link.parent.name)
            if link.is_symlink() and OURS.fullmatch(link.name) and not mine:
                target = self.host.path(UNITS) / link.name
                if self._is_ours(target) or not os.path.lexists(target):
                    yield Removable(
                        "unit",
                        f"{link.parent.name}/{link.name}",
                        (self.host.name(link),),
                        0,
                        "a link to a unit of ours",
                    )

    def _drop_ins(self) -> Iterator[Removable | Kept]:
        for path in self.host.glob(f"{UNITS}/*.d/*.conf"):
            name = self.host.name(path)
            if OUR_DROP_IN.fullmatch(path.name):
                yield Removable("drop-in", name, (name,), 0, "a drop-in of the collection")
            elif OURS.fullmatch(path.parent.name.removesuffix(".d")):
                yield Kept("drop-in", name, "somebody else's drop-in for a unit of ours: remove it yourself")

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Stop what starts others first, then everything; files go last, so that an interrupted removal finds the units again."""
        names = [one.name for one in items if one.kind == "unit" and OURS.fullmatch(one.name)]
        real = [name for name in names if "@." not in name]
        starters = [name for name in real if not name.endswith(".service")]
        rest = [name for name in real if name.endswith(".service")]
        templates = [name.replace("@.", "@*.") for name in names if "@." in name]
        kept = []
        for group in (starters, rest, templates):
            code, output = self.host.run("systemctl", "stop", *group) if group else (0, "")
            if code and group is not templates:
                kept.append(Kept("unit", group[0], f"systemctl stop said: {' '.join(output.split())[-300:]}"))
        if real:
            self.host.run("systemctl", "disable", "--quiet", *real)
        changed = [self.host.path(one.name).parent.name.removesuffix(".d") for one in items if one.kind == "drop-in"]
        kept += self._close(changed)
        for one in items:
            for text in one.paths:
                path = self.host.path(text)
                if path.is_dir() and not path.is_symlink():
                    _rmdir(path)
                else:
                    path.unlink(missing_ok=True)
                    if one.kind == "drop-in":
                        _rmdir(path.parent)
        if items:
            self.host.run("systemctl", "daemon-reload")
            if real:
                self.host.run("systemctl", "reset-failed", *real)
        for unit in changed:
            if unit == DOCKER:
                kept.append(
                    Kept("setting", unit, "dockerd runs with the variables of our drop-in until it is restarted")
                )
            elif not self._is_installed_by_us(unit):
                self.host.run("systemctl", "try-restart", unit)
        return kept

    def _close(self, units: Iterable[str]) -> Iterator[Kept]:
        """Stop what we installed before it loses its drop-in: without it, the node exporter would listen on all addresses."""
        for unit in units:
            if unit != DOCKER and self._is_installed_by_us(unit):
                self.host.run("systemctl", "disable", "--now", "--quiet", unit)
                yield Kept(
                    "setting",
                    unit,
                    "we installed it; it is stopped and disabled, as it would be open without our drop-in",
                )

    def _is_installed_by_us(self, unit: str) -> bool:
        """Whether the package that is called like a unit is one that we installed."""
        return unit.removesuffix(".service") in self.host.record["packages"]


def _rmdir(folder: Path) -> None:
    """Remove a folder that is empty."""
    try:
        folder.rmdir()
    except OSError:
        return
