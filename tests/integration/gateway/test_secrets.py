# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""No key is where it does not belong: not in commands, units, environments, the journal, facts, diffs, output or results.

The keys are those of clients, the one that an engine asks for, and those of TLS. The SHA-256 of a key is looked for as well: who has it
can try keys without asking anybody. The file runs after the tests that send requests, by its name. The secrets never become part of a
command on the host: the search reads them from its standard input.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gateway_scene
import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import wanted
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.secrets import service_secrets
from gateway_scene import HOST, INVENTORIES, ROOT, Door
from playbook_run import play

SSH = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), HOST]
# The service whose engine asks for a key, and the variable that has it.
CALLER, VARIABLE = "caller", "LLAMA_API_KEY"
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

def unit(process):
    groups = [line.split(":", 2) for line in read(f"/proc/{process}/cgroup").decode().splitlines()]
    return next((path.rpartition("/")[2] for _, kind, path in groups if kind in ("", "name=systemd")), "") or process

mine = str(os.getpid())
for process in filter(str.isdigit, os.listdir("/proc")):
    if process != mine:
        for name in ("cmdline", "environ"):
            look(f"{name} of {unit(process)}", read(f"/proc/{process}/{name}"))
for place, command in {
    "the units": ["systemctl", "cat", "--no-pager", "*"],
    "the units' state": ["systemctl", "show", "--no-pager", "thor-*"],
    "the environment of systemd": ["systemctl", "show-environment", "--no-pager"],
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


def search(secrets: dict[str, str]) -> dict[str, set[str]]:
    """The places where each secret is on the host, by its name."""
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
    said = json.loads(done.stdout)
    assert said["canary"], "the search sees the journal"
    assert said["looked"] == len(secrets)
    return {name: {place for found, place in said["found"] if found == name} for name in secrets}


def site(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of the real playbook."""
    done = play("site.yml", *INVENTORIES[2:], "-l", HOST, *arguments, inventory=INVENTORIES[1], timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def digests(secrets: dict[str, str]) -> dict[str, str]:
    """The SHA-256 of each secret."""
    return {f"SHA-256 of {name}": hashlib.sha256(text.encode()).hexdigest() for name, text in secrets.items()}


def keys_in(variables: dict[str, Any]) -> dict[str, str]:
    """The keys of the clients and of the engine."""
    clients = {name: str(one["key"]) for name, one in variables["thor_gateway_keys"].items() if one.get("key")}
    (engine,) = (one["secrets"][VARIABLE] for one in variables["thor_profiles"] if one["name"] == CALLER)
    return {**clients, "engine": str(engine)}


def everything_secret(variables: dict[str, Any]) -> dict[str, str]:
    """What no output may have: keys, their SHA-256, the key of TLS, and the key of the digests by which the plan compares files."""
    keys = keys_in(variables)
    tls = (gateway_scene.CA.parent / "hosts" / f"{HOST}.key").read_text(encoding="utf-8").splitlines()[1]
    compared = wanted.digest_key(variables["thor_gateway_keys"], service_secrets(variables["thor_profiles"]))
    return {**keys, **digests(keys), "key of TLS": tls, "key of the plan's digests": compared}


def found_in(text: str, *secrets: dict[str, str]) -> list[str]:
    """The names of the secrets in a text. The text itself would be too much for a failure, and has the secret."""
    return [name for one in secrets for name, secret in one.items() if secret in text]


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """The keys of the clients and of the engine, each of which has been used."""
    gateway_scene.set_up()
    known = keys_in(gateway_scene.variables())
    for name in gateway_scene.variables()["thor_gateway_keys"]:
        Door(known[name]).call("models")
    asked = {"model": CALLER, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    assert "error" not in Door(known["robot7"]).call("chat", **asked), "the gateway has the engine's key"
    # A wrong one is a secret, too: it may be right somewhere else.
    wrong = "wrong-but-secret-" + "7" * 24
    assert Door(wrong).call("models")["error"]["status"] == 401
    return {**known, "a wrong key": wrong}


def test_keys_are_where_they_are_needed_and_nowhere_else_on_the_host(host: Any, keys: dict[str, str]) -> None:
    found = search({**keys, **digests(keys)})
    folder = host.check_output("readlink -e /etc/thor/gateway")
    table, engine_keys = f"{folder}/lua/clients.lua", f"{folder}/lua/engine_keys.lua"
    file = host.check_output(f"systemctl show --property=EnvironmentFiles --value thor-{CALLER}.service").split()[0]
    # By its environment the engine gets its key; clients' keys are nowhere, and known by their SHA-256.
    places = {"engine": {file, engine_keys, f"environ of thor-{CALLER}.service"}}
    tables = {f"SHA-256 of {name}": {table} for name in gateway_scene.variables()["thor_gateway_keys"]}
    assert found == {**{name: set() for name in found}, **places, **tables}
    for path in (file, table, engine_keys):
        assert (host.file(path).user, host.file(path).mode & 0o077) == ("root", 0)


def test_the_keys_of_tls_are_roots_alone(host: Any) -> None:
    private = host.file("/etc/thor/gateway/tls.key")
    assert (private.user, private.mode & 0o077) == ("root", 0)
    body = [line for line in private.content_string.splitlines() if not line.startswith("-")]
    place = host.check_output("readlink -e /etc/thor/gateway/tls.key")
    assert search({"the key of TLS": body[1]}) == {"the key of TLS": {place}}, (
        "no copy of it is left, of this one or of an earlier set of files"
    )
    authority = Path(gateway_scene.CA).with_name("ca.key")
    assert authority.stat().st_mode & 0o077 == 0
    line = [line for line in authority.read_text(encoding="utf-8").splitlines() if not line.startswith("-")][1]
    assert search({"the key of the CA": line}) == {"the key of the CA": set()}


@pytest.fixture(scope="module", name="rotated")
def _rotated() -> Iterator[dict[str, Any]]:
    """The variables with a client more and another key of the engine. Afterwards the host is what its inventory says."""
    before = gateway_scene.variables()
    # New in each run of the tests: a secret that the host had before has its file there already.
    profiles = [
        {**one, "secrets": {VARIABLE: f"engine-rotated-{time.time_ns()}"}} if one["name"] == CALLER else one
        for one in before["thor_profiles"]
    ]
    clients = {**before["thor_gateway_keys"], "fresh": {"key": f"client-rotated-{time.time_ns()}", "models": "all"}}
    yield {"thor_gateway_keys": clients, "thor_profiles": profiles}
    site()


@pytest.mark.parametrize("arguments", [["--check", "--diff", "-vvv"], ["--diff", "-vvv"]], ids=["check", "run"])
def test_output_and_facts_have_no_key_even_if_they_are_new(
    keys: dict[str, str],
    rotated: dict[str, Any],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = ROOT / ".sandbox" / "rotated.json"
    extra.write_text(json.dumps(rotated), encoding="utf-8")
    # Every fact that the play sets becomes a file.
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(tmp_path))
    done = site("-e", f"@{extra}", *arguments)
    output = done.stdout + done.stderr
    (file,) = tmp_path.iterdir()
    facts = json.loads(file.read_text(encoding="utf-8"))["__payload__"]
    assert "lua/clients.lua" in output and "lua/engine_keys.lua" in output, "the diff names the files"
    assert {"thor_host", "thor_plan", "thor_services"} <= json.loads(facts).keys()
    secrets = (everything_secret(rotated), everything_secret(gateway_scene.variables()), keys)
    assert found_in(output, *secrets) == []
    assert found_in(facts, *secrets) == []
    assert search({"fresh": rotated["thor_gateway_keys"]["fresh"]["key"]}) == {"fresh": set()}


def test_what_a_person_looks_at_has_no_key(rotated: dict[str, Any], tmp_path: Path) -> None:
    extra = ["-e", json.dumps({"thor_support_dir": str(tmp_path), "thor_status_file": str(tmp_path / "status.json")})]
    parts = [f"playbooks/{name}.yml" for name in ("status", "logs", "support")]
    done = play(*parts, *INVENTORIES[2:], "-l", HOST, "-vvv", *extra, inventory=INVENTORIES[1], timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (bundle,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(bundle) as archive:
        archive.extractall(tmp_path, filter="data")
    bundle.unlink()
    texts = {path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()}
    assert {"status.json", "facts.json", f"thor-{CALLER}.service", "thor-gateway.service.txt"} <= {
        path.name for path in texts
    }
    # The host has these if the test before has run, and the inventory has those.
    secrets = (everything_secret(rotated), everything_secret(gateway_scene.variables()))
    assert {str(path): found for path, text in texts.items() if (found := found_in(text, *secrets))} == {}
    assert found_in(done.stdout + done.stderr, *secrets) == []
