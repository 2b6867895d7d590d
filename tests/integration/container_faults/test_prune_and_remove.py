# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""thor_proxy, prune.yml and remove.yml with a real dockerd: what is ours comes and goes, what a person has in Docker stays.

They need a host as the scenario containers leaves it (THOR_FAULTS_HOST, see tests/support/sandbox_device.py), and come last by the name
of this file: nothing of ours is left there.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import playbook_run
import pytest
from sandbox_device import HOST, Device, eventually

REGISTRY = "registry.test:5000/nvidia"
OLD = f"{REGISTRY}/vllm:25.10-py3"  # fetched for a service that nobody wants any more
THEIRS = f"{REGISTRY}/sglang:26.01-py3"  # pulled by a person
GONE = "thor-gone-cache"  # the volume of a service that is gone
FILE, DROP_IN = "/etc/docker/daemon.json", "/etc/systemd/system/docker.service.d/jetson-thor.conf"
PROXY_FILE = "/etc/thor/proxy/docker.env"
ANSWERING = (8000, 8001, 8004)
BACK = 120.0  # seconds until all services answer after a restart of dockerd


@dataclass(frozen=True)
class Store:
    """What dockerd has. ``images``: names with ids; ``containers``: names with ids; ``volumes``: names."""

    images: frozenset[str]
    containers: frozenset[str]
    volumes: frozenset[str]

    @classmethod
    def of(cls, device: Device) -> Store:
        """As it is now."""
        commands = (
            "docker image ls --all --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'",
            "docker ps --all --no-trunc --format '{{.Names}} {{.ID}}'",
            "docker volume ls --format '{{.Name}}'",
        )
        return cls(*(frozenset(device.run(command).splitlines()) for command in commands))


def play(playbook: str, *arguments: str) -> str:
    """What a playbook that succeeds says."""
    done = playbook_run.play(playbook, "-l", HOST, *arguments, inventory="inventories/sandbox", timeout=400)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def changed(said: str) -> int:
    """The changes in the recap."""
    (count,) = re.findall(rf"^{HOST} .* changed=(\d+)", said, re.MULTILINE)
    return int(count)


def answering(device: Device) -> bool:
    """Whether the containers' services answer a chat."""
    body = json.dumps({"model": "qwen3", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1})
    ask = f"curl -sf -m 20 -o /dev/null --json '{body}' http://127.0.0.1"
    return all(device.host.run(f"{ask}:{port}/v1/chat/completions").rc == 0 for port in ANSWERING)


@pytest.fixture(name="device", scope="module")
def _device() -> Device:
    device = Device()
    eventually(lambda: answering(device), BACK)
    return device


@pytest.fixture(name="theirs", scope="module")
def _theirs(device: Device) -> Iterator[Store]:
    """An image of an engine, a container with an image of its own, and volumes that a person has; removed at the end."""
    before = Store.of(device)
    device.run(f"docker pull --quiet {THEIRS}")
    libraries = "ldd /bin/sleep | grep -o '/[^ ]*'"
    device.run(f"tar -ch /bin/sleep $({libraries}) 2>/dev/null | docker import - mine:1")
    device.run("docker volume create mine && docker volume create --label mine=yes thor-mine-cache")
    device.run("docker run -d --restart always --name mine --network none -v mine:/data mine:1 /bin/sleep 100000")
    after = Store.of(device)
    yield Store(after.images - before.images, after.containers - before.containers, after.volumes - before.volumes)
    device.run(f"docker rm -f mine; docker image rm mine:1 {THEIRS}; docker volume rm mine thor-mine-cache")


def test_prune_removes_what_no_service_needs_and_nothing_that_a_person_has(device: Device, theirs: Store) -> None:
    before = Store.of(device)
    earlier = {"profile": "qwen3-8b-fp4-vllm", "name": "earlier", "version": "25.10", "port": 8090}
    play("playbooks/images.yml", "-e", json.dumps({"thor_profiles": [earlier]}))
    device.run(f"docker volume create {GONE} && head -c 30000000 /dev/zero >/var/lib/docker/volumes/{GONE}/_data/x")
    full = Store.of(device)
    (image,) = full.images - before.images
    assert image.startswith(OLD) and full.volumes - before.volumes == {GONE}

    device.run(f"docker create --name borrower -v {GONE}:/data {OLD}")
    forecast = play("playbooks/prune.yml", "--check")
    assert all(f"{name}: the container borrower uses it" in forecast for name in (OLD, GONE)), forecast
    assert not re.search(r"^ +(image|volume) ", forecast, re.MULTILINE), forecast
    device.run("docker rm borrower")

    forecast = play("playbooks/prune.yml", "--check")
    assert re.search(rf"^ +image +{OLD} +\d\.\d\d +\w", forecast, re.MULTILINE), forecast
    assert re.search(rf"^ +volume +{GONE} +0\.03 +there is no service of this name", forecast, re.MULTILINE), forecast
    assert THEIRS not in forecast and "mine:1" not in forecast and "thor-mine-cache" not in forecast
    assert Store.of(device) == full, "check mode removes nothing"

    said = play("playbooks/prune.yml")
    assert OLD in said and GONE in said and changed(said) == 1
    assert Store.of(device) == before
    assert changed(play("playbooks/prune.yml")) == 0
    assert answering(device) and Store.of(device) == before
    assert theirs.images <= before.images


