# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From the services that a host runs to those that it should run, and back if that fails.

A definition is a unit file and the JSON file that the supervisor reads. compare.py says what differs; ``run_job`` (a job, see jobs.py)
applies it, one group of services at a time:

* the new revision of a model, which waits beside the old one, gets its directory together with the definitions of all services that
  use it or used it; they are one group, and restart;
* services that exchange ports or memory, among themselves or with a removed service, are one group (groups.py). They are switched
  together and go back together; most groups are a single service;
* the definitions of a group are all in place before its first service is stopped. Then each service is restarted in turn, and
  systemctl returns when it has answered. A port is dark for little longer than one engine needs to stop and the next one to start;
* a group whose services have all answered is proven and stays. The first service that does not answer takes its group back to what
  served before, and the run stops there: later groups stay as they are, and services that were only removed come back;
* so does every other end but success: see transaction.py.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services import previous, retired
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import Difference, Wanted, compare
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import UNITS, Disk, ServiceFiles
from ansible_collections.jetson.thor.plugins.module_utils.services.failure import (
    broken,
    journal_text,
    reason_of,
    unit_names,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.groups import Group, groups_of, takes_over
from ansible_collections.jetson.thor.plugins.module_utils.services.observation import diffs, observe
from ansible_collections.jetson.thor.plugins.module_utils.services.parts import proxy_of, socket_of
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import Systemctl
from ansible_collections.jetson.thor.plugins.module_utils.services.transaction import Transaction

START_FAILED = "THOR-SERVICE-START"


class Progress(Protocol):
    """The part of jobs.Reporter that is used here."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Record how far the work has come."""

    def say(self, line: str) -> None:
        """Write a line to the job's log."""


class NotAnswered(Exception):
    """A service was started and has not answered; ``since``: when it was started."""

    def __init__(self, service: ServiceFiles, since: float) -> None:
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
        self.paused: set[str] = set()  # stopped early, because a service before them takes over their port or memory
        self.switched: list[str] = []
        self.total = len(difference.removed) + len(self.pending) + 1
        self.done = 0

    def run(self) -> None:
        """Apply the difference; on failure restore what served before as far as possible, and raise JobFailed."""
        transaction = Transaction.begin(
            self.disk,
            self.systemctl,
            self.difference.files,
            [service for service in self.pending if service.name in self.difference.switched],
            self.difference.removed,
            self.difference.models,
        )
        try:
            self.apply(transaction)
            transaction.close()
        except NotAnswered as failure:
            self.fail(failure, transaction)
        except BaseException as error:
            self.abort(error, transaction)

    def apply(self, transaction: Transaction) -> None:
        """Everything that may fail."""
        for item in self.difference.files:
            self.report.say(f"write {item.path}")
        transaction.place(None)
        self.systemctl.reload()
        for unit in self.wanted.units:
            if not unit.endswith(".target"):  # a target would start services too early
                self.systemctl.enable(unit)
                self.start(unit, False)
        *groups, leaving = groups_of(self.pending, self.difference.removed, self.has, self.difference.models)
        self.exchange(leaving)
        for name in leaving.removed:
            self.remove(name, transaction)
        for group in groups:
            self.switch(group, transaction)
        for unit in self.wanted.units:
            if unit.endswith(".target"):
                self.systemctl.enable(unit, reload=True)  # from now on it wants the services enabled above
                self.start(unit, False)
        self.report.progress(self.total, self.total)

    def start(self, unit: str, restart: bool, behind: str | None = None) -> bool:
        """Start or restart a unit, with the engine behind it; returns whether it is up."""

        def tell(status: str) -> None:
            self.report.progress(self.done, self.total, text=f"{behind or unit}: {status}")

        return self.systemctl.start(unit, restart, tell, behind)

    def switch(self, group: Group, transaction: Transaction) -> None:
        """Give the services of a group their new definitions and start them one after the other."""
        changed = [service.name for service in group.services if service.name in self.difference.switched]
        for name in changed:
            transaction.place(name)
        self.exchange(group)
        if changed:
            self.systemctl.reload()
        for name in group.removed:
            self.remove(name, transaction)
        for position, service in enumerate(group.services):
            self.report.progress(self.done, self.total, text=f"starting {service.unit_name}")
            self.make_room(service, group.services[position + 1 :])
            since = time.time()
            if not self.launch(service, service.name in changed):
                raise NotAnswered(service, since)
            self.done += 1
        transaction.commit([*changed, *group.removed], group.models)
        self.switched += [service.name for service in group.services]

    def launch(self, service: ServiceFiles, restart: bool) -> bool:
        """Start or restart a service; returns whether it has answered.

        One that starts on demand is started by its door, which holds it up for the idle time. Its socket stays open if it can: then
        clients wait instead of being refused.
        """
        has, socket = self.has[service.name], socket_of(service.name)
        leaves = [unit for unit in has.parts if unit not in service.parts]
        is_kept = has.parts.get(socket) == service.parts.get(socket)
        if (
            restart and not is_kept
        ):  # another port, or the service itself takes over from its socket, or the other way round
            self.systemctl.stop(*has.parts, service.unit_name)
        elif leaves:
            self.systemctl.stop(*leaves)
        if bool(has.parts) != bool(service.parts):
            self.systemctl.disable(service.unit_name if service.parts else socket)
        for unit in leaves:
            self.disk.remove(f"/{UNITS}/{unit}")
        if leaves:
            self.systemctl.reload()
        self.systemctl.enable(service.enabled_unit)
        self.report.say(f"{'restart' if restart else 'start'} {service.unit_name}")
        if not service.parts:
            return self.start(service.unit_name, restart)
        return self.start(socket, False) and self.start(proxy_of(service.name), restart, service.unit_name)

    def exchange(self, group: Group) -> None:
        """Give the models of a group their directories. Who serves keeps the files that it has opened."""
        for tree in group.models:
            self.report.say(f"exchange {tree.path}")
            self.disk.bring(tree)

    def remove(self, name: str, transaction: Transaction) -> None:
        """Stop and remove a service that is no longer wanted."""
        self.report.progress(self.done, self.total, text=f"removing thor-{name}.service")
        self.report.say(f"remove thor-{name}.service")
        units = [*self.has[name].parts, f"thor-{name}.service"]
        for unit in units:
            self.systemctl.disable(unit)
        self.systemctl.stop(*units)
        # Only now: systemd stops a unit that has no file with its defaults.
        for path in transaction.services[name].files:
            self.disk.remove(path)
        self.done += 1

    def make_room(self, service: ServiceFiles, later: Sequence[ServiceFiles]) -> None:
        """Stop later services that still have what this one takes over: its port, or memory that they give up."""
        for other in later:
            what = takes_over(service.definition, self.has[service.name], self.has[other.name], other.definition)
            if what and other.name not in self.paused:
                self.report.say(f"stop {other.unit_name}: {service.unit_name} takes over its {what}")
                self.systemctl.stop(*self.has[other.name].parts, other.unit_name)
                self.paused.add(other.name)

    def undo(self, transaction: Transaction) -> tuple[list[str], list[str]]:
        """Restore everything that is not proven; return the services that serve again, and those that do not."""

        def start(unit: str) -> bool:
            self.report.say(f"start {unit} as it was")
            return self.start(unit, True)

        return transaction.undo(start)

    def abort(self, error: BaseException, transaction: Transaction) -> NoReturn:
        """Restore what served before after an error that is not a service's, and raise the error."""
        self.report.say(f"the switch was interrupted: {type(error).__name__}: {error}")
        try:
            back, lost = self.undo(transaction)
        except (OSError, JobFailed) as second:
            now = f"What served before could not be restored ({second}): boot and the next run try again."
        else:
            now = f"Everything unproven was undone; started again as before: {unit_names(back) or 'nothing'}."
            if lost:
                now += f" No longer serving: {unit_names(lost)}."
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, JobFailed):
            raise JobFailed(f"{error} {now}", **{**error.extra, "changed": True}) from error
        raise broken(error, now) from error

    def fail(self, failure: NotAnswered, transaction: Transaction) -> NoReturn:
        """Restore what served before, and raise JobFailed."""
        service = failure.service
        journal = self.systemctl.journal(service.unit_name, failure.since)
        cause, reason = reason_of(journal)
        try:
            back, lost = self.undo(transaction)
        except (OSError, JobFailed) as error:
            reason += f" (and what served before could not be restored: {error}; boot and the next run try again)"
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
        """Our units that serve now."""
        units = [f"thor-{name}.service" for name in self.disk.ours()]
        return [unit for unit, state in self.systemctl.states(units).items() if state.active == "active"]

    def failure_text(
        self,
        service: ServiceFiles,
        cause: str | None,
        reason: str,
        journal: list[str],
        back: list[str],
        lost: list[str],
    ) -> str:
        """The message of a failed run: what happened, why, what serves now, and the way out."""
        if service.name not in self.difference.switched:
            now = f"{service.unit_name} has the same definition as before and stays: systemd keeps trying to start it."
        elif not self.has[service.name].exists:
            now = f"{service.unit_name} was removed again: there was none before."
        elif service.name in lost:
            now = f"{service.unit_name} has its previous definition again, but does not start with it either."
        elif service.name in back:
            now = f"{service.unit_name} serves again as it did before."
        else:
            now = f"{service.unit_name} has its previous definition again; it did not run before."
        others = [name for name in lost if name != service.name]
        if others:
            now += f" No longer serving: {unit_names(others)}."
        serving = ", ".join(self.serving()) or "nothing"
        lines = [
            f"{START_FAILED}: {socket.gethostname()}: {service.unit_name} was started but has not answered: "
            f"{f'{cause}: ' if cause else ''}{reason}",
            f"{now} Serving now: {serving}. Later services in thor_profiles were left as they are.",
            "Fix what the journal names, then run the play again.",
            *journal_text(service.unit_name, journal),
        ]
        return "\n".join(lines)


