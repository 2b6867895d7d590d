# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From the services that a host runs to those that it should run, and back when that fails.

A definition is a unit file and the JSON file that thor-serve reads. ``compare`` tells the difference without changing
anything; ``run_job`` (a job, see job.py) brings it about, a group of services at a time:

* services that exchange ports or memory are one group, be it that one takes over what another has, or what a removed one
  had. They are switched together and go back together; most groups are a single service;
* the definitions of a group are all in place before its first service is stopped. Then each one is restarted when its turn
  comes; systemctl returns when it has answered. A port is dark for little longer than an engine needs to end and the next
  one to start;
* a group whose services all serve is proven and stays. The first service that does not answer takes its group back to what
  served before, and the run stops there: the groups after it stay what they are, and what was only removed comes back;
* so does every other end but success: see transaction.py.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn, Protocol

from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services import drop_ins
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    Definition,
    Disk,
    File,
    Service,
    paths_of,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.transaction import Transaction
from ansible_collections.jetson.thor.plugins.module_utils.systemd import Systemctl

# All services as they were before the last switch, and whether that has come to its end.
BEFORE = "/var/lib/thor/before.json"
BEFORE_SHAPE = {"services": [{"name": str, "unit": str, "config": str}], "complete?": bool}
JOURNAL_LINES = 30  # shown
START_FAILED = "THOR-SERVICE-START"
BROKEN = "THOR-SWITCH-BROKEN"
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
    drift: list[str] = field(default_factory=list)  # what somebody else has changed, and only a person may take away
    pending: bool = False  # a run was cut off, and what it had begun is still to be taken back
    diff: list[dict[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything would be done."""
        return bool(
            self.files or self.units or self.removed or self.switched or self.started or self.drift or self.pending
        )

    def result(self) -> dict[str, Any]:
        """The difference as a module returns it."""
        return {
            "files": [item.path for item in self.files],
            "units": self.units,
            "removed": self.removed,
            "switched": self.switched,
            "started": self.started,
            "drift": self.drift,
        }


def compare(wanted: Wanted, disk: Disk, systemctl: Systemctl) -> Difference:
    """Tell what a run would do; changes nothing."""
    result = Difference(pending=Transaction.pending(disk, systemctl) is not None)
    names = [service.name for service in wanted.services]
    states = systemctl.states([*wanted.units, *(service.unit_name for service in wanted.services)])
    for item in wanted.files:
        if not disk.same(item):
            result.files.append(item)
            result.diff.append(_diff(item.path, disk.read(item.path), item.content))
    for unit in wanted.units:
        if not states[unit].runs or states[unit].stale:
            result.units.append(unit)
    for name in disk.ours():
        if name not in names:
            result.removed.append(name)
            result.diff.append(_diff(paths_of(name)[0], disk.definition(name).unit, None))
    for service in wanted.services:
        if any(disk.read(item.path) != item.content for item in service.files()):
            result.switched.append(service.name)
            for item in service.files():
                if (present := disk.read(item.path)) != item.content:
                    result.diff.append(_diff(item.path, present, item.content))
            continue
        state = states[service.unit_name]
        if state.runs and state.stale:
            result.switched.append(service.name)
            continue
        result.files += [item for item in service.files() if not disk.same(item)]  # mode or owner: nothing is restarted
        if not state.runs:
            result.started.append(service.name)
    result.drift = [
        text
        for unit, state in states.items()
        for path in dict.fromkeys([*state.drop_ins, *disk.drop_ins(unit)])
        if (text := drop_ins.drift(unit, path, disk.read(path)))
    ]
    return result


def _diff(path: str, before: str | None, after: str | None) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": before or "", "after": after or ""}


@dataclass
class Group:
    """Services that can only be switched together, in their order, and removed ones whose port or memory they take over."""

    services: list[Service] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def takes_over(new: Definition, present: Definition, other_has: Definition, other_gets: Definition) -> str | None:
    """What a service gets of another one: ``port ...``, ``memory`` or None."""
    if new.port is not None and other_has.port == new.port:
        return f"port {new.port}"
    if new.memory > present.memory and other_has.memory > other_gets.memory:
        return "memory"
    return None


def groups_of(pending: Sequence[Service], removed: Sequence[str], has: Mapping[str, Definition]) -> list[Group]:
    """The groups, in the order of their first services. ``has``: the present definitions. The last one only removes."""
    gets = {service.name: service.definition for service in pending} | dict.fromkeys(removed, Definition(None, None))
    group_of = {name: {name} for name in gets}
    for name in gets:
        for other in gets:
            if name != other and takes_over(gets[name], has[name], has[other], gets[other]):
                joined = group_of[name] | group_of[other]
                group_of |= dict.fromkeys(joined, joined)
    groups: list[Group] = []
    for service in pending:
        if not any(service in group.services for group in groups):
            members = group_of[service.name]
            groups.append(
                Group([one for one in pending if one.name in members], [one for one in removed if one in members])
            )
    leaving = [name for name in removed if not any(name in group.removed for group in groups)]
    return [*groups, Group([], leaving)]


class NotAnswered(Exception):
    """A service was started and has not answered; ``since``: when it was started."""

    def __init__(self, service: Service, since: float) -> None:
        super().__init__(service.unit_name)
        self.service = service
        self.since = since


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
        names = {*difference.switched, *difference.started}
        self.pending = [service for service in wanted.services if service.name in names]
        self.has = {name: disk.definition(name) for name in (*names, *difference.removed)}
        self.paused: set[str] = set()  # stopped, because a service before them takes over their port or their memory
        self.switched: list[str] = []
        self.total = len(difference.removed) + len(self.pending) + 1
        self.done = 0

    def run(self) -> None:
        """Bring the difference about; raise JobFailed with everything put back as far as that can be."""
        transaction = Transaction.begin(
            self.disk,
            self.systemctl,
            self.difference.files,
            [service for service in self.pending if service.name in self.difference.switched],
            self.difference.removed,
        )
        try:
            self.bring_about(transaction)
            transaction.close()
        except NotAnswered as failure:
            self.fail(failure, transaction)
        except BaseException as error:
            self.break_off(error, transaction)

    def bring_about(self, transaction: Transaction) -> None:
        """Everything that may fail."""
        for item in self.difference.files:
            self.report.say(f"write {item.path}")
        transaction.place(None)
        self.systemctl.reload()
        for unit in self.wanted.units:
            if not unit.endswith(".target"):  # a target would start services before their turn
                self.systemctl.enable(unit)
                self.start(unit, False)
        *groups, leaving = groups_of(self.pending, self.difference.removed, self.has)
        for name in leaving.removed:
            self.remove(name, transaction)
        for group in groups:
            self.switch(group, transaction)
        for unit in self.wanted.units:
            if unit.endswith(".target"):
                self.systemctl.enable(unit, reload=True)  # from here on it wants the services that were enabled above
                self.start(unit, False)
        self.report.progress(self.total, self.total)

    def start(self, unit: str, restart: bool) -> bool:
        """Start or restart a unit; returns whether it is up."""
        return self.systemctl.start(
            unit, restart, lambda status: self.report.progress(self.done, self.total, text=f"{unit}: {status}")
        )

    def switch(self, group: Group, transaction: Transaction) -> None:
        """Give the services of a group their new definitions, and have them serve one after the other."""
        changed = [service.name for service in group.services if service.name in self.difference.switched]
        for name in changed:
            transaction.place(name)
        if changed:
            self.systemctl.reload()
        for name in group.removed:
            self.remove(name, transaction)
        for position, service in enumerate(group.services):
            self.report.progress(self.done, self.total, text=f"starting {service.unit_name}")
            self.make_room(service, group.services[position + 1 :])
            self.systemctl.enable(service.unit_name)
            restart = service.name in changed
            self.report.say(f"{'restart' if restart else 'start'} {service.unit_name}")
            since = time.time()
            if not self.start(service.unit_name, restart):
                raise NotAnswered(service, since)
            self.done += 1
        transaction.commit([*changed, *group.removed])
        self.switched += [service.name for service in group.services]

    def remove(self, name: str, transaction: Transaction) -> None:
        """Stop and remove a service that is no longer wanted."""
        self.report.progress(self.done, self.total, text=f"removing thor-{name}.service")
        self.report.say(f"remove thor-{name}.service")
        self.systemctl.disable(f"thor-{name}.service")
        self.systemctl.stop(f"thor-{name}.service")
        # Not before: a unit without its file is stopped with systemd's defaults.
        for path in transaction.services[name].files:
            self.disk.remove(path)
        self.done += 1

    def make_room(self, service: Service, later: Sequence[Service]) -> None:
        """Stop who comes later and still has what this service gets: its port, or memory that the other one gives up."""
        for other in later:
            what = takes_over(service.definition, self.has[service.name], self.has[other.name], other.definition)
            if what and other.name not in self.paused:
                self.report.say(f"stop {other.unit_name}, whose {what} {service.unit_name} takes over")
                self.systemctl.stop(other.unit_name)
                self.paused.add(other.name)

    def undo(self, transaction: Transaction) -> tuple[list[str], list[str]]:
        """Put everything back that is not proven; returns who serves again, and who does not."""

        def start(unit: str) -> bool:
            self.report.say(f"start {unit} as it was")
            return self.start(unit, True)

        return transaction.undo(start)

    def break_off(self, error: BaseException, transaction: Transaction) -> NoReturn:
        """Put everything back after an error that says nothing of a service, and raise it."""
        self.report.say(f"the switch broke off: {type(error).__name__}: {error}")
        try:
            back, lost = self.undo(transaction)
        except (OSError, JobFailed) as second:
            now = (
                f"What served before could not be put back ({second}): that is tried again at boot and by the next run."
            )
        else:
            now = f"Nothing that is not proven was left: {_units(back) or 'no service'} had to be started again as before."
            if lost:
                now += f" Not serving any more: {_units(lost)}."
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, JobFailed):
            raise JobFailed(f"{error} {now}", **{**error.extra, "changed": True}) from error
        raise broken(error, now) from error

    def fail(self, failure: NotAnswered, transaction: Transaction) -> NoReturn:
        """Put back what served, and raise JobFailed."""
        service = failure.service
        journal = self.systemctl.journal(service.unit_name, failure.since)
        cause, reason = reason_of(journal)
        try:
            back, lost = self.undo(transaction)
        except (OSError, JobFailed) as error:
            reason += f" (and what served before could not be put back: {error}; boot and the next run try that again)"
            back, lost = [], list(transaction.services)
        raise JobFailed(
            self.failure_text(service, cause, reason, journal, back, lost),
            code=START_FAILED,
            cause=cause,
            unit=service.unit_name,
            reason=reason,
            switched=self.switched,
            restored=back,
            serving=self.serving(),
            changed=True,
        )

    def serving(self) -> list[str]:
        """Units of ours that serve now."""
        units = [f"thor-{name}.service" for name in self.disk.ours()]
        return [unit for unit, state in self.systemctl.states(units).items() if state.active == "active"]

    def failure_text(
        self, service: Service, cause: str | None, reason: str, journal: list[str], back: list[str], lost: list[str]
    ) -> str:
        """The message of a failed run: what, why, what is now, and the way out."""
        if service.name not in self.difference.switched:
            now = f"{service.unit_name} had this definition before and stays: systemd goes on trying to start it."
        elif not self.has[service.name].exists:
            now = f"{service.unit_name} was removed again: there was none before."
        elif service.name in lost:
            now = f"{service.unit_name} has its previous definition again, but does not start with that either."
        elif service.name in back:
            now = f"{service.unit_name} serves again as it did before."
        else:
            now = f"{service.unit_name} has its previous definition again; it did not run before."
        others = [name for name in lost if name != service.name]
        if others:
            now += f" Not serving any more: {_units(others)}."
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


def _units(names: Sequence[str]) -> str:
    return ", ".join(f"thor-{name}.service" for name in names)


def broken(error: Exception, now: str) -> JobFailed:
    """The failure of a switch that broke off; ``now`` says what became of what it had begun."""
    return JobFailed(
        f"{BROKEN}: {socket.gethostname()}: the switch broke off: {type(error).__name__}: {error}. {now} "
        "Put that right on the host (a full or read-only disk?), then run the play again.",
        changed=True,
    )


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
    record = records.read(disk.path(BEFORE), BEFORE_SHAPE)
    if record is None:
        raise JobFailed(
            f"{NOTHING_BEFORE}: {socket.gethostname()}: {BEFORE} is not there: nothing was switched on this host yet that could be "
            "taken back. Set what it should serve in thor_profiles, and run site.yml."
        )
    found: list[dict[str, str]] = record["services"]
    return found


def present(disk: Disk) -> list[dict[str, str]]:
    """The services of a host, as the module takes them."""
    found = []
    for name in disk.ours():
        definition = disk.definition(name)
        if definition.unit is not None and definition.config is not None:
            found.append({"name": name, "unit": definition.unit, "config": definition.config})
    return found


def run_job(spec: dict[str, Any], report: Progress) -> dict[str, Any]:
    """Bring about what ``spec`` (Wanted.spec, and ``restore``) wants; returns the module's result, raises JobFailed."""
    return carry_out(Wanted.from_spec(spec), spec["restore"], Disk(), Systemctl(), report)


def recover() -> None:
    """Take back what a run has begun that was cut off: after its end (ExecStopPost=), and at boot."""
    take_back(Disk(), Systemctl(), _tell)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def take_back(disk: Disk, systemctl: Systemctl, say: Callable[[str], None]) -> bool:
    """The same on a given disk; returns whether there was something to take back. Waits for no service."""
    transaction = Transaction.pending(disk, systemctl)
    if transaction is None:
        Transaction.clear(disk)
        return False

    def start(unit: str) -> bool:
        systemctl.start_later(unit)
        return True

    say("A switch was cut off. Back to what served before.")
    back, _lost = transaction.undo(start)
    say(f"Started as before: {_units(back) or 'none had to be'}.")
    return True


def tidy(wanted: Wanted, disk: Disk) -> None:
    """Remove what runs that were killed have left; not while one is at work."""
    disk.sweep([BEFORE, *(item.path for item in wanted.files)])


def carry_out(wanted: Wanted, restore: bool, disk: Disk, systemctl: Systemctl, report: Progress) -> dict[str, Any]:
    """The same on a given disk. From its first step on a failure says ``changed``: something may not be as it was."""
    try:
        recovered = take_back(disk, systemctl, report.say)
        tidy(wanted, disk)
    except OSError as error:
        raise broken(error, "Nothing new was begun; what an earlier run has left cannot be tidied up.") from error
    difference = compare(wanted, disk, systemctl)
    result = {"changed": recovered or bool(difference), "diff": difference.diff, **difference.result()}
    if not difference:
        return result
    record = records.read(disk.path(BEFORE), BEFORE_SHAPE) or {}
    # A way back that was begun, and a switch that failed, both leave it as it is: it is where all of this came from.
    if not restore and record.get("complete", True):
        record = {"services": present(disk)}
    try:
        disk.write(File(BEFORE, records.text({**record, "complete": False}), "0600"))
        disk.stage(File(BEFORE, records.text({**record, "complete": True}), "0600"))  # at the end there may be no room
        Switch(wanted, difference, disk, systemctl, report).run()
        disk.place(BEFORE)
    except JobFailed as error:
        error.extra["changed"] = True
        raise
    except (OSError, subprocess.SubprocessError) as error:
        raise broken(error, "Nothing that serves was touched.") from error
    return result
