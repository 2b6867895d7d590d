# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files on the host: complete under their final names or absent, and nothing else was disturbed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LIST_FILES = Path(__file__).resolve().parents[3] / "molecule/shared/list_files"
MODEL = "/models/sandbox/tiny-GGUF"
ENGINE = "/opt/thor/engines/llama.cpp/0c1e570"
# The catalog's commit, or the sandbox's archive of the same tree (inventories/sandbox).
SOURCES = (
    "0c1e57098bba43ac29e6e3b677cdceebdd22334f",
    "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
)


def test_the_engine_was_built_from_the_pinned_source(host: Any) -> None:
    tree = host.check_output(f"readlink -e {ENGINE}")
    assert Path(tree).name.startswith("0c1e570-")
    build = host.file(f"{tree}/build.json").content_string
    assert any(source in build for source in SOURCES)
    version = host.run(f"{ENGINE}/bin/llama-server --version")
    assert "0c1e570" in version.stdout + version.stderr
    assert "--ctx-size" in host.file(f"{tree}/help.txt").content_string


def test_the_engine_needs_nothing_outside_its_tree(host: Any) -> None:
    assert "not found" not in host.check_output(f"ldd {ENGINE}/bin/llama-server")


def test_the_model_is_complete(host: Any) -> None:
    manifest = json.loads(host.file(f"{MODEL}/.thor-manifest.json").content_string)
    assert manifest["id"] == "sandbox/tiny-GGUF"
    assert set(manifest["files"]) == {"tiny-q8_0.gguf"}
    for name, entry in manifest["files"].items():
        file = host.file(f"{MODEL}/{name}")
        assert file.size == entry["size"]
        assert file.sha256sum == entry["sha256"]


def test_nothing_unfinished_is_left_behind(host: Any) -> None:
    assert host.check_output("find /models/.thor -type f 2>/dev/null | head -n 5; true") == ""
    assert host.check_output("find /var/lib/thor/build -type f 2>/dev/null | head -n 5; true") == ""


def test_the_service_cannot_write_what_it_reads(host: Any) -> None:
    pid = host.check_output("systemctl show -P MainPID thor-chat.service")
    uid = host.check_output(f"stat -c %u /proc/{pid}")
    groups = host.check_output(f"sed -n 's/^Groups:\\t//p' /proc/{pid}/status")
    account = f"setpriv --reuid={uid} --regid={uid} --groups={groups.strip().replace(' ', ',')}"
    for path in (MODEL, ENGINE, "/etc/thor", "/opt/thor/supervisor", "/run/thor", "/run/thor/gpu.lock"):
        assert host.run(f"test -e {path}").succeeded
        assert host.run(f"{account} test -r {path}").succeeded, path
        assert host.run(f"{account} test -w {path}").rc == 1, path


def test_owners_and_modes_of_existing_files_did_not_change(host: Any) -> None:
    def modes(listing: str) -> dict[str, str]:
        """Path to type, mode and owner, below /etc and /usr."""
        rows = (line.split(" ", 5) for line in listing.splitlines())
        return {row[5]: " ".join(row[:3]) for row in rows if row[5].startswith(("/etc/", "/usr/"))}

    before = modes(host.file("/var/lib/thor-test-before").content_string)
    after = modes(host.check_output(LIST_FILES.read_text(encoding="utf-8")))
    assert before
    changed = {path: (mode, after.get(path)) for path, mode in before.items() if after.get(path) != mode}
    assert changed == {}
    new = {path: mode.split() for path, mode in after.items() if path not in before}
    assert [path for path, (kind, mode, _) in new.items() if kind != "l" and int(mode, 8) & 0o002] == []
