# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Bring the files of the gateway to the device, all at once or not at all, without a dark moment.

The folder ``/etc/thor/gateway`` is a link to a folder with a tag. New files get a folder of their own, nginx tests them there, and one
rename makes the link lead to them. A running gateway is then told to read them: new workers take over while the old ones finish their
answers. If it does not, the link leads back to what was there before.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import commands, files, systemd
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed, Problem

FOLDER = "/etc/thor/gateway"
GENERATIONS = ".gateway-"  # beside it, with a tag
LOGS = "/var/log/thor/gateway"
RUN = "/run/thor-gateway"
UNIT = "thor-gateway.service"
NGINX = "/usr/sbin/nginx"
TEST_SECONDS = 60
SETTLE_SECONDS = 20  # for new workers, or for a start


@dataclass(frozen=True)
class Item:
    """A file as it should be."""

    path: str
    content: str
    mode: str


class Nginx:
    """nginx and systemd themselves; tests replace this object."""

    def test(self, configuration: Path) -> str:
        """What nginx says against a configuration; empty if it accepts it."""
        done = subprocess.run(
            [NGINX, "-t", "-q", "-c", str(configuration)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TEST_SECONDS,
        )
        return "" if done.returncode == 0 else done.stderr.strip() or f"it ended with {done.returncode}"

    def systemctl(self, *arguments: str) -> str:
        """What systemctl says against an order; empty if it succeeds."""
        done = subprocess.run(
            ["systemctl", *arguments], capture_output=True, text=True, errors="replace", check=False, timeout=120
        )
        return "" if done.returncode == 0 else done.stderr.strip() or f"systemctl {arguments[0]} failed"

    def state(self) -> dict[str, str]:
        """ActiveState, UnitFileState and MainPID of the gateway's unit."""
        return systemd.observe([UNIT], "ActiveState", "UnitFileState", "MainPID", "NeedDaemonReload").get(UNIT, {})

    def workers(self) -> set[str]:
        """The processes below the gateway's main one."""
        main = self.state().get("MainPID", "0")
        return set((files.text(Path(f"/proc/{main}/task/{main}/children")) or "").split())

    def journal(self) -> str:
        """The last lines of the gateway."""
        said = commands.output("journalctl", f"--unit={UNIT}", "--lines=5", "--output=cat", "--no-pager", seconds=30)
        return " ".join(said.split())[-600:]


class Deployment:
    """The files below a root folder."""

    def __init__(self, nginx: Nginx, root: str | Path = "/", settle: float = SETTLE_SECONDS) -> None:
        self.nginx, self.root, self.settle = nginx, Path(root), settle
        self.link = self.path(FOLDER)

    def path(self, absolute: str) -> Path:
        """A path of the device."""
        return self.root / absolute.lstrip("/")

    def differing(self, wanted: Sequence[Item]) -> list[Item]:
        """The files that the device does not have like this."""
        return [one for one in wanted if not self._is_there(one)]

    def surplus(self, wanted: Sequence[Item]) -> list[str]:
        """Files in the folder that nobody wants any more."""
        names = {one.path for one in wanted}
        found = (f"/{path.relative_to(self.root)}" for path in sorted(self.link.rglob("*")) if path.is_file())
        return [path for path in found if path not in names]

    def _is_there(self, item: Item) -> bool:
        path = self.path(item.path)
        content = files.content(path)
        return content == item.content.encode() and f"{path.stat().st_mode & 0o7777:04o}" == item.mode

    def before(self, item: Item) -> str:
        """What is there in its place."""
        return (files.content(self.path(item.path)) or b"").decode(errors="replace")

    def is_up(self) -> bool:
        """Whether the gateway runs, and starts at boot."""
        state = self.nginx.state()
        return state.get("ActiveState") == "active" and state.get("UnitFileState") == "enabled"

    def apply(self, wanted: Sequence[Item]) -> None:
        """Make the device have these files, and the gateway serve by them. Raises Failed; then what was there before serves."""
        inside = [one for one in wanted if one.path.startswith(f"{FOLDER}/")]
        beside = [one for one in wanted if one not in inside]
        generation = self._stage(inside)
        try:
            self._test(generation, inside)
        except BaseException:
            shutil.rmtree(generation, ignore_errors=True)
            raise
        before = self.link.resolve() if self.link.is_symlink() else None
        kept = [Item(one.path, self.before(one), one.mode) for one in beside if self.path(one.path).exists()]
        unit = any(one.path.endswith(f"/{UNIT}") for one in self.differing(beside))
        self._lead_to(generation)
        self._write(beside)
        reason = self._serve(restart=unit)
        if reason:
            said = self.nginx.journal()
            self._go_back(before, beside, kept)
            shutil.rmtree(generation, ignore_errors=True)
            state = (
                "What served before serves again." if before else "There was no gateway before, and there is none now."
            )
            raise _failed(
                "THOR-GATEWAY-START", f"{reason} {said}".strip(), f"{state} Mend that, then run the play again."
            )
        self._forget(generation)

    def remove(self) -> None:
        """Take the gateway off the device; its logs stay."""
        self.nginx.systemctl("disable", "--now", UNIT)
        for path in (self.path(f"/etc/systemd/system/{UNIT}"), self.path("/etc/logrotate.d/thor-gateway")):
            path.unlink(missing_ok=True)
        if self.link.is_symlink():
            self.link.unlink()
        else:
            shutil.rmtree(self.link, ignore_errors=True)
        self._forget(None)
        self.nginx.systemctl("daemon-reload")

    def is_there(self) -> bool:
        """Whether there is anything to remove."""
        return os.path.lexists(self.link) or self.path(f"/etc/systemd/system/{UNIT}").exists()

    def _stage(self, inside: Sequence[Item]) -> Path:
        """A folder of its own with the new files, under no name that anybody reads."""
        parent = self.link.parent
        parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        generation = parent / f"{GENERATIONS}{secrets.token_hex(4)}"
        generation.mkdir(mode=0o755)
        _fill(generation, inside)
        files.sync(generation)
        return generation

    def _test(self, generation: Path, inside: Sequence[Item]) -> None:
        """Have nginx read the new files: a copy that names its own folder."""
        for folder, mode in ((LOGS, 0o755), (RUN, 0o755)):
            self.path(folder).mkdir(mode=mode, parents=True, exist_ok=True)
        trial = generation.with_name(f"{generation.name}.test")
        try:
            trial.mkdir(mode=0o700)
            _fill(trial, [replace(one, content=one.content.replace(FOLDER, str(trial))) for one in inside])
            said = self.nginx.test(trial / "nginx.conf")
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        finally:
            shutil.rmtree(trial, ignore_errors=True)
        if said:
            raise _failed(
                "THOR-GATEWAY-CONFIGURATION",
                f"nginx refuses the new configuration: {said.replace(str(trial), FOLDER)}",
                "Nothing was changed. Mend that, then run the play again.",
            )

    def _lead_to(self, generation: Path) -> None:
        """Make the link lead to a folder, in one rename."""
        partial = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        partial.symlink_to(generation.name)
        files.place(partial, self.link)
        files.sync(self.link.parent)

    def _write(self, beside: Sequence[Item]) -> None:
        for one in beside:
            self.path(one.path).parent.mkdir(parents=True, exist_ok=True)
            files.write(self.path(one.path), one.content, int(one.mode, 8), durable=True)

    def _serve(self, restart: bool) -> str:
        """Start the gateway, or have it read its files; why it does not, or an empty text."""
        if restart and (said := self.nginx.systemctl("daemon-reload")):
            return said
        if said := self.nginx.systemctl("enable", "--quiet", UNIT):
            return said
        if self.nginx.state().get("ActiveState") == "active" and not restart:
            workers = self.nginx.workers()
            return self.nginx.systemctl("reload", UNIT) or self._wait_for_others(workers)
        said = self.nginx.systemctl("restart", UNIT)
        return said or self._wait_for_others(set())

    def _wait_for_others(self, workers: set[str]) -> str:
        """Wait until there are workers that were not there before: nginx starts them once it has read everything."""
        end = time.monotonic() + self.settle
        while time.monotonic() < end:
            if self.nginx.workers() - workers and self.nginx.state().get("ActiveState") == "active":
                return ""
            time.sleep(0.1)
        return f"The gateway has not begun to serve by its new files within {self.settle:g} seconds."

    def _go_back(self, before: Path | None, beside: Sequence[Item], kept: Sequence[Item]) -> None:
        """Restore what was there before, as far as there was anything."""
        if before is None:
            self.nginx.systemctl("disable", "--now", UNIT)
            with contextlib.suppress(OSError):
                self.link.unlink()
            for one in beside:
                self.path(one.path).unlink(missing_ok=True)
            self.nginx.systemctl("daemon-reload")
            return
        self._lead_to(before)
        self._write(kept)
        self.nginx.systemctl("daemon-reload")
        active = self.nginx.state().get("ActiveState") == "active"
        self.nginx.systemctl("reload" if active else "restart", UNIT)

    def _forget(self, generation: Path | None) -> None:
        """Remove the folders that nothing leads to."""
        for path in self.link.parent.glob(f"{GENERATIONS}*"):
            if path != generation:
                shutil.rmtree(path, ignore_errors=True)


def _fill(folder: Path, inside: Sequence[Item]) -> None:
    """Write the files of the gateway's folder into another one."""
    for one in inside:
        path = folder / one.path.removeprefix(f"{FOLDER}/")
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        files.fill(path, one.content, int(one.mode, 8), durable=True)


def _failed(code: str, reason: str, remedy: str) -> Failed:
    return Failed(Problem(code, "thor_gateway", None, reason, remedy))
