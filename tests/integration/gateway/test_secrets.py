# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""No key is where it does not belong: not in commands, units, environments, the journal, facts, diffs, output or results.

It runs after the tests that send requests, by its name. The secrets never become part of a command on the host: the search reads them
from its standard input.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import gateway_scene
import pytest
from gateway_scene import HOST, INVENTORIES, ROOT, Door
from playbook_run import play

SSH = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), HOST]
# Runs as root on the host. Prints where each secret was found, by its name.
SEARCH = """
import json, os, subprocess, sys
secrets = {name: text.encode() for name, text in json.loads(sys.stdin.readline()).items()}
found = []

def look(place, data):
    found.extend([name, place] for name, secret in secrets.items() if secret in data)

def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(1 << 26)
    except OSError:
        return b""

mine = str(os.getpid())
for process in filter(str.isdigit, os.listdir("/proc")):
    if process != mine:
        for name in ("cmdline", "environ"):
            look(f"{name} of process {process}", read(f"/proc/{process}/{name}"))
for place, command in {
    "the units": ["systemctl", "cat", "--no-pager", "*"],
    "the units' state": ["systemctl", "show", "--no-pager", "thor-*"],
    "the journal": ["journalctl", "--no-pager", "--output=export"],
}.items():
    look(place, subprocess.run(command, capture_output=True).stdout)
for top in ("/etc", "/var", "/run", "/opt", "/home", "/root", "/tmp", "/srv", "/dev/shm"):
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if not os.path.ismount(os.path.join(folder, name)) or top == folder]
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) < 1 << 24:
                look(path, read(path))
journal = subprocess.run(["journalctl", "--no-pager", "--output=export"], capture_output=True).stdout
print(json.dumps({"found": found, "looked": len(secrets), "canary": b"canary-in-the-journal" in journal}))
"""


def search(secrets: dict[str, str]) -> Any:
    """Where each secret is on the host: pairs of its name and a place."""
    subprocess.run([*SSH, "logger canary-in-the-journal"], check=True, timeout=60)
    subprocess.run([*SSH, "cat > /tmp/search.py"], input=SEARCH, text=True, check=True, timeout=60)
    done = subprocess.run(
        [*SSH, "sudo python3 /tmp/search.py; rm /tmp/search.py"],
        input=json.dumps(secrets) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """The keys of the clients, each of which has been used."""
    gateway_scene.set_up()
    known = {
        name: str(entry["key"])
        for name, entry in gateway_scene.variables()["thor_gateway_keys"].items()
        if entry.get("key")
    }
    for key in known.values():
        Door(key).call("models")
    # A wrong one is a secret, too: it may be right somewhere else.
    wrong = "wrong-but-secret-" + "7" * 24
    assert Door(wrong).call("models")["error"]["status"] == 401
    return {**known, "a wrong key": wrong}


def test_keys_are_nowhere_on_the_host(keys: dict[str, str]) -> None:
    said = search(keys)
    assert said["canary"], "the search sees the journal"
    assert said["looked"] == len(keys)
    assert said["found"] == []


def test_the_keys_of_tls_are_roots_alone(host: Any) -> None:
    private = host.file("/etc/thor/gateway/tls.key")
    assert (private.user, private.mode & 0o077) == ("root", 0)
    body = [line for line in private.content_string.splitlines() if not line.startswith("-")]
    said = search({"the key of TLS": body[1]})
    place = host.check_output("readlink -e /etc/thor/gateway/tls.key")
    assert said["found"] == [["the key of TLS", place]], (
        "no copy of it is left, of this one or of an earlier set of files"
    )
    authority = Path(gateway_scene.CA).with_name("ca.key")
    assert authority.stat().st_mode & 0o077 == 0
    line = [line for line in authority.read_text(encoding="utf-8").splitlines() if not line.startswith("-")][1]
    assert search({"the key of the CA": line})["found"] == []


@pytest.mark.parametrize("arguments", [["--check", "--diff", "-vvv"], ["--diff", "-vvv"]], ids=["check", "run"])
def test_output_has_no_key_even_if_they_are_new(keys: dict[str, str], arguments: list[str]) -> None:
    fresh = "rotated-" + "5" * 32
    changed = {
        "thor_gateway_keys": {
            **gateway_scene.variables()["thor_gateway_keys"],
            "fresh": {"key": fresh, "models": "all"},
        }
    }
    extra = ROOT / ".sandbox" / "rotated.json"
    extra.write_text(json.dumps(changed), encoding="utf-8")
    done = play(
        "site.yml", *INVENTORIES[2:], "-l", HOST, "-e", f"@{extra}", *arguments, inventory=INVENTORIES[1], timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    output = done.stdout + done.stderr
    body = (ROOT / ".sandbox" / "gateway-ca" / "hosts" / f"{HOST}.key").read_text(encoding="utf-8").splitlines()[1]
    assert [name for name, key in {**keys, "fresh": fresh, "tls": body}.items() if key in output] == []
    assert search({"fresh": fresh})["found"] == []
