# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The architecture of a device, on any machine: an arm64 host under qemu-user, with the real arm64 packages.

systemd is its first process there and comes up degraded (no D-Bus, no journal): packages, Python, facts and check mode can be
tested, services cannot. What the machine lacks is created and kept (tests/nightly/arm64-image); the rest is removed after the tests.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SANDBOX = ROOT / ".sandbox"
IMAGE = ROOT / "tests" / "nightly" / "arm64-image"
NAME = "arm64"
# Like the hosts of script/sandbox: only what systemd needs.
CONTAINER = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE", "--cap-add", "MKNOD"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--cgroupns=private"),
    *("--tmpfs", "/run", "--tmpfs", "/tmp:exec,mode=1777", "--publish", "127.0.0.1::22"),
)
DEVICE_TREE = {
    "model": "NVIDIA Jetson AGX Thor Developer Kit\0",
    "compatible": "nvidia,p3971-0080+p3834-0008\0nvidia,p3834-0008\0nvidia,tegra264\0",
}
AARCH64 = 183  # e_machine of an ELF file


def engine(*arguments: str, stdin: Any = None, timeout: float = 120) -> str:
    """Run docker like the scripts (with sudo if needed); its output."""
    script = '. script/lib.sh; engine "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *arguments],
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=timeout,
    )
    return done.stdout.strip()


