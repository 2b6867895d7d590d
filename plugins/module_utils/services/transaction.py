# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a switch has begun and not yet proven, so that every end but success goes back to what served before.

Before anything is touched, each new file is staged beside its place (``.NAME.new``), each old one has a second name (``.NAME.old``),
and a record lists these files and services. Everything that needs space is written by then: a full disk ends the switch before it
has stopped anything, and going back only renames. A group of services leaves the record as soon as it serves, and the record is
removed at the end. While it exists, what it lists is not proven, and ``undo`` restores all of it, however often it is called:

* by the switch itself, when a service does not answer or anything else goes wrong;
* by ExecStopPost= of the job's unit, when the job was killed or timed out;
* at boot, before any service starts, by a unit that exists only as long as the record does: after a power cut;
* by the next run, if all of these failed.

So the units that are enabled at boot are always one consistent set, no matter which of the renames reached the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import jobs, records
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    UNITS,
    Disk,
    File,
    ModelTree,
    ServiceFiles,
    paths_of,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.parts import proxy_of, socket_of
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import State, Systemctl

RECORD = "/var/lib/thor/switch.json"
SHAPE = {
    "files": {str: bool},
    "services": {
        str: {
            "files": {str: bool},
            "enabled": bool,
            "active": str,
            "invocation": str,
            "parts?": {str: {"enabled": bool, "active": str, "invocation": str}},
        }
    },
    "models?": {str: str},
}
# Not named thor-*: those names belong to services.
RECOVERY = "jetson-thor-recovery.service"
RECOVERY_LINK = f"/{UNITS}/sysinit.target.wants/{RECOVERY}"
# Services keep their default dependencies, so none starts before sysinit.target.
RECOVERY_UNIT = """\
[Unit]
Description=jetson.thor: restore the services before an interrupted switch
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
RequiresMountsFor=/var/lib/thor /opt/thor /etc/systemd/system{mounts}

[Service]
Type=oneshot
TimeoutStartSec=120
ExecStart={command}
"""


@dataclass
class Touched:
    """A service as it was. ``files``: each of its paths, and whether the file existed; ``active``: systemd's ActiveState.

    ``parts``: the same of its further units (parts.py), those that it had and those that it gets.
    """

    files: dict[str, bool]
    enabled: bool
    active: str
    invocation: str
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, files: dict[str, bool], parts: Iterable[str], states: Mapping[str, State]) -> Touched:
        """From what systemd says."""

        def said(unit: str) -> dict[str, Any]:
            state = states[unit]
            return {
                "enabled": state.enabled == "enabled",
                "active": state.active,
                "invocation": state.invocation,
            }

        return cls(files=files, **said(f"thor-{name}.service"), parts={unit: said(unit) for unit in parts})

    def units(self, name: str) -> dict[str, tuple[bool, str, str]]:
        """Each unit as it was: whether it was enabled, its ActiveState and its invocation. Clients' end comes first."""
        parts = {unit: (one["enabled"], one["active"], one["invocation"]) for unit, one in self.parts.items()}
        return {**parts, f"thor-{name}.service": (self.enabled, self.active, self.invocation)}

    def served_by(self, name: str) -> list[str]:
        """The units to start so that it serves as before: its engine; or its socket, and its door where that was open."""
        units = self.units(name)
        if units.get(socket_of(name), (False, "", ""))[1] == "active":
            doors = [proxy_of(name)] if units.get(proxy_of(name), (False, "", ""))[1] == "active" else []
            return [socket_of(name), *doors]
        return [f"thor-{name}.service"] if self.active == "active" else []


