# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Set up what measures a host, or remove it: files, timer, node exporter. What it is that is there: observe/metrics.py."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import metrics
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import Systemctl


@dataclass(frozen=True)
class Change:
    """What there is to do; false when that is nothing. Contents by path, modes as octal digits."""

    write: Mapping[str, tuple[str, str]]
    remove: Sequence[str]
    start: Sequence[str]  # units to start or restart
    before: Mapping[str, str]  # the contents of files that are written or removed

    def __bool__(self) -> bool:
        """Whether anything would change."""
        return bool(self.write or self.remove or self.start)

    @property
    def reloads(self) -> bool:
        """Whether systemd has to read units again."""
        return any(path.startswith("/etc/systemd/") for path in [*self.write, *self.remove])

    def result(self) -> dict[str, list[str]]:
        """The change as the module returns it."""
        return {"written": list(self.write), "removed": list(self.remove), "started": list(self.start)}

    def diff(self) -> list[dict[str, str]]:
        """What Ansible shows with ``--diff``."""
        after = {path: content for path, (content, _mode) in self.write.items()}
        shown = [
            {
                "before_header": path,
                "after_header": path,
                "before": self.before.get(path, ""),
                "after": after.get(path, ""),
            }
            for path in [*self.write, *self.remove]
        ]
        units = "".join(f"{unit}\n" for unit in self.start)
        return [*shown, {"before_header": "units", "after_header": "units to start", "before": "", "after": units}]


def change(wanted: Sequence[Mapping[str, Any]], exporter: bool) -> Change:
    """Compare the files that should be there with those that are. ``exporter``: whether the node exporter is ours to run."""
    there = {path: content.decode(errors="replace") for path, content in metrics.our_files().items()}
    write = {one["path"]: (one["content"], one["mode"]) for one in wanted if there.get(one["path"]) != one["content"]}
    names = {one["path"] for one in wanted}
    remove = [path for path in there if path not in names]
    ours = [metrics.TIMER, *([metrics.EXPORTER] if exporter else [])] if wanted else []
    units = systemd.observe(ours, "ActiveState", "UnitFileState")
    touched = {
        metrics.TIMER: f"/etc/systemd/system/{metrics.TIMER}" in write,
        metrics.EXPORTER: metrics.DROP_IN in write,
    }
    start = [unit for unit in ours if touched[unit] or not metrics.runs(units.get(unit, {}))]
    return Change(write, remove, start, {path: there[path] for path in [*write, *remove] if path in there})


def apply(due: Change, present: bool) -> None:
    """Do it. Raises JobFailed if systemd refuses, and OSError if a file cannot be written."""
    systemctl = Systemctl()
    if not due:
        return
    if not present:
        _stop(systemctl, due)
    for path, (content, mode) in due.write.items():
        place = _place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        files.write(place, content, int(mode, 8))
    for path in due.remove:
        _place(path).unlink(missing_ok=True)
    _sweep()
    if due.reloads:
        systemctl.reload()
    if present:
        systemctl.run(
            "start", metrics.UNIT
        )  # once at once: it says here why it cannot, and the exporter has something to read
    for unit in due.start:
        systemctl.enable(unit, reload=True)
        systemctl.run("restart", unit)


def _stop(systemctl: Systemctl, due: Change) -> None:
    units = [metrics.TIMER, metrics.UNIT]
    systemctl.disable(metrics.TIMER)
    if metrics.DROP_IN in due.remove:
        # Without our limits it would listen on all addresses.
        units.append(metrics.EXPORTER)
        systemctl.disable(metrics.EXPORTER)
    systemctl.stop(*units)
    for folder in (metrics.TEXTFILES, metrics.DISTRIBUTION_TEXTFILES):
        _place(f"{folder}/{metrics.NAME}").unlink(missing_ok=True)


def _sweep() -> None:
    """Remove folders of ours that are empty."""
    program, drop_in = _place(metrics.PROGRAM), _place(metrics.DROP_IN).parent
    below = sorted((path for path in program.rglob("*") if path.is_dir()), reverse=True)
    for folder in [*below, program, drop_in, _place(metrics.TEXTFILES)]:
        with contextlib.suppress(OSError):  # not empty, or not there
            folder.rmdir()


def _place(path: str) -> Path:
    return metrics.ROOT / path.lstrip("/")
