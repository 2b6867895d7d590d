# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A host for the tests of the switch: its disk is a folder, its systemd a table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import Difference, Wanted, compare
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import MARKER, Disk, File, ServiceFiles
from ansible_collections.jetson.thor.plugins.module_utils.services.observation import diffs, observe
from ansible_collections.jetson.thor.plugins.module_utils.services.parts import MARKER as PART
from ansible_collections.jetson.thor.plugins.module_utils.services.switch import Switch, carry_out
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import State, Systemctl


class Systemd(Systemctl):
    """A systemd whose units run when their text does not say ``bad`` and nobody else has their port.

    As the real one it starts what it has loaded, which is what the disk held at the last reload; the supervisor reads its
    configuration at the start, and a unit whose engine listens elsewhere than the configuration says never answers.
    """

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.active: dict[str, str] = {}
        self.loaded: dict[str, str | None] = {}
        self.launched: dict[str, str | None] = {}
        self.drop_ins: dict[str, tuple[str, ...]] = {}
        self.orders: list[str] = []
        self.starts = 0
        self.invocations: dict[str, str] = {}

    @property
    def wants(self) -> Path:
        return self.disk.path("/etc/systemd/system/thor.target.wants")

    @property
    def enabled(self) -> set[str]:
        """Enabled units are links on the disk."""
        return {path.name for path in self.wants.glob("*")}

    def states(self, units: Sequence[str]) -> dict[str, State]:
        return {
            unit: State(
                "active" if unit in self.active else "inactive",
                "enabled" if unit in self.enabled else "",
                self.invocations.get(unit, ""),
                unit in self.active and not self.launched[unit] == self.loaded[unit] == self._text(unit),
                self.drop_ins.get(unit, ()),
            )
            for unit in units
        }

    def _text(self, unit: str) -> str | None:
        return self.disk.read(f"/etc/systemd/system/{unit}")

    def reload(self) -> None:
        self.orders.append("reload")
        self.loaded = {unit: self._text(unit) for unit in self.active}

    def enable(self, unit: str, reload: bool = False) -> None:
        if self._text(unit) is None and not unit.endswith(".target"):
            raise JobFailed(f"THOR-SYSTEMD-FAILED: Unit file {unit} does not exist.")
        self.wants.mkdir(parents=True, exist_ok=True)
        (self.wants / unit).unlink(missing_ok=True)
        (self.wants / unit).symlink_to(f"../{unit}")
        if reload:
            self.reload()

    def disable(self, unit: str) -> None:
        (self.wants / unit).unlink(missing_ok=True)

    def settle(self) -> None:
        self.orders.append("settle")

    def stop(self, *units: str) -> None:
        for unit in units:
            self.orders.append(f"stop {unit}")
            self.active.pop(unit, None)
            # What requires an engine is stopped with it.
            self.active.pop(unit.replace(".service", "-proxy.service"), None)

    def start_later(self, unit: str) -> None:
        self.start(unit, False, lambda _status: None)

    def sleep(self, name: str) -> None:
        """What systemd does when the door of a service has closed."""
        self.active.pop(f"thor-{name}-proxy.service", None)
        self.active.pop(f"thor-{name}.service", None)

    def start(self, unit: str, restart: bool, tell: Callable[[str], None], behind: str | None = None) -> bool:
        tell("loading")
        if not restart and unit in self.active:
            return True
        self.orders.append(f"{'restart' if restart else 'start'} {unit}")
        text = self.loaded[unit] if unit in self.active else self._text(unit)
        self.active.pop(unit, None)
        if unit.endswith("-proxy.service") and (text or PART).startswith(PART):
            engine = unit.replace("-proxy.service", ".service")
            if unit.replace("-proxy.service", ".socket") not in self.active or text is None:
                return False
            if not self.start(engine, restart and behind == engine, tell):
                return False
        if unit.endswith((".target", ".socket")) or (text or "").startswith(PART):
            public = re.search(r"ListenStream=\S+:(\d+)", text or "")
            if public and public[1] in self.active.values():
                return False
            self.active[unit] = public[1] if public else unit
            self.loaded[unit] = self.launched[unit] = text
            self.starts += 1
            self.invocations[unit] = str(self.starts)
            return True
        config = self.disk.definition(unit.removeprefix("thor-").removesuffix(".service"))
        listens = re.search(r"--port (\d+)", text or "")
        if listens is None or "bad" in (text or "") or int(listens[1]) != config.port:
            return False
        if listens[1] in self.active.values():
            return False
        self.active[unit] = listens[1]
        self.loaded[unit] = self.launched[unit] = text
        self.starts += 1
        self.invocations[unit] = str(self.starts)
        return True

    def journal(self, unit: str, since: float) -> list[str]:
        assert since > 0
        return [
            "loading",
            "supervisor: THOR-ENGINE-EXITED: the engine ended with code 3",
            f"{unit}: Failed with result 'x'.",
        ]


class Silent:
    """A reporter that tells nobody."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Say nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""


def service(name: str, port: int, text: str = "good", memory: float = 0) -> ServiceFiles:
    config = {"port": port, "memory_gib": memory}
    return ServiceFiles(name, f"{MARKER} {name}\n--port {port}\n{text}\n", json.dumps(config))


def on_demand(name: str, port: int, text: str = "good", memory: float = 0, turn: str = "") -> ServiceFiles:
    """A service that starts on demand; ``turn`` is the text of the unit of its turn, if it has one."""
    always = service(name, port + 10000, text, memory)
    parts = {
        f"thor-{name}.socket": f"{PART} {name}\nListenStream=127.0.0.1:{port}\n",
        f"thor-{name}-proxy.service": f"{PART} {name}\n{text}\n",
        **({f"thor-{name}-exclusive.service": f"{PART} {name}\n{turn}\n"} if turn else {}),
    }
    config = {**json.loads(always.config), "public_port": port}
    return ServiceFiles(name, always.unit, json.dumps(config), parts)


class Host:
    """A disk and a systemd, and runs on them."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk(root)
        self.systemd = Systemd(self.disk)

    def difference(self, *services: ServiceFiles, files: Sequence[File] = ()) -> Difference:
        wanted = Wanted(list(files), ["thor.target"], list(services))
        return compare(wanted, observe(self.disk, self.systemd, wanted))

    def diffs(self, *services: ServiceFiles) -> list[dict[str, str]]:
        """What ``--diff`` shows."""
        wanted = Wanted([], ["thor.target"], list(services))
        return diffs(wanted, compare(wanted, observe(self.disk, self.systemd, wanted)), self.disk)

    def run(self, *services: ServiceFiles, files: Sequence[File] = ()) -> Difference:
        self.systemd.orders.clear()
        wanted = Wanted(list(files), ["thor.target"], list(services))
        difference = compare(wanted, observe(self.disk, self.systemd, wanted))
        Switch(wanted, difference, self.disk, self.systemd, Silent()).run()
        return difference

    def carry_out(
        self,
        *services: ServiceFiles,
        files: Sequence[File] = (),
        restore: bool = False,
        renewed: Sequence[str] = (),
    ) -> dict[str, Any]:
        """A run as the module makes it."""
        wanted = Wanted(list(files), ["thor.target"], list(services), list(renewed))
        return carry_out(wanted, restore, self.disk, self.systemd, Silent())

    def unit(self, name: str) -> str:
        return self.disk.definition(name).unit or ""

    @property
    def serving(self) -> list[str]:
        return sorted(unit for unit in self.systemd.active if unit.endswith(".service"))