class Transaction:
    """The record and its content."""

    def __init__(
        self,
        disk: Disk,
        systemctl: Systemctl,
        files: dict[str, bool],
        services: dict[str, Touched],
        models: dict[str, str],
    ) -> None:
        self.disk = disk
        self.systemctl = systemctl
        self.files = files  # support files
        self.services = services
        self.models = models  # the identity of the tree that each exchanged directory had
        self._paths = self._all_paths()

    @classmethod
    def begin(
        cls,
        disk: Disk,
        systemctl: Systemctl,
        files: Iterable[File],
        services: Sequence[ServiceFiles],
        removed: Iterable[str],
        models: Iterable[ModelTree] = (),
    ) -> Transaction:
        """Stage all files and write the record. Whatever happens here, nothing that serves is touched."""
        new = {item.path: item for item in files}
        named = {service.name: service.files() for service in services}
        parts = _parts(disk, services, removed)
        places = {name: [*paths_of(name)[:2], *(f"/{UNITS}/{unit}" for unit in units)] for name, units in parts.items()}
        states = systemctl.states([unit for name, units in parts.items() for unit in (f"thor-{name}.service", *units)])
        had = {tree.path: disk.trees.current(tree.path) for tree in models}
        transaction = cls(disk, systemctl, {}, {}, {path: identity for path, identity in had.items() if identity})
        transaction._paths = [*new, *(path for paths in places.values() for path in paths)]
        try:
            transaction.files = {path: disk.save(path) for path in new}
            for name, paths in places.items():
                saved = {path: disk.save(path) for path in paths}
                transaction.services[name] = Touched.of(name, saved, parts[name], states)
            for item in [*new.values(), *(item for items in named.values() for item in items)]:
                disk.stage(item)
            disk.write(
                File(
                    f"/{UNITS}/{RECOVERY}",
                    RECOVERY_UNIT.format(
                        command=jobs.command_line("switch", "services.switch.recover()"),
                        mounts="".join(f" {path}" for path in sorted(had)),
                    ),
                )
            )
            disk.link(f"../{RECOVERY}", RECOVERY_LINK)
            systemctl.settle()
            transaction._write()
        except BaseException:
            with contextlib.suppress(OSError):
                transaction.close()
            raise
        return transaction

    @classmethod
    def pending(cls, disk: Disk, systemctl: Systemctl) -> Transaction | None:
        """What an interrupted run left behind; None normally."""
        record = records.read(disk.path(RECORD), SHAPE)
        if record is None:
            return None
        services = {name: Touched(**one) for name, one in record["services"].items()}
        return cls(disk, systemctl, record["files"], services, record.get("models", {}))

    def place(self, name: str | None) -> None:
        """Move the staged files of a service into place; with None, the support files.

        Parts that it does not have any more stay until their units have been stopped.
        """
        for path in self.files if name is None else self.services[name].files:
            if self.disk.is_staged(path):
                self.disk.place(path)

    def commit(self, names: Iterable[str], models: Iterable[ModelTree] = ()) -> None:
        """These services, their models, and the support files that they were started with, are proven: nothing undoes them any more."""
        proven = set(names)
        exchanged = {tree.path for tree in models}
        services = {name: one for name, one in self.services.items() if name not in proven}
        self.disk.flush(self._all_paths())
        self.files, self.services = {}, services
        self.models = {path: identity for path, identity in self.models.items() if path not in exchanged}
        if services or self.models:  # otherwise ``close`` comes next, which needs no space
            self._write()

    def close(self) -> None:
        """Forget everything: the disk is as it should be."""
        self.disk.flush([*self._paths, RECOVERY_LINK])
        self.disk.remove(RECORD)
        self.disk.flush([RECORD])
        self.clear(self.disk)
        self.disk.sweep(self._paths)

    @staticmethod
    def clear(disk: Disk) -> None:
        """Remove the unit that undoes at boot: without a record it is not needed."""
        disk.remove(RECOVERY_LINK)
        disk.remove(f"/{UNITS}/{RECOVERY}")

    def undo(self, start: Callable[[str], bool]) -> tuple[list[str], list[str]]:
        """Go back to what served before; return the services that serve again, and those that do not.

        ``start`` starts a unit and returns whether it is up. If something fails here, the record stays for the next attempt.
        """
        errors: list[Exception] = []

        def attempt(work: Callable[..., Any], *arguments: Any) -> None:
            try:
                work(*arguments)
            except (OSError, jobs.JobFailed) as error:
                errors.append(error)

        units = {name: was.units(name) for name, was in self.services.items()}
        states = self.systemctl.states([unit for one in units.values() for unit in one])
        touched = [name for name, was in units.items() if any(_differs(states[unit], one) for unit, one in was.items())]
        attempt(self.systemctl.stop, *(unit for name in touched for unit in units[name]))
        for name, was in self.services.items():
            for unit, (enabled, _active, _invocation) in units[name].items():
                if not enabled:
                    attempt(self.systemctl.disable, unit)
            for path, existed in was.files.items():
                attempt(self.disk.restore, path, existed)
        for path, existed in self.files.items():
            if existed:  # a new one does no harm
                attempt(self.disk.restore, path, existed)
        for path, identity in self.models.items():
            attempt(self._bring_back, ModelTree(path, identity))
        for one in units.values():
            for unit, (enabled, _active, _invocation) in one.items():
                if enabled:
                    attempt(self.systemctl.enable, unit)
        # Last, because systemd does not notice what the others did.
        attempt(self.systemctl.reload)
        restored: list[str] = []
        lost: list[str] = []
        for name in touched:
            if serving := self.services[name].served_by(name):
                (restored if all(start(unit) for unit in serving) else lost).append(name)
            elif self.services[name].active not in {"inactive", "failed"}:
                self.systemctl.start_later(f"thor-{name}.service")  # systemd was about to restart it, and keeps trying
        if errors:
            raise errors[0]
        self.close()
        return restored, lost

    def _bring_back(self, tree: ModelTree) -> None:
        with contextlib.suppress(FileNotFoundError):  # somebody has removed it: no later attempt would find it either
            self.disk.bring(tree)

    def _all_paths(self) -> list[str]:
        return [*self.files, *(path for one in self.services.values() for path in one.files)]

    def _write(self) -> None:
        services = {name: asdict(one) for name, one in self.services.items()}
        record = {"files": self.files, "services": services, "models": self.models}
        self.disk.write(File(RECORD, records.text(record), "0600"))
        self.disk.flush([RECORD])


def _parts(disk: Disk, services: Iterable[ServiceFiles], removed: Iterable[str]) -> dict[str, list[str]]:
    """The further units that each service has or gets."""
    gets = {service.name: service.parts for service in services}
    gets |= {name: {} for name in removed}
    return {name: list(dict.fromkeys([*units, *disk.definition(name).parts])) for name, units in gets.items()}


def _differs(state: State, was: tuple[bool, str, str]) -> bool:
    """Whether a unit was touched: it does not run as it did, with the same invocation, or still does not run."""
    _enabled, active, invocation = was
    if active in {"inactive", "failed"}:
        return state.active != active
    return state.active != "active" or state.invocation != invocation