def test_dockerd_uses_the_proxy_and_tells_nobody_its_password(device: Device, tmp_path: Path) -> None:
    password = secrets.token_hex(12)
    # A file, as a vault would be. Nothing listens on this port: dockerd says so where it would use the proxy.
    address = f"http://robot:{password}@127.0.0.1:9"
    variables = {
        "thor_proxy": {"http": address, "https": address, "no_proxy": ["registry.test"]},
        "container_runtime_allow_restart": True,
    }
    (tmp_path / "proxy.json").write_text(json.dumps(variables), encoding="utf-8")
    given, playbook = ("-e", f"@{tmp_path}/proxy.json"), "tests/integration/container_faults/container_runtime.yml"
    before = device.run(f"cat {FILE}")
    said = play(playbook, "--diff", *given)
    assert password not in said and "has interrupted" in said
    try:
        assert device.run(f"stat -c '%a %U' {PROXY_FILE}") == "600 root"
        assert device.run(f"cat {FILE}") == before
        # The password is read there: sudo writes the commands of this test into the journal.
        search = f"grep -qFf <(sed -n 's/.*robot:\\(.*\\)@.*/\\1/p' {PROXY_FILE})"
        shown = "systemctl show docker; systemctl cat docker; docker info; docker inspect $(docker ps -aq); journalctl --no-pager"
        device.run(f'bash -c "{search} {PROXY_FILE} && ! {search} <({shown})"')
        assert set(re.findall(r"HTTPS? Proxy: (.*)", device.run("docker info"))) == {"http://xxxxx:xxxxx@127.0.0.1:9"}
        refused = device.host.run("docker pull nowhere.test/image:1")
        assert refused.rc != 0 and "127.0.0.1:9" in refused.stderr and password not in refused.stderr
        device.run(f"docker pull --quiet {THEIRS}")
        assert changed(play(playbook, *given)) == 0
    finally:
        said = play(playbook, "-e", "container_runtime_allow_restart=true")
    assert changed(said) >= 1
    device.run(f"test ! -e {PROXY_FILE} && test ! -e {DROP_IN}")
    assert "Proxy:" not in device.run("docker info") and "PROXY" not in device.run("cat /proc/$(pidof dockerd)/environ")
    eventually(lambda: answering(device), BACK)


def test_remove_leaves_docker_and_what_a_person_has_in_it(device: Device, theirs: Store) -> None:
    record = json.loads(device.run("cat /var/lib/thor/installed.json"))
    said = play("playbooks/remove.yml", "-e", f"thor_remove_confirm={HOST}")
    assert f"{REGISTRY}/vllm:26.05-py3 " in said and "thor-derived " in said and "thor-speech-cache " in said, said
    assert Store.of(device) == theirs, said
    assert device.run("docker inspect --format '{{.State.Running}}' mine") == "true"
    now = device.host.run(f"cat {FILE}")
    assert (now.stdout if now.rc == 0 else None) == record["files"][FILE]["before"]
    # dockerd keeps what is no longer in the file (moby, daemon/reload.go), so this is said.
    assert "nvidia" in device.run("docker info")
    assert "dockerd: it applies the earlier insecure-registries, runtimes when" in said
    device.run(f"test ! -e {Path(DROP_IN).parent} && test ! -e /etc/thor && test ! -e /var/lib/thor/installed.json")
    # Docker is not among them on a host that had it before.
    assert all(name in said and device.host.package(name).is_installed for name in record["packages"])
    assert device.host.package("docker.io").is_installed
    assert device.run("apt-mark showhold") == ""
    again = play("playbooks/remove.yml", "-e", f"thor_remove_confirm={HOST}")
    assert changed(again) == 0 and "nothing to remove" in again
    assert Store.of(device) == theirs
