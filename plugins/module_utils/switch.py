# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From the services that a host runs to those that it should run, and back when that fails.

A definition is a unit file and the JSON file that thor-serve reads. ``compare`` tells the difference without changing
anything; ``run_job`` (a job, see job.py) brings it about, a service at a time:

* units of ours that are no longer wanted go first: their ports and their memory are needed. Whatever can be done before
  is done before, so that a port is dark for little longer than an engine needs to end and the next one to start;
* a service is switched by writing its new definition and restarting it; systemctl returns when it has answered;
* the definition that served before is kept under ``/var/lib/thor/previous/``. The first service that does not answer
  goes back to it, and the run stops there: the services after it stay what they are;
* a run that was cut off (power, a kill) leaves a record ``proven: false``: the next run knows what had last served.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.jetson.thor.plugins.module_utils.job import JobFailed

# The first line of every unit that is ours to remove.
MARKER = "# A service of jetson.thor:"
UNITS = "etc/systemd/system"
CONFIGS = "etc/thor/services"
PREVIOUS = "var/lib/thor/previous"
# All services as they were before the last switch, and whether that has come to its end.
BEFORE = "var/lib/thor/before.json"
JOURNAL_LINES = 30  # shown
JOURNAL_READ = 1000  # read: the cause of a Python engine's end may stand far above its last words
START_FAILED = "THOR-SERVICE-START"
SYSTEMD_FAILED = "THOR-SYSTEMD-FAILED"
NOTHING_BEFORE = "THOR-NOTHING-BEFORE"

# What systemd says of every failure, whatever the reason is.
_VERDICT = re.compile(
    r"^(Starting |Failed to start |\S+\.service: (Main process exited|Failed with result|Scheduled restart))"
)
_EXCEPTION = re.compile(r"(?:^|[\s.])[A-Z]\w*(?:Error|Exception): \S")
_CODE = re.compile(r"\b(THOR-[A-Z]+(?:-[A-Z]+)*): (.+)$")


class Progress(Protocol):
    """What of job.Reporter is used here."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Record how far the work is."""

    def say(self, line: str) -> None:
        """Write a line to the job's log."""


@dataclass(frozen=True)
class File:
    """A support file (thor-serve itself, the target, ...); ``path`` is absolute, ``mode`` octal digits."""

    path: str
    content: str
    mode: str = "0644"


@dataclass(frozen=True)
class Service:
    """A service as it should be: its unit and thor-serve's configuration, as texts."""

    name: str
    unit: str
    config: str

    @property
    def unit_name(self) -> str:
        """The unit's name."""
        return f"thor-{self.name}.service"


@dataclass(frozen=True)
class Definition:
    """What is on the disk of one service; None for a file that is not there."""

    unit: str | None
    config: str | None

    @property
    def exists(self) -> bool:
        """Whether there is a unit."""
        return self.unit is not None

    @property
    def port(self) -> int | None:
        """The port that the service listens on, where that is known."""
        port = self._of_config("port")
        return port if isinstance(port, int) else None

    @property
    def memory(self) -> float:
        """The budget of the service in GiB; 0 where it is not known."""
        memory = self._of_config("memory_gib")
        return float(memory) if isinstance(memory, int | float) else 0.0

    def _of_config(self, key: str) -> Any:
        try:
            return json.loads(self.config or "").get(key)
        except (ValueError, AttributeError):
            return None