def run_job(spec: dict[str, Any], report: Progress) -> dict[str, Any]:
    """Apply ``spec`` (Wanted.spec, and ``restore``); return the module's result, or raise JobFailed."""
    return carry_out(Wanted.from_spec(spec), spec["restore"], Disk(), Systemctl(), report)


def recover() -> None:
    """Undo what an interrupted run has begun: after its end (ExecStopPost=), and at boot."""
    take_back(Disk(), Systemctl(), _tell)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def take_back(disk: Disk, systemctl: Systemctl, say: Callable[[str], None]) -> bool:
    """The same on a given disk; return whether there was something to undo. Waits for no service."""
    transaction = Transaction.pending(disk, systemctl)
    if transaction is None:
        Transaction.clear(disk)
        return False

    def start(unit: str) -> bool:
        systemctl.start_later(unit)
        return True

    say("A switch was interrupted. Back to what served before.")
    back, _lost = transaction.undo(start)
    say(f"Started as before: {unit_names(back) or 'none had to be'}.")
    return True


def tidy(wanted: Wanted, disk: Disk) -> None:
    """Remove what killed runs left behind; not while a run is active."""
    disk.sweep([previous.RECORD, *(item.path for item in wanted.files)])


def carry_out(wanted: Wanted, restore: bool, disk: Disk, systemctl: Systemctl, report: Progress) -> dict[str, Any]:
    """The same on a given disk. From its first step on a failure reports ``changed``: something may differ from before."""
    try:
        recovered = take_back(disk, systemctl, report.say)
        tidy(wanted, disk)
    except OSError as error:
        raise broken(error, "Nothing new was begun: what an earlier run left behind cannot be removed.") from error
    difference = compare(wanted, observe(disk, systemctl, wanted))
    diff = diffs(wanted, difference, disk)
    result = {"changed": recovered or bool(difference), "diff": diff, **difference.result()}
    if not difference:
        return result
    try:
        previous.begin(disk, restore, [tree.path for tree in difference.models])
        Switch(wanted, difference, disk, systemctl, report).run()
        previous.complete(disk)
        retired.remove(disk)
        if wanted.prune:
            before = previous.models(disk)
            for path in disk.trees.paths():
                disk.prune(path, [before[path]] if path in before else [])
    except JobFailed as error:
        error.extra["changed"] = True
        raise
    except (OSError, subprocess.SubprocessError) as error:
        raise broken(error, "Nothing that serves was touched.") from error
    return result
