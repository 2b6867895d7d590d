# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the host that we changed: put back where their earlier state is recorded, and listed where it is not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import power
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host

DEFAULT_TARGET = "/etc/systemd/system/default.target"
CLOCKS_UNIT = "/etc/systemd/system/jetson-thor-clocks.service"


class Settings:
    """The step that puts them back."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.record = host.record

    def find(self) -> Iterator[Removable | Kept]:
        """What differs from its recorded state."""
        yield from self._power_mode()
        if self.host.path(CLOCKS_UNIT).exists():
            yield Kept("setting", "clocks", "they stay at their maximum until the next boot")
        for name, state in self.record["units"].items():
            now = systemd.observe([name], "UnitFileState").get(name, {}).get("UnitFileState", "")
            if now and now != state and {now, state} <= {"enabled", "disabled"}:
                yield _setting(f"{name} {state}", f"it is {now}, and was {state} before us")
        yield from self._default_target()
        for name, value in self.record["sysctl"].items():
            present = files.text(self.host.path(f"/proc/sys/{name.replace('.', '/')}"))
            # Without our file somebody has put it back, or the host has booted since.
            if present not in (None, value) and self.host.path(power.SYSCTL_FILE).exists():
                yield _setting(f"{name} {value}", f"it is {present}, and was {value} before us")

    def _power_mode(self) -> Iterator[Removable | Kept]:
        before = self.record.get("power_mode")
        program = power.find("nvpmodel") if before else None
        current = power.read_current(program) if program else None
        if current and before and current["name"] != before:
            yield _setting(f"power-mode {before}", f"it is {current['name']}, and was {before} before us")

    def _default_target(self) -> Iterator[Removable]:
        before, link = self.record.get("default_target"), self.host.path(DEFAULT_TARGET)
        now = os.readlink(link) if link.is_symlink() else ""
        if before is not None and now != before and os.path.basename(now) == power.HEADLESS:
            yield _setting(
                f"default-target {before}", f"it is {now}, and was {before or 'the one of the system'} before us"
            )

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Put back each of them."""
        kept = []
        for one in items:
            name, _space, value = one.name.partition(" ")
            special: Mapping[str, Callable[[str], str | None]] = {
                "power-mode": self._set_mode,
                "default-target": self._set_target,
            }
            if name in special:
                wrong = special[name](value)
            elif name.endswith(".service"):
                wrong = self._order("systemctl", "enable" if value == "enabled" else "disable", "--quiet", name)
            else:
                wrong = self._order("sysctl", "--quiet", "--write", f"{name}={value}")
            if wrong:
                kept.append(Kept(one.kind, one.name, wrong))
        return kept

    def _order(self, *command: str) -> str | None:
        code, output = self.host.run(*command)
        return f"{' '.join(command)} said: {' '.join(output.split())[-300:]}" if code else None

    def _set_mode(self, name: str) -> str | None:
        program = power.find("nvpmodel")
        modes: dict[str, Any] = power.read_modes(program) if program else {}
        if program is None or name not in modes:
            return "the device does not have this mode any more"
        _status, output = power.ask(program, "-m", str(modes[name]), seconds=60)
        current = power.read_current(program)
        if current and current["name"] == name:
            return None
        if power.needs_reboot(output):
            return f"it needs a reboot: {program} --force -m {modes[name]}"
        return f"nvpmodel said: {' '.join(output.split())[-300:]}"

    def _set_target(self, value: str) -> str | None:
        link = self.host.path(DEFAULT_TARGET)
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        if value:
            link.symlink_to(value)
        return None


def _setting(name: str, why: str) -> Removable:
    return Removable("setting", name, (), 0, why)
