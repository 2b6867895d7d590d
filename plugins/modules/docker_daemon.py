#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""dockerd runs with a configuration, and a person's own keys stay."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon
short_description: Merge keys into daemon.json and make the running Docker Engine apply them
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Merges O(options) into C(/etc/docker/daemon.json). Mappings are merged, lists combined, other values replaced; everything else in the
    file stays. A file that is not valid JSON is an error that names the line, and is never overwritten.
  - C(dockerd --validate) checks the new file, which then replaces the old one in one rename.
  - What happens next depends on the keys that changed, and on those that the running dockerd visibly lacks. Keys that dockerd can apply
    while it runs cause a reload, others a restart; if it has everything, nothing happens. A stopped dockerd is started.
  - A restart ends running containers. It is refused before anything is written, unless O(allow_restart).
  - If dockerd does not start with the new configuration, or does not apply it, the old one is restored and the module fails.
  - A run that was interrupted between writing and restarting is finished by the next one.
options:
  options:
    description: Keys of daemon.json.
    type: dict
    required: true
  environment:
    description:
      - Environment variables of dockerd, set in C(/etc/systemd/system/docker.service.d/jetson-thor.conf). An empty mapping removes that
        file. If omitted, the file stays unchanged.
    type: dict
  allow_restart:
    description: Whether a restart may interrupt running containers.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and return what would change without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: full
notes:
  - Passwords in URLs (proxies) are masked in diff mode and in messages.
requirements:
  - systemd and root
"""

EXAMPLES = r"""
- name: Register NVIDIA's runtime
  jetson.thor.docker_daemon:
    options:
      runtimes:
        nvidia:
          path: nvidia-container-runtime
          args: []
"""

RETURN = r"""
action:
  description: What was done to dockerd, V(none), V(reload), V(restart) or V(start).
  type: str
  returned: success
keys:
  description: Keys that were changed in the file, or that the running dockerd lacked.
  type: list
  elements: str
  returned: success
interrupted:
  description: Containers that the restart interrupted, each with its unit if it is one of this collection's.
  type: list
  elements: str
  returned: success
