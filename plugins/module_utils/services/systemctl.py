# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The state of our units, and the orders to systemd that a switch gives."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files, systemd
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed

SYSTEMD_FAILED = "THOR-SYSTEMD-FAILED"
JOURNAL_READ = 1000  # lines; what made a Python engine fail may stand far above its last lines
STATUS_SECONDS = 2  # between two looks at the status of a unit that is starting
SHOW_SECONDS = 120  # systemd is slow to answer while it reloads many units
# A unit without a file: what systemd says of its file, it says of every unit.
NEVER_EDITED = "init.scope"
PROPERTIES = (
    *("ActiveState", "UnitFileState", "InvocationID", "NeedDaemonReload", "DropInPaths"),
    *("MainPID", "ExecStart", "Description", "SubState"),
)


@dataclass(frozen=True)
class State:
    """What systemd says of a unit; ``invocation`` changes with each start.

    ``stale``: its file has changed since systemd read it, or the running command is not the one that systemd read.
    ``drop_ins``: the files that override it, as far as systemd has read them.
    """

    active: str = "inactive"
    enabled: str = ""
    invocation: str = ""
    stale: bool = False
    drop_ins: tuple[str, ...] = ()
    description: str = ""
    sub: str = ""
    main_pid: int = 0

    @property
    def runs(self) -> bool:
        """Whether the unit is running, and starts at boot."""
        return self.active == "active" and self.enabled == "enabled"


class Systemctl:
    """systemd itself; tests replace this object."""

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run systemctl; with ``check`` a failure raises JobFailed."""
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, errors="replace", check=False)
        if check and done.returncode != 0:
            raise _systemd_failed(f"systemctl {' '.join(arguments)} failed", done.stderr)
        return done

    def states(self, units: Sequence[str]) -> dict[str, State]:
        """The state of each unit, including those that systemd does not know."""
        if not units:
            return {}
        try:
            found = systemd.show([*units, NEVER_EDITED], *PROPERTIES, seconds=SHOW_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise _systemd_failed("systemctl show does not answer", str(error)) from error
        if not found:
            raise _systemd_failed("systemctl show does not answer", self.run("is-system-running", check=False).stderr)
        # From 255 on, systemd says this of every unit once anybody has enabled or disabled one without a reload (snapd does);
        # then it means nothing for ours (manager->unit_file_state_outdated in unit_need_daemon_reload, src/core/unit.c).
        of_all = found.pop(NEVER_EDITED).get("NeedDaemonReload") == "yes"
        return {
            unit: State(
                block.get("ActiveState", ""),
                block.get("UnitFileState", ""),
                block.get("InvocationID", ""),
                (block.get("NeedDaemonReload") == "yes" and not of_all) or runs_another(block),
                tuple(block.get("DropInPaths", "").split()),
                block.get("Description", ""),
                block.get("SubState", ""),
                int(block.get("MainPID") or 0),
            )
            for unit, block in found.items()
        }

    def reload(self) -> None:
        """Make systemd read the unit files again."""
        self.run("daemon-reload")

    def enable(self, unit: str, reload: bool = False) -> None:
        """Start the unit at boot. systemd knows of it at once only with ``reload``, which takes a while."""
        self.run("enable", "--quiet", *([] if reload else ["--no-reload"]), unit)

    def disable(self, unit: str) -> None:
        """Do not start the unit at boot, even if it no longer exists."""
        self.run("disable", "--quiet", "--no-reload", unit, check=False)

    def settle(self) -> None:
        """Write dirty pages to the disk now: dropping the page cache, before each start, then does not have to wait for it."""
        os.sync()

    def stop(self, *units: str) -> None:
        """Stop the units and reset their failures; returns when their processes have ended."""
        if units:
            self.run("stop", *units, check=False)
            self.run("reset-failed", *units, check=False)

    def start_later(self, unit: str) -> None:
        """Queue the start of the unit, without waiting for it."""
        self.run("start", "--no-block", unit, check=False)

    def start(self, unit: str, restart: bool, tell: Callable[[str], None], behind: str | None = None) -> bool:
        """Start or restart the unit, and return whether systemd succeeded. ``tell`` gets the unit's status meanwhile.

        ``behind``: the unit that it requires and starts, whose status is told instead. It is restarted with it, in one step: between
        two steps nothing would need it, or a client would have started it.
        """
        units = [one for one in (behind, unit) if one]
        self.run("reset-failed", *units, check=False)  # the delay between restarts begins small again
        order = subprocess.Popen(
            ["systemctl", "restart" if restart else "start", *(units if restart else [unit])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                done = order.wait(STATUS_SECONDS) == 0
                # A door that outlives its engine opens without one, too.
                return done and (behind is None or self.states([behind])[behind].active == "active")
            except subprocess.TimeoutExpired:
                tell(systemd.observe(units[:1], "StatusText").get(units[0], {}).get("StatusText", ""))

    def journal(self, unit: str, since: float) -> list[str]:
        """The last lines of the unit's journal since a point in time (seconds since 1970)."""
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
            errors="replace",  # engines may print anything, and long lines are cut in the middle of a character
            check=False,
        )
        return done.stdout.splitlines()


def runs_another(properties: Mapping[str, str]) -> bool:
    """Whether the main process runs another command than the one that systemd would start now.

    False if that is unknown: systemctl shows arguments without quotes, and variables before they are expanded.
    """
    command = re.search(r" argv\[\]=(.*) ; ignore_errors=", properties.get("ExecStart", ""))
    runs = files.content(Path(f"/proc/{properties.get('MainPID', '0')}/cmdline"))
    if command is None or not runs or "$" in command[1]:
        return False
    return runs.decode(errors="replace").rstrip("\0").replace("\0", " ") != command[1].rstrip()


def _systemd_failed(what: str, stderr: str) -> JobFailed:
    return JobFailed(
        f"{SYSTEMD_FAILED}: {socket.gethostname()}: {what}: {stderr.strip() or 'without a word'}. "
        "Put that right on the host, then run the play again."
    )
