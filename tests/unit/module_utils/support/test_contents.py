# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle holds, and what it only lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import commands
from ansible_collections.jetson.thor.plugins.module_utils.redaction import Secrets
from ansible_collections.jetson.thor.plugins.module_utils.services import journal
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk
from ansible_collections.jetson.thor.plugins.module_utils.support import contents
from ansible_collections.jetson.thor.plugins.module_utils.support.bundle import Bundle
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import Paths

# Name, mode, and whether its content may leave the device.
FILES = {
    "etc/systemd/system/thor-chat.service": (0o644, True),
    "etc/systemd/system/thor-chat.service.d/limits.conf": (0o644, True),
    "etc/systemd/system/docker.service.d/jetson-thor.conf": (0o644, True),
    "etc/thor/services/chat.json": (0o644, True),
    "etc/thor/secrets/chat-0123abcd.env": (0o644, False),
    "etc/thor/gateway/nginx.conf": (0o600, True),
    "etc/thor/gateway/tls.crt": (0o600, True),
    "etc/thor/gateway/tls.key": (0o644, False),
    "etc/thor/gateway/lua/services.lua": (0o644, True),
    "etc/thor/gateway/lua/clients.lua": (0o600, False),
    "etc/thor/gateway/lua/engine_keys.lua": (0o600, False),
    "etc/thor/gateway/keys.json": (0o644, False),
    "etc/thor/gateway/engine-keys": (0o644, False),
    "etc/thor/proxy/docker.env": (0o644, False),
    "etc/thor/of-root": (0o600, False),
    "var/lib/thor/before.json": (0o600, True),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, (mode, _open) in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}", encoding="utf-8")
        path.chmod(mode)
    (tmp_path / "etc/thor/link").symlink_to("secrets/chat-0123abcd.env")
    return tmp_path


def test_files_with_secrets_are_listed_and_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "output", lambda *command, **_more: f"ran {' '.join(command)}")
    monkeypatch.setattr(journal, "read", lambda units, *_more: [journal.Entry(0, units[0], "said")])
    made = Bundle("h", Secrets(), 0)
    contents.fill(made, {"facts": {"l4t": "38.2.0"}}, Disk(root))
    there = {name.removeprefix("files/") for name in made.texts if name.startswith("files/")}
    assert there == {name for name, (_mode, is_open) in FILES.items() if is_open}
    listed = made.texts["listing.txt"]
    for name, (_mode, is_open) in FILES.items():
        if not is_open and name != "etc/thor/of-root":
            assert f"/{name}" in listed
        if not is_open:
            assert f"content of {name}" not in "".join(made.texts.values())
    assert "journals/thor-chat.service.txt" in made.texts and '"38.2.0"' in made.texts["facts.json"]
    assert made.texts["commands/nvidia_smi.txt"] == "ran nvidia-smi -q"


def test_of_the_kernel_only_what_matters_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "NVRM: Xid 79",
        "usb 1-1: new device",
        "Out of memory: Killed process 7 (vllm)",
        "nvgpu: fault",
        "eth0: link up",
    ]
    monkeypatch.setattr(commands, "output", lambda *_command, **_more: "\n".join(lines))
    assert contents.kernel().splitlines() == [lines[0], lines[2], lines[3]]


def test_no_command_changes_anything() -> None:
    words = {command[0] for command in contents.COMMANDS.values()}
    assert words <= {
        *("uname", "uptime", "dpkg-query", "systemctl", "systemd-cgtop", "free", "df", "findmnt", "ps", "ss", "docker"),
        *("nvidia-smi", "nvpmodel", "timeout", "tail"),
    }
    assert not any(
        word in command for command in contents.COMMANDS.values() for word in ("start", "restart", "-m", "prune")
    )
    assert contents.COMMANDS["gateway_access.log"][-1] == f"{Paths().log}/access.log"
    assert "args" not in contents.COMMANDS["processes.txt"][2], "command lines of others may hold anything"