class Guest:
    """The arm64 host: its container, and how to reach it."""

    def __init__(self, container: str, folder: Path) -> None:
        self.container = container
        self.folder = folder  # its keys, its SSH configuration, its inventory

    def run(self, command: str, timeout: float = 600) -> str:
        """Run a shell command as root; its output."""
        return engine("exec", self.container, "sh", "-ec", command, timeout=timeout)

    def lay(self, source: Path, destination: str) -> None:
        """Copy the content of a folder, owned by root."""
        with subprocess.Popen(
            ["tar", "-C", source, "--owner=0", "--group=0", "-c", "."], stdout=subprocess.PIPE
        ) as tar:
            self.run(f"mkdir -p {destination}")
            engine("cp", "-", f"{self.container}:{destination}", stdin=tar.stdout)

    def ansible(self, program: str, *arguments: str, timeout: float = 3600, **variables: Any) -> str:
        """Run a program of Ansible against the guest, which must succeed; its output."""
        command = [
            str(Path(sys.executable).with_name(program)),
            "-i",
            "inventories/sandbox",
            "-i",
            str(self.folder / "inventory"),
        ]
        command += [*arguments, "--limit", NAME, "--extra-vars", json.dumps(variables)]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
        environment |= {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "60", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        lines = []
        deadline = time.monotonic() + timeout
        with subprocess.Popen(
            ["timeout", str(timeout), *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        assert time.monotonic() < deadline, "it was stopped: it took too long"
        assert process.returncode == 0, "".join(lines[-60:])
        return "".join(lines)

    def fact(self, *path: str) -> Any:
        """A value of thor_host, observed now."""
        output = self.ansible("ansible", NAME, "-b", "-m", "jetson.thor.host_facts", "-a", "facts_root=/opt/facts")
        value = json.loads(output[output.index("{") : output.rindex("}") + 1])["ansible_facts"]["thor_host"]
        for key in path:
            value = value[key]
        return value


@pytest.fixture(scope="session", name="image")
def _image() -> Iterator[str]:
    """The image of an arm64 host, on a kernel that runs arm64 programs while the tests run."""
    # Stopping the tests must remove their host, too.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    changed = subprocess.run([IMAGE, "binfmt", "on"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    try:
        yield subprocess.run([IMAGE], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    finally:
        subprocess.run([IMAGE, "binfmt", "off", *reversed(changed)], check=True)


@pytest.fixture(scope="session", name="guest")
def _guest(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A bare arm64 host in the sandbox's network."""
    folder = tmp_path_factory.mktemp("arm64")
    subprocess.run([ROOT / "script" / "sandbox", "hub"], check=True)
    label = f"thor-sandbox.checkout={ROOT}"
    forget(image)
    network = engine("network", "ls", "--filter", f"label={label}", "--format", "{{.Name}}").splitlines()[0]
    container = engine(
        "create", "--hostname", NAME, "--label", label, "--network", network, *CONTAINER, image, "/sbin/init"
    )
    try:
        guest = Guest(container, folder)
        engine("start", container)
        furnish(guest)
        yield guest
    finally:
        engine("rm", "-f", "-v", container)


def forget(image: str) -> None:
    """Remove the hosts of runs that were killed."""
    containers = engine("ps", "-aq", "--filter", f"ancestor={image}", "--filter", f"label=thor-sandbox.checkout={ROOT}")
    if containers:
        engine("rm", "-f", "-v", *containers.split())


def furnish(guest: Guest) -> None:
    """What script/sandbox gives its hosts: the machine's certificates and pip configuration, a Thor's facts, a key."""
    carried, tree = SANDBOX / "image" / "carried", guest.folder / "tree"
    facts, keys = tree / "opt/facts", tree / "etc/ssh"
    for path in (facts, keys, tree / "root/.ssh", tree / "usr/sbin", tree / "usr/local/share"):
        path.mkdir(parents=True)
    subprocess.run(["cp", "-R", f"{ROOT}/tests/sandbox/facts/.", facts], check=True)
    subprocess.run(["cp", "-R", carried / "ca", tree / "usr/local/share/ca-certificates"], check=True)
    (facts / "proc/device-tree").mkdir(parents=True)
    for name, text in DEVICE_TREE.items():
        (facts / "proc/device-tree" / name).write_text(text, encoding="utf-8")
    for source, target in (("pip.conf", "etc/pip.conf"), ("environment", "etc/environment")):
        (tree / target).write_bytes((carried / source).read_bytes())
    apt = tree / "etc/apt/apt.conf.d/80sandbox"
    apt.parent.mkdir(parents=True)
    apt.write_bytes((carried / "apt.conf").read_bytes())
    # Debian runs this before a package starts its service: 101 means no.
    (tree / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    (tree / "usr/sbin/policy-rc.d").chmod(0o755)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", NAME, "-f", keys / "ssh_host_ed25519_key"], check=True
    )
    (tree / "root/.ssh/authorized_keys").write_bytes((SANDBOX / "id_ed25519.pub").read_bytes())
    (tree / "root/.ssh").chmod(0o700)
    guest.lay(tree, "/")
    guest.run("chown -R root:root /root/.ssh; update-ca-certificates; mkdir -p /run/sshd; /usr/sbin/sshd")
    kind, key, _ = (keys / "ssh_host_ed25519_key.pub").read_text(encoding="utf-8").split()
    (guest.folder / "known_hosts").write_text(f"{NAME} {kind} {key}\n", encoding="utf-8")
    port = engine("port", guest.container, "22").splitlines()[0].rsplit(":", 1)[1]
    (guest.folder / "ssh_config").write_text(
        f'Host {NAME}\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  HostKeyAlias {NAME}\n  IdentityFile "{SANDBOX}/id_ed25519"\n'
        f'  IdentitiesOnly yes\n  UserKnownHostsFile "{guest.folder}/known_hosts"\n  StrictHostKeyChecking yes\n  LogLevel ERROR\n',
        encoding="utf-8",
    )
    # The services of the sandbox's host with containers.
    three = yaml.safe_load((ROOT / "inventories/sandbox/host_vars/thor04.yml").read_text(encoding="utf-8"))
    fingerprint = (SANDBOX / "apt_fingerprint").read_text(encoding="utf-8").strip()
    host = {
        **three,
        "ansible_ssh_common_args": f"-F {guest.folder}/ssh_config",
        "container_runtime_toolkit_key_fingerprint": fingerprint,  # the sandbox's inventory looks for it beside itself
    }
    (guest.folder / "inventory").mkdir()
    (guest.folder / "inventory" / "hosts.json").write_text(
        json.dumps({"thor": {"hosts": {NAME: host}}}), encoding="utf-8"
    )


def files(guest: Guest) -> str:
    """A checksum over everything that a run may change: installed packages and configuration."""
    found = "find /etc /opt /usr/local /var/lib/thor /models -xdev -printf '%p %s %T@ %m %l\\n' 2>/dev/null || :"
    return guest.run(f"{{ dpkg-query -W; {found}; }} | sort | sha256sum")


def test_the_host_has_the_architecture_of_a_device(guest: Guest) -> None:
    assert guest.run("dpkg --print-architecture; uname -m").split() == ["arm64", "aarch64"]
    host = guest.fact()
    assert host["architecture"] == "aarch64"
    assert host["device"]["thor"] and host["l4t"] == "38.2.0"
    assert host["power"]["nvpmodel"] is None and host["container_packages"] == {}


def test_a_whole_run_in_check_mode_changes_nothing(guest: Guest) -> None:
    before = files(guest)
    output = guest.ansible("ansible-playbook", "site.yml", "--check", "--diff")
    assert re.search(rf"^{NAME} .*changed=[1-9]\d* .*failed=0 ", output, re.MULTILINE)
    planned = re.sub(r"^\+ARCHITECTURES = .*$", "", output, flags=re.MULTILINE)  # a program in the diff that knows both
    assert not re.search(r"x86_64|amd64", planned), "nothing of another architecture is planned"
    assert files(guest) == before


def test_packages_and_wheels_are_for_the_architecture(guest: Guest) -> None:
    guest.ansible("ansible-playbook", "tests/nightly/arm64.yml")
    named = "docker.io containerd runc "
    named += "nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1"
    shown = guest.run(f"dpkg-query -W -f '${{Package}} ${{Architecture}} ${{db:Status-Status}}\\n' {named}")
    assert {line.split()[1] for line in shown.splitlines()} <= {"arm64", "all"} and "docker.io arm64 installed" in shown
    assert all(line.endswith(" installed") for line in shown.splitlines())
    sources = guest.run("cat /etc/apt/sources.list.d/*")
    assert "arm64" in sources and "amd64" not in sources
    assert machine(guest, "/usr/bin/docker") == AARCH64
    assert guest.run("pgrep -x dockerd || echo none") == "none", "it cannot run here and was not started"
    # The hub's client: a wheel with machine code that Python can load.
    environment = "/opt/thor/venv/modelscope"
    libraries = guest.run(f"find {environment} -name '*.so'").split()
    assert libraries and {machine(guest, library) for library in libraries} == {AARCH64}
    assert (
        guest.run(f"{environment}/bin/python -c 'import cryptography.hazmat.bindings._rust, modelscope_hub; print(1)'")
        == "1"
    )
    host = guest.fact()
    assert host["hub_clients"]["modelscope"] and host["docker"]["running"] is False
    assert host["container_packages"]["nvidia-container-toolkit"].startswith("1.")


def machine(guest: Guest, path: str) -> int:
    """The architecture of a program or library, from its ELF header."""
    return int(guest.run(f"od -An -t u2 -j 18 -N 2 {path}"))


def test_a_whole_run_in_check_mode_knows_what_is_there(guest: Guest) -> None:
    before = files(guest)
    output = guest.ansible("ansible-playbook", "site.yml", "--check", "--diff")
    assert re.search(rf"^{NAME} .*failed=0 ", output, re.MULTILINE)
    for done in ("docker | Install the packages", "toolkit | Install the packages", "client | Install modelscope-hub"):
        assert done not in output, "it is there already"
    assert files(guest) == before
