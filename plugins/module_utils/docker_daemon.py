# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The dockerd of a host with its files, daemon.json, a drop-in of its unit and its proxy: what has to change, and how it is applied."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.jetson.thor.plugins.module_utils import (
    daemon_json,
    docker_api,
    files,
    install_record,
    records,
    systemd,
)
from ansible_collections.jetson.thor.plugins.module_utils import proxy as site_proxy
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed, Problem

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

UNIT = "docker.service"
OPTIONS = "container_runtime_daemon_options"
# dockerd loads its containers before it answers.
ANSWER_SECONDS = 60
RELOAD_SECONDS = 15


@dataclass(frozen=True)
class Change:
    """The wanted files (None: no file), the keys that dockerd has to apply, and how: none, reload, restart or start."""

    merged: Mapping[str, Any]
    text: str | None
    drop_in: str | None
    proxy: str  # the file that the drop-in names; empty: no file
    keys: list[str]
    action: str
    pid: int


class Daemon:
    """The dockerd of this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.options: Mapping[str, Any] = module.params["options"]
        self.environment: Mapping[str, str] | None = module.params["environment"]
        self.proxy = site_proxy.Proxy.of(module.params.get("proxy"))
        self.file = Path(os.path.realpath(daemon_json.PATH))
        self.drop_in = docker_host.DROP_IN
        self.api = docker_api.Docker()
        self.program = module.get_bin_path("dockerd")
        self.before = files.read(None, str(self.file))
        self.drop_in_before = files.read(None, str(self.drop_in))
        self.proxy_before = files.read(None, str(site_proxy.DOCKER)) or ""
        content, error = docker_host.read_daemon_json()
        if error:
            raise Failed(daemon_json.file_problem(error))
        self.current = content or {}

    # --- What has to change ---

    def change(self) -> Change:
        """The difference between the wanted configuration and the files and the running dockerd. Raises Failed."""
        try:
            merged = daemon_json.merge(self.current, self.options)
        except daemon_json.Conflict as error:
            raise Failed(daemon_json.conflict_problem(str(error))) from error
        text = self.before if self.before and merged == self.current else daemon_json.render(merged)
        environment = self.environment
        if environment is None:
            environment = {daemon_json.NO_RAW: "1"} if daemon_json.NO_RAW in (self.drop_in_before or "") else {}
        drop_in = drop_in_text(environment, bool(self.proxy))
        pid = self._main_pid()
        keys, action = self._decide(merged, pid)
        return Change(merged, text, drop_in, self.proxy.docker_env(), keys, action, pid)

    def _decide(self, merged: Mapping[str, Any], pid: int) -> tuple[list[str], str]:
        """The keys that dockerd has to apply, and how."""
        keys = set(daemon_json.changed_keys(self.current, merged))
        if self.program is None:
            return sorted(keys), "none"
        if not pid:
            return sorted(keys), "start"
        effective = self._effective()
        if effective is None:
            return sorted(keys), "restart"
        keys |= set(daemon_json.lacking(self.options, merged, effective))
        keys |= set(docker_host.pending(str(pid)).get("keys", []))
        running = {"environment": docker_host.environment(str(pid)), "drop_in": self.drop_in_before}
        if self.environment is not None and not daemon_json.environment_settled(self.environment, running):
            keys |= set(self.environment) or {daemon_json.NO_RAW}
        if self._other_proxy(pid):
            keys.add("proxy")
        return sorted(keys), daemon_json.action(keys)

    def _other_proxy(self, pid: int) -> bool:
        """Whether the running dockerd has another proxy than the wanted one. One that a person has given it stays."""
        if not self.proxy:
            return str(site_proxy.DOCKER) in (self.drop_in_before or "")
        return site_proxy.running(docker_host.variables(str(pid))) != self.proxy.docker_env()

    def _main_pid(self) -> int:
        """Process id of dockerd; 0 if it does not run."""
        values = systemd.observe([UNIT], "ActiveState", "MainPID").get(UNIT, {})
        return int(values.get("MainPID", 0)) if values.get("ActiveState") == "active" else 0

    def _effective(self) -> dict[str, Any] | None:
        """The configuration of the running dockerd; None if it does not answer. Raises Failed if it refuses to tell."""
        try:
            return daemon_json.effective(self.api.get("/info"))
        except docker_api.DockerError as error:
            if error.status is None:
                return None
            reason = f"dockerd does not report its configuration: {error.message}"
            raise Failed(
                Problem("THOR-DOCKER-FAILED", UNIT, None, reason, "Check its journal: journalctl -u docker.")
            ) from error

    def containers(self) -> list[str]:
        """The running containers, for a person."""
        try:
            found = docker_host.running_containers(self.api.get("/containers/json"))
        except docker_api.DockerError:
            return ["all running containers (dockerd does not answer)"]
        return [f"{one['name']} ({one['service'] or one['image']})" for one in found]

    def writes(self, change: Change) -> bool:
        """Whether a file changes."""
        after = (change.text, change.drop_in, change.proxy)
        return after != (self.before, self.drop_in_before, self.proxy_before)

    def diff(self, change: Change) -> list[dict[str, str]]:
        """The files before and after, without passwords."""
        return [
            {
                "before": daemon_json.redact(before or ""),
                "after": daemon_json.redact(after or ""),
                "before_header": str(path),
                "after_header": str(path),
            }
            for path, before, after in (
                (self.file, self.before, change.text),
                (self.drop_in, self.drop_in_before, change.drop_in),
                (site_proxy.DOCKER, self.proxy_before, change.proxy),
            )
            if path != site_proxy.DOCKER or before or after
        ]

    # --- What is refused ---

    def refuse_interruption(self, change: Change, interrupted: list[str]) -> Failed:
        """A restart that nobody has allowed."""
        reason = (
            f"dockerd applies {', '.join(change.keys) or 'its configuration'} only when it is restarted, and that would interrupt "
            f"{', '.join(interrupted)}. Nothing was changed."
        )
        remedy = (
            "Set container_runtime_allow_restart: true (our services restart by themselves), or stop the containers."
        )
        return Failed(Problem("THOR-DOCKER-BUSY", "container_runtime_allow_restart", False, reason, remedy))

    def validate(self, change: Change) -> None:
        """Let dockerd check the new file. Docker before 23.0 cannot. Raises Failed."""
        if self.program is None or change.text in (None, self.before):
            return
        # Not in the module's own temporary folder: check mode would create that.
        with tempfile.TemporaryDirectory(prefix="thor-docker-") as folder:
            trial = Path(folder) / "daemon.json"
            trial.write_text(str(change.text), encoding="utf-8")
            code, out, err = self.module.run_command([self.program, "--validate", f"--config-file={trial}"])
        if code and "unknown flag" not in err:
            words = _one_line(err or out).replace(str(trial), str(self.file))
            reason = f"dockerd does not accept the configuration: {words} Nothing was written."
            remedy = f"Correct the option, or the key in {self.file} that it names."
            raise Failed(Problem("THOR-DOCKER-REFUSED", OPTIONS, None, reason, remedy))

    # --- What is done ---

    def apply(self, change: Change) -> None:
        """Write the files and make dockerd apply them. Raises Failed after everything is back as it was."""
        since = time.time()
        if change.action in {"reload", "restart"}:
            docker_host.PENDING.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            records.write(docker_host.PENDING, {"action": change.action, "pid": change.pid, "keys": change.keys})
        self._write(self.file, change.text, self.before)
        self._write(self.drop_in, change.drop_in, self.drop_in_before)
        site_proxy.write(site_proxy.DOCKER, change.proxy)
        if change.drop_in != self.drop_in_before:
            self._systemctl("daemon-reload")
        wrong = self._load(change)
        if wrong:
            raise self._restore(wrong, change, since)
        docker_host.PENDING.unlink(missing_ok=True)

    def _write(self, path: Path, text: str | None, before: str | None) -> None:
        """Replace a file in one rename; mode and owner stay. None removes it."""
        if text == before:
            return
        install_record.note_file(path, text)
        if text is None:
            path.unlink(missing_ok=True)
            if path == self.drop_in:
                with contextlib.suppress(OSError):  # it holds somebody else's drop-ins
                    path.parent.rmdir()
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        files.write(path, text)

    def _systemctl(self, *arguments: str) -> str | None:
        """An order to systemd; what went wrong, or None."""
        code, out, err = self.module.run_command(["systemctl", *arguments])
        return None if code == 0 else _one_line(err or out)

    def _load(self, change: Change) -> str | None:
        """Make dockerd load the files; what went wrong, or None."""
        if change.action == "none":
            return None
        if change.action != "reload":
            # Earlier failed starts must not count.
            self._systemctl("reset-failed", UNIT)
        wrong = self._systemctl(change.action, UNIT)
        if wrong:
            return wrong
        missing: list[str] | None = None
        deadline = time.monotonic() + (RELOAD_SECONDS if change.action == "reload" else ANSWER_SECONDS)
        while time.monotonic() < deadline:
            effective = self._effective()
            missing = None if effective is None else daemon_json.lacking(self.options, change.merged, effective)
            if missing == []:
                return None
            time.sleep(0.2)
        return f"dockerd has not applied {', '.join(missing)}" if missing else "dockerd does not answer"

    def _restore(self, reason: str, change: Change, since: float) -> Failed:
        """Put the previous files back; the failure to raise."""
        journal = ["journalctl", "--unit", UNIT, f"--since=@{int(since)}", "--output=cat", "--no-pager", "--lines=15"]
        _code, out, _err = self.module.run_command(journal)
        self._write(self.file, self.before, change.text)
        self._write(self.drop_in, self.drop_in_before, change.drop_in)
        site_proxy.write(site_proxy.DOCKER, self.proxy_before)
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", UNIT)
        restart = self._main_pid() and change.action != "reload"
        wrong = self._systemctl("restart" if restart else "reload-or-restart", UNIT)
        docker_host.PENDING.unlink(missing_ok=True)
        now = f"does not run with it either: {wrong}" if wrong else "runs with it"
        reason = f"{change.action} of {UNIT} with the new {self.file} failed: {reason.rstrip('.')}"
        remedy = (
            f"The previous configuration was put back, and dockerd {now}. The end of its journal with the new one:\n"
            f"{daemon_json.redact(out.rstrip())}"
        )
        return Failed(Problem("THOR-DOCKER-FAILED", OPTIONS, None, reason, remedy))


def drop_in_text(environment: Mapping[str, str], proxy: bool = False) -> str | None:
    """The drop-in that sets these variables and names the file of the proxy; None if there is nothing to set.

    Every version of Docker reads its proxy from there (docs.docker.com, "Daemon proxy configuration"). A unit is for everybody to
    read, and the address may hold a password. The file may be absent: dockerd then starts without a proxy.
    """
    if not environment and not proxy:
        return None
    lines = [f'Environment="{key}={value}"' for key, value in sorted(environment.items())]
    lines += [f"EnvironmentFile=-{site_proxy.DOCKER}"] if proxy else []
    names = [*(["container_runtime_no_iptables_raw"] if environment else []), *(["thor_proxy"] if proxy else [])]
    return "\n".join([f"# Written by jetson.thor ({', '.join(names)}).", "[Service]", *lines, ""])


def _one_line(text: str) -> str:
    return str(daemon_json.redact(" ".join(text.split())))