"""

import os
import platform
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, docker_api, records, systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host

UNIT = "docker.service"
# dockerd loads its containers before it answers.
ANSWER_SECONDS = 60
TAKEOVER_SECONDS = 15


class Failed(Exception):
    """A message with a code for the person."""


class Daemon:
    """The dockerd of this host and its two files."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.host = platform.node()
        self.file = Path(os.path.realpath(daemon_json.PATH))
        self.drop_in = docker_host.DROP_IN
        self.api = docker_api.Docker()
        self.program = module.get_bin_path("dockerd")
        self.before = _text(self.file)
        self.drop_in_before = _text(self.drop_in)
        self.current = self._current()

    def _current(self) -> dict[str, Any]:
        content, error = docker_host.read_daemon_json()
        if error:
            raise Failed(f"{self.host}: {daemon_json.file_problem(error).text()}")
        return content or {}

    # --- What is ---

    def main_pid(self) -> int:
        """Process id of dockerd; 0 where it does not run."""
        values = systemd.observe([UNIT], "ActiveState", "MainPID").get(UNIT, {})
        return int(values.get("MainPID", 0)) if values.get("ActiveState") == "active" else 0

    def info(self) -> dict[str, Any] | None:
        """What the running dockerd tells of itself; None where it does not answer."""
        try:
            return daemon_json.effective(self.api.get("/info"))
        except docker_api.DockerError as error:
            if error.status is not None:
                raise Failed(
                    f"THOR-DOCKER-FAILED: {self.host}: dockerd does not tell of itself: {error.message}"
                ) from error
            return None

    def containers(self) -> list[str]:
        """The containers that run, as a person would want to read of them."""
        try:
            found = docker_host.running_containers(self.api.get("/containers/json"))
        except docker_api.DockerError:
            return ["whatever runs there (dockerd does not answer)"]
        return [f"{one['name']} ({one['service'] or one['image']})" for one in found]

    def merged(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The whole configuration that is wanted."""
        try:
            return daemon_json.merge(self.current, options)
        except daemon_json.Conflict as error:
            raise Failed(f"{self.host}: {daemon_json.conflict_problem(str(error)).text()}") from error

    # --- What is done ---

    def validate(self, text: str) -> None:
        """Have dockerd itself look at a configuration. Docker before 23.0 cannot."""
        if self.program is None:
            return
        # Not in the module's own folder: check mode would make that.
        with tempfile.TemporaryDirectory(prefix="thor-docker-") as folder:
            trial = Path(folder) / "daemon.json"
            trial.write_text(text, encoding="utf-8")
            code, out, err = self.module.run_command([self.program, "--validate", f"--config-file={trial}"])
        if code and "unknown flag" not in err:
            raise Failed(
                f"THOR-DOCKER-REFUSED: {self.host}: container_runtime_daemon_options: dockerd does not accept the configuration: "
                f"{_one_line(err or out).replace(str(trial), str(self.file))} Nothing was written. "
                f"Mend the option, or the key in {self.file} that it names."
            )

    def write(self, path: Path, text: str | None) -> None:
        """Put a file's content in place in one rename; mode and owner stay as they were. None removes the file."""
        if text is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        self.module.atomic_move(str(partial), str(path))

    def systemctl(self, *arguments: str) -> str | None:
        """An order to systemd; what went wrong, or None."""
        code, out, err = self.module.run_command(["systemctl", *arguments])
        return None if code == 0 else _one_line(err or out)

    def apply(self, action: str, options: Mapping[str, Any], merged: Mapping[str, Any]) -> str | None:
        """Have dockerd take over what was written; what went wrong, or None."""
        if self.drop_in_before != _text(self.drop_in):
            self.systemctl("daemon-reload")
        if action == "none":
            return None
        if action != "reload":
            # Failed starts from before must not count.
            self.systemctl("reset-failed", UNIT)
        wrong = self.systemctl(action, UNIT)
        if wrong:
            return wrong
        missing: list[str] = []
        deadline = time.monotonic() + (TAKEOVER_SECONDS if action == "reload" else ANSWER_SECONDS)
        while time.monotonic() < deadline:
            info = self.info()
            missing = ["all"] if info is None else daemon_json.lacking(options, merged, info)
            if not missing:
                return None
            time.sleep(0.2)
        return "dockerd does not answer" if missing == ["all"] else f"dockerd has not taken over {', '.join(missing)}"

    def restore(self, reason: str, action: str, since: float) -> Failed:
        """Put back what was there; the failure to raise."""
        _code, out, _err = self.module.run_command(
            ["journalctl", "--unit", UNIT, f"--since=@{int(since)}", "--output=cat", "--no-pager", "--lines=15"]
        )
        self.write(self.file, self.before)
        self.write(self.drop_in, self.drop_in_before)
        self.systemctl("daemon-reload")
        self.systemctl("reset-failed", UNIT)
        back = self.systemctl("restart" if self.main_pid() and action != "reload" else "reload-or-restart", UNIT)
        docker_host.PENDING.unlink(missing_ok=True)
        return Failed(
            f"THOR-DOCKER-FAILED: {self.host}: container_runtime_daemon_options: {action} of {UNIT} with the "
            f"new {self.file}: {reason.rstrip('.')}. "
            f"The previous configuration was put back, and dockerd {'does not run with it either: ' + back if back else 'runs with it'}. "
            f"The end of its journal with the new one:\n{daemon_json.redact(out.rstrip())}"
        )


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do it; returns the module's result. Raises Failed."""
    options, environment = module.params["options"], module.params["environment"]
    daemon = Daemon(module)
    merged = daemon.merged(options)
    text = daemon.before if daemon.before and merged == daemon.current else daemon_json.render(merged)
    drop_in = daemon.drop_in_before if environment is None else _drop_in(environment)
    pid = daemon.main_pid()
    keys, action = _decide(daemon, merged, pid)
    writes = text != daemon.before or drop_in != daemon.drop_in_before
    result: dict[str, Any] = {
        "changed": writes or action != "none",
        "action": action,
        "keys": keys,
        "interrupted": [],
        "diff": [
            _diff(daemon.file, daemon.before, text),
            _diff(daemon.drop_in, daemon.drop_in_before, drop_in),
        ],
    }
    if not result["changed"]:
        return result
    if action == "restart":
        result["interrupted"] = daemon.containers()
    if result["interrupted"] and not module.params["allow_restart"]:
        raise Failed(
            f"THOR-DOCKER-BUSY: {daemon.host}: container_runtime_allow_restart = false: dockerd takes over "
            f"{', '.join(keys) or 'its configuration'} only when it is restarted, and that would interrupt "
            f"{', '.join(result['interrupted'])}. Nothing was changed. Set container_runtime_allow_restart: true "
            "(services of this collection start again by themselves), or stop them."
        )
    if text != daemon.before:
        daemon.validate(text)
    if module.check_mode:
        return result
    since = time.time()
    if action in {"reload", "restart"}:
        docker_host.PENDING.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        records.write(docker_host.PENDING, {"action": action, "pid": pid, "keys": keys})
    if text != daemon.before:
        daemon.write(daemon.file, text)
    if drop_in != daemon.drop_in_before:
        daemon.write(daemon.drop_in, drop_in)
    wrong = daemon.apply(action, options, merged)
    if wrong:
        raise daemon.restore(wrong, action, since)
    docker_host.PENDING.unlink(missing_ok=True)
    return result


def _decide(daemon: Daemon, merged: Mapping[str, Any], pid: int) -> tuple[list[str], str]:
    """The keys that dockerd has to take over, and how."""
    options, environment = daemon.module.params["options"], daemon.module.params["environment"]
    keys = set(daemon_json.changed_keys(daemon.current, merged))
    if daemon.program is None:
        return sorted(keys), "none"
    if not pid:
        return sorted(keys), "start"
    info = daemon.info()
    if info is None:
        return sorted(keys), "restart"
    keys |= set(daemon_json.lacking(options, merged, info))
    pending = docker_host.pending(str(pid))
    keys |= set(pending.get("keys", []))
    running = {"environment": docker_host.environment(str(pid)), "drop_in": daemon.drop_in_before}
    if environment is not None and not daemon_json.environment_settled(environment, running):
        keys |= set(environment) or {daemon_json.NO_RAW}
    return sorted(keys), daemon_json.action(keys)


def _drop_in(environment: Mapping[str, str]) -> str | None:
    if not environment:
        return None
    lines = [f'Environment="{key}={value}"' for key, value in sorted(environment.items())]
    return "\n".join(["# Written by jetson.thor (container_runtime_no_iptables_raw).", "[Service]", *lines, ""])


def _diff(path: Path, before: str | None, after: str | None) -> dict[str, str]:
    texts = {"before": daemon_json.redact(before or ""), "after": daemon_json.redact(after or "")}
    return {**texts, "before_header": str(path), "after_header": str(path)}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _one_line(text: str) -> str:
    return str(daemon_json.redact(" ".join(text.split())))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "options": {"type": "dict", "required": True},
            "environment": {"type": "dict"},
            "allow_restart": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.no_log_values.update(daemon_json.passwords(module.params["options"]))
    try:
        result = run(module)
    except Failed as error:
        module.fail_json(msg=str(error))
    if result["interrupted"]:
        verb = "would interrupt" if module.check_mode else "has interrupted"
        module.warn(f"The restart of dockerd {verb} {', '.join(result['interrupted'])}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