@dataclass(frozen=True)
class Wanted:
    """Everything that should be: the module's arguments."""

    files: list[File]
    units: list[str]  # support units, enabled and started: thor.target, the socket that drops the page cache
    services: list[Service]

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Wanted:
        """Read a job's ``spec``."""
        return cls(
            files=[File(**item) for item in spec["files"]],
            units=list(spec["units"]),
            services=[Service(**item) for item in spec["services"]],
        )

    def spec(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass
class Difference:
    """What a run would do; all lists empty when there is nothing to do."""

    files: list[File] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)  # names of services
    switched: list[str] = field(default_factory=list)  # new, or with another definition
    started: list[str] = field(default_factory=list)  # as they should be, and not running or not enabled
    diff: list[dict[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything would be done."""
        return bool(self.files or self.units or self.removed or self.switched or self.started)

    def result(self) -> dict[str, Any]:
        """The difference as a module returns it."""
        return {
            "files": [item.path for item in self.files],
            "units": self.units,
            "removed": self.removed,
            "switched": self.switched,
            "started": self.started,
        }


@dataclass(frozen=True)
class State:
    """What systemd says of a unit; ``invocation`` is another one after each start."""

    active: str = "inactive"
    enabled: str = ""
    invocation: str = ""

    @property
    def runs(self) -> bool:
        """Whether the unit is up, and comes up at boot."""
        return self.active == "active" and self.enabled == "enabled"


@dataclass(frozen=True)
class Kept:
    """What served before the present definition.

    ``proven``: the present one has answered since. ``invocation``: of the unit when the present one was written.
    """

    definition: Definition
    proven: bool
    invocation: str

    def cut_off(self, state: State) -> bool:
        """Whether a run was cut off before the present definition was started, or before it had answered."""
        return not self.proven and (state.active != "active" or state.invocation == self.invocation)


class Systemctl:
    """The few questions and orders to systemd. ``root`` is not systemd's: tests put another object in its place."""

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run systemctl; with ``check`` a failure raises JobFailed."""
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise _systemd_failed(f"systemctl {' '.join(arguments)} failed", done.stderr)
        return done

    def states(self, units: Sequence[str]) -> dict[str, State]:
        """The state of each unit, also of one that systemd does not know."""
        if not units:
            return {}
        done = self.run("show", "--property=ActiveState,UnitFileState,InvocationID", "--", *units, check=False)
        blocks = [
            dict(re.findall(r"^(\w+)=(.*)$", block, re.MULTILINE)) for block in done.stdout.strip("\n").split("\n\n")
        ]
        if len(blocks) != len(units):
            raise _systemd_failed("systemctl show does not answer", done.stderr)
        return {
            unit: State(*(block.get(name, "") for name in ("ActiveState", "UnitFileState", "InvocationID")))
            for unit, block in zip(units, blocks, strict=True)
        }

    def reload(self) -> None:
        """Have systemd read the unit files again."""
        self.run("daemon-reload")

    def enable(self, unit: str, reload: bool = False) -> None:
        """Start the unit at boot. Only with ``reload`` does systemd know at once, which takes its time."""
        self.run("enable", "--quiet", *([] if reload else ["--no-reload"]), unit)

    def disable(self, unit: str) -> None:
        """Do not start the unit at boot; also of one that is no more."""
        self.run("disable", "--quiet", "--no-reload", unit, check=False)

    def settle(self) -> None:
        """Have written what is to be written: thor-serve does it before each start, and then has little to wait for."""
        os.sync()

    def stop(self, unit: str) -> None:
        """Stop the unit and forget its failures; returns when its processes are gone."""
        self.run("stop", unit, check=False)
        self.run("reset-failed", unit, check=False)

    def start(self, unit: str, restart: bool, report: Progress, done: int, total: int) -> bool:
        """Start or restart the unit; returns systemd's verdict when it is there, and reports meanwhile."""
        self.run("reset-failed", unit, check=False)  # the delay of a restart begins small again
        order = subprocess.Popen(
            ["systemctl", "restart" if restart else "start", unit],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                return order.wait(2) == 0
            except subprocess.TimeoutExpired:
                status = self.run("show", "--property=StatusText", "--value", unit, check=False).stdout.strip()
                report.progress(done, total, text=f"{unit}: {status}")

    def journal(self, unit: str, since: float) -> list[str]:
        """The last lines of the unit's journal since a moment (seconds since 1970)."""
        done = subprocess.run(
            [
                "journalctl",
                f"--unit={unit}",
                f"--since=@{int(since)}",
                f"--lines={JOURNAL_READ}",
                "--output=cat",
                "--no-pager",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.splitlines()


class Disk:
    """The files of the services, under ``root`` (``/`` on a host)."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def path(self, absolute: str) -> Path:
        """Where an absolute path lies."""
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str) -> str | None:
        """The text of a file, or None."""
        try:
            return self.path(absolute).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def same(self, item: File) -> bool:
        """Whether a support file is as it should be."""
        path = self.path(item.path)
        return self.read(item.path) == item.content and (path.stat().st_mode & 0o7777) == int(item.mode, 8)

    def write(self, absolute: str, content: str, mode: int = 0o644) -> None:
        """Write a file under its final name in one rename."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(content)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise

    def remove(self, absolute: str) -> None:
        """Remove a file that may be gone."""
        self.path(absolute).unlink(missing_ok=True)

    def definition(self, name: str) -> Definition:
        """What is on the disk of a service."""
        return Definition(self.read(f"{UNITS}/thor-{name}.service"), self.read(f"{CONFIGS}/{name}.json"))

    def put(self, name: str, definition: Definition) -> None:
        """Make the disk hold this definition of a service."""
        for path, text in (
            (f"{CONFIGS}/{name}.json", definition.config),
            (f"{UNITS}/thor-{name}.service", definition.unit),
        ):
            if text is None:
                self.remove(path)
            else:
                self.write(path, text)

    def ours(self) -> list[str]:
        """Names of the services whose units we once wrote: by name and by their first line."""
        return [
            path.name.removeprefix("thor-").removesuffix(".service")
            for path in sorted(self.path(UNITS).glob("thor-*.service"))
            if path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith(MARKER)
        ]

    def keep(self, name: str, kept: Kept) -> None:
        """Record what served before the present definition."""
        record = {**asdict(kept.definition), "proven": kept.proven, "invocation": kept.invocation}
        self.write(f"{PREVIOUS}/{name}.json", json.dumps(record), 0o600)

    def kept(self, name: str) -> Kept | None:
        """What ``keep`` recorded, or None."""
        text = self.read(f"{PREVIOUS}/{name}.json")
        if text is None:
            return None
        try:
            record = json.loads(text)
            return Kept(Definition(record["unit"], record["config"]), record["proven"], record["invocation"])
        except (ValueError, KeyError, TypeError):
            return None


def _systemd_failed(what: str, stderr: str) -> JobFailed:
    return JobFailed(
        f"{SYSTEMD_FAILED}: {socket.gethostname()}: {what}: {stderr.strip() or 'without a word'}. "
        "Put that right on the host, then run the play again."
    )


def compare(wanted: Wanted, disk: Disk, systemctl: Systemctl) -> Difference:
    """Tell what a run would do; changes nothing."""
    result = Difference()
    names = [service.name for service in wanted.services]
    states = systemctl.states([*wanted.units, *(service.unit_name for service in wanted.services)])
    for item in wanted.files:
        if not disk.same(item):
            result.files.append(item)
            result.diff.append(_diff(item.path, disk.read(item.path), item.content))
    for unit in wanted.units:
        if not states[unit].runs:
            result.units.append(unit)
    for name in disk.ours():
        if name not in names:
            result.removed.append(name)
            result.diff.append(_diff(f"/{UNITS}/thor-{name}.service", disk.definition(name).unit, None))
    for service in wanted.services:
        present = disk.definition(service.name)
        if present != Definition(service.unit, service.config):
            result.switched.append(service.name)
            if present.unit != service.unit:
                result.diff.append(_diff(f"/{UNITS}/{service.unit_name}", present.unit, service.unit))
            if present.config != service.config:
                result.diff.append(_diff(f"/{CONFIGS}/{service.name}.json", present.config, service.config))
        elif not states[service.unit_name].runs:
            result.started.append(service.name)
        elif (kept := disk.kept(service.name)) is not None and kept.cut_off(states[service.unit_name]):
            result.switched.append(service.name)  # it was written, and what runs is still the one before
    return result


def _diff(path: str, before: str | None, after: str | None) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": before or "", "after": after or ""}


class Switch:
    """One run."""

    def __init__(
        self, wanted: Wanted, difference: Difference, disk: Disk, systemctl: Systemctl, report: Progress
    ) -> None:
        self.wanted = wanted
        self.difference = difference
        self.disk = disk
        self.systemctl = systemctl
        self.report = report
        self.old_files: list[tuple[File, str | None, int]] = []
        self.removed: dict[str, Definition] = {}
        self.paused: list[str] = []  # stopped, because a service before them takes over their port or their memory
        self.staged: list[str] = []  # new, on the disk already, and not started yet
        self.switched: list[str] = []

    def run(self) -> None:
        """Bring the difference about; raise JobFailed with everything put back as far as that can be."""
        names = {*self.difference.switched, *self.difference.started}
        pending = [service for service in self.wanted.services if service.name in names]
        total = len(self.difference.removed) + len(pending) + 1
        done = 0
        self.write_files()
        self.stage(pending)
        self.systemctl.reload()
        for unit in self.wanted.units:
            if not unit.endswith(".target"):  # a target would start services before their turn
                self.systemctl.enable(unit)
                self.systemctl.start(unit, False, self.report, done, total)
        self.systemctl.settle()
        for name in self.difference.removed:
            self.report.progress(done, total, text=f"removing thor-{name}.service")
            self.remove(name)
            done += 1
        for position, service in enumerate(pending):
            self.report.progress(done, total, text=f"starting {service.unit_name}")
            self.make_room(service, pending[position + 1 :])
            self.switch(service, done, total)
            done += 1
        for unit in self.wanted.units:
            if unit.endswith(".target"):
                self.systemctl.enable(unit, reload=True)  # from here on it wants the services that were enabled above
                self.systemctl.start(unit, False, self.report, done, total)
        self.report.progress(total, total)

    def write_files(self) -> None:
        """Write the support files that differ."""
        for item in self.difference.files:
            path = self.disk.path(item.path)
            mode = path.stat().st_mode & 0o7777 if path.exists() else 0
            self.old_files.append((item, self.disk.read(item.path), mode))
            self.report.say(f"write {item.path}")
            self.disk.write(item.path, item.content, int(item.mode, 8))

    def stage(self, pending: Iterable[Service]) -> None:
        """Write the new services that inherit the port of a removed one, while that one still serves."""
        ports = {self.disk.definition(name).port for name in self.difference.removed} - {None}
        for service in pending:
            new, present = Definition(service.unit, service.config), self.disk.definition(service.name)
            if new.port in ports and not present.exists:
                # As if a run had been cut off here: there was nothing before, and this has not answered yet.
                self.disk.keep(service.name, Kept(present, False, ""))
                self.disk.put(service.name, new)
                self.staged.append(service.name)

    def remove(self, name: str) -> None:
        """Stop and remove a service that is no longer wanted."""
        definition = self.disk.definition(name)
        self.report.say(f"remove thor-{name}.service")
        self.disk.keep(name, Kept(definition, True, ""))
        self.systemctl.disable(f"thor-{name}.service")
        self.systemctl.stop(f"thor-{name}.service")
        self.disk.put(name, Definition(None, None))
        self.removed[name] = definition

    def make_room(self, service: Service, later: Iterable[Service]) -> None:
        """Stop who comes later and still holds what this service shall have: its port, or memory that the other one gives up."""
        new, present = Definition(service.unit, service.config), self.disk.definition(service.name)
        for other in later:
            holds, shall_hold = self.disk.definition(other.name), Definition(other.unit, other.config)
            port = new.port is not None and holds.port == new.port
            memory = new.memory > present.memory and holds.memory > shall_hold.memory
            if other.name not in self.paused and (port or memory):
                what = f"port {new.port}" if port else "memory"
                self.report.say(f"stop {other.unit_name}, whose {what} {service.unit_name} takes over")
                self.systemctl.stop(other.unit_name)
                self.paused.append(other.name)

    def switch(self, service: Service, done: int, total: int) -> None:
        """Give one service its new definition and (re)start it, or put everything back and raise JobFailed."""
        present = self.disk.definition(service.name)
        new = Definition(service.unit, service.config)
        kept = self.disk.kept(service.name)
        state = self.systemctl.states([service.unit_name])[service.unit_name]
        # What has last served: the present definition, unless a run was cut off.
        before = kept.definition if kept is not None and kept.cut_off(state) else present
        changed = service.name in self.difference.switched
        if service.name in self.staged:
            self.staged.remove(service.name)
        elif changed:
            self.disk.keep(service.name, Kept(before, False, state.invocation))
            self.disk.put(service.name, new)
            self.systemctl.reload()
        self.systemctl.enable(service.unit_name)
        since = time.time()
        self.report.say(f"{'restart' if changed else 'start'} {service.unit_name}")
        if not self.systemctl.start(service.unit_name, changed, self.report, done, total):
            self.fail(service, before, since)
        if changed or (kept is not None and not kept.proven):
            self.disk.keep(service.name, Kept(before, True, ""))
        if service.name in self.paused:
            self.paused.remove(service.name)
        self.switched.append(service.name)

    def fail(self, service: Service, before: Definition, since: float) -> None:
        """Put back what served, and raise JobFailed."""
        journal = self.systemctl.journal(service.unit_name, since)
        cause, reason = reason_of(journal)
        back = []
        new = Definition(service.unit, service.config)
        if before != new:
            self.systemctl.stop(service.unit_name)
            if not before.exists:
                self.systemctl.disable(service.unit_name)
            self.disk.put(service.name, before)
            if before.exists:
                back.append(service.name)
        for name in self.staged:
            self.disk.put(name, Definition(None, None))
            self.disk.remove(f"{PREVIOUS}/{name}.json")
        if not self.switched:  # whoever was switched has been started by the new thor-serve, and keeps it
            self.put_files_back()
        taken = {Definition(done.unit, done.config).port for done in self.wanted.services if done.name in self.switched}
        for name, definition in self.removed.items():
            if definition.port is None or definition.port not in taken:
                self.disk.put(name, definition)
                back.append(name)
        self.systemctl.reload()
        lost = []
        for name in [*back, *self.paused]:
            if name in back:
                self.systemctl.enable(f"thor-{name}.service")
            self.report.say(f"start thor-{name}.service as it was")
            if not self.systemctl.start(f"thor-{name}.service", True, self.report, 0, 1):
                lost.append(name)
        if not before.exists:
            self.disk.remove(f"{PREVIOUS}/{service.name}.json")
        elif before != new:
            self.disk.keep(service.name, Kept(before, True, ""))
        raise JobFailed(
            self.failure_text(service, before, cause, reason, journal, lost),
            code=START_FAILED,
            cause=cause,
            unit=service.unit_name,
            reason=reason,
            switched=self.switched,
            restored=[name for name in back if name not in lost],
            serving=self.serving(),
            changed=True,
        )

    def put_files_back(self) -> None:
        """Undo write_files where there was a file before; a new one harms nobody."""
        for item, content, mode in self.old_files:
            if content is not None:
                self.disk.write(item.path, content, mode)

    def serving(self) -> list[str]:
        """Units of ours that serve now."""
        units = [f"thor-{name}.service" for name in self.disk.ours()]
        return [unit for unit, state in self.systemctl.states(units).items() if state.active == "active"]

    def failure_text(
        self, service: Service, before: Definition, cause: str | None, reason: str, journal: list[str], lost: list[str]
    ) -> str:
        """The message of a failed run: what, why, what is now, and the way out."""
        if before == Definition(service.unit, service.config):
            now = f"{service.unit_name} had this definition before and stays: systemd goes on trying to start it."
        elif not before.exists:
            now = f"{service.unit_name} was removed again: there was none before."
        elif service.name in lost:
            now = f"{service.unit_name} has its previous definition again, but does not start with that either."
        else:
            now = f"{service.unit_name} serves again as it did before."
        others = [name for name in lost if name != service.name]
        if others:
            now += f" Not serving any more: {', '.join(f'thor-{name}.service' for name in others)}."
        serving = ", ".join(self.serving()) or "nothing"
        lines = [
            f"{START_FAILED}: {socket.gethostname()}: {service.unit_name} was started and has not answered: "
            f"{f'{cause}: ' if cause else ''}{reason}",
            f"{now} Serving now: {serving}. Services after it in thor_profiles were left as they are.",
            "Put right what the journal names, then run the play again.",
            *first_exception(journal),
            f"The last lines of journalctl -u {service.unit_name}:",
            *(f"    {line}" for line in journal[-JOURNAL_LINES:]),
        ]
        return "\n".join(lines)


def first_exception(journal: Sequence[str]) -> list[str]:
    """The first exception of a Python engine, to be shown, where the last lines do not hold it."""
    first = next((line for line in journal if _EXCEPTION.search(line)), None)
    if first is None or first in journal[-JOURNAL_LINES:]:
        return []
    return ["The first exception in its journal:", f"    {first.strip()}"]


def reason_of(journal: Sequence[str]) -> tuple[str | None, str]:
    """The code and the reason that thor-serve wrote last; None and what systemd says where it wrote none."""
    for line in reversed(journal):
        found = _CODE.search(line)
        if found and "thor-serve: " in line:
            return found[1], found[2]
    telling = [line.strip() for line in journal if line.strip() and not _VERDICT.search(line)]
    return None, telling[-1] if telling else "its journal says nothing"


def before(disk: Disk) -> list[dict[str, str]]:
    """The services as they were before the last switch; raises JobFailed where there was none."""
    text = disk.read(BEFORE)
    if text is None:
        raise JobFailed(
            f"{NOTHING_BEFORE}: {socket.gethostname()}: /{BEFORE} is not there: nothing was switched on this host yet that could be "
            "taken back. Set what it should serve in thor_profiles, and run site.yml."
        )
    found: list[dict[str, str]] = json.loads(text)["services"]
    return found


def last_served(disk: Disk, systemctl: Systemctl) -> list[dict[str, str]]:
    """The definitions that have last served, as the module takes them: what a host would go back to."""
    names = disk.ours()
    states = systemctl.states([f"thor-{name}.service" for name in names])
    found = []
    for name in names:
        definition, kept = disk.definition(name), disk.kept(name)
        if kept is not None and kept.cut_off(states[f"thor-{name}.service"]):
            definition = kept.definition
        if definition.unit is not None and definition.config is not None:
            found.append({"name": name, "unit": definition.unit, "config": definition.config})
    return found


def run_job(spec: dict[str, Any], report: Progress) -> dict[str, Any]:
    """Bring about what ``spec`` (Wanted.spec, and ``restore``) wants; returns the module's result, raises JobFailed."""
    return carry_out(Wanted.from_spec(spec), spec["restore"], Disk(), Systemctl(), report)


def carry_out(wanted: Wanted, restore: bool, disk: Disk, systemctl: Systemctl, report: Progress) -> dict[str, Any]:
    """The same on a given disk. From its first step on a failure says ``changed``: something may not be as it was."""
    difference = compare(wanted, disk, systemctl)
    result = {"changed": bool(difference), "diff": difference.diff, **difference.result()}
    if not difference:
        return result
    record = json.loads(disk.read(BEFORE) or "{}")
    # A way back that was begun, and a switch that was cut off, both leave it as it is: it is where all of this came from.
    if not restore and record.get("complete", True):
        record = {"services": last_served(disk, systemctl)}
    disk.write(BEFORE, json.dumps({**record, "complete": False}), 0o600)
    try:
        Switch(wanted, difference, disk, systemctl, report).run()
    except JobFailed as error:
        error.extra["changed"] = True
        raise
    except (OSError, subprocess.SubprocessError) as error:
        raise JobFailed(
            f"{SYSTEMD_FAILED}: {socket.gethostname()}: the switch broke off: {type(error).__name__}: {error}. "
            "Put that right on the host, then run the play again.",
            changed=True,
        ) from error
    disk.write(BEFORE, json.dumps({**record, "complete": True}), 0o600)
    return result
