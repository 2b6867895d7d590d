# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The role container_runtime on a host changed by a person, by apt and by an interrupted run.

They need a host that serves from containers (or one on which at least the role has run), and the sandbox's apt
repository (script/sandbox images). Each test restores Docker and the toolkit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_device import HOST, INVENTORY, ROOT, Device, eventually

PLAYBOOK = ROOT / "tests" / "integration" / "container_faults" / "container_runtime.yml"
FILE = "/etc/docker/daemon.json"
PENDING = "/var/lib/thor/docker-pending.json"
DROP_IN = "/etc/systemd/system/docker.service.d/jetson-thor.conf"
SOURCE = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"
KEY = "/etc/apt/keyrings/nvidia-container-toolkit.asc"
LIST = "/etc/apt/sources.list.d/somebody.list"
TOOLKIT = "nvidia-container-toolkit"
PACKAGES = (TOOLKIT, f"{TOOLKIT}-base", "libnvidia-container-tools", "libnvidia-container1")
VERSION = "1.18.1-1"
FOREIGN = "fault-foreign"


def play(*options: str, **variables: Any) -> tuple[int, str]:
    """Run the role; exit status and output, the latter on one line."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", INVENTORY, "-l", HOST, *options]
    command += ["--extra-vars", json.dumps(variables), str(PLAYBOOK)]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def converge(*options: str, **variables: Any) -> str:
    """A run that must succeed."""
    status, output = play(*options, **variables)
    assert status == 0, output
    return output


def refused(code: str, *options: str, **variables: Any) -> str:
    """A run that must be refused with this code."""
    status, output = play(*options, **variables)
    assert status != 0, output
    assert f"{code}: " in output, output
    assert "Traceback" not in output
    return output


class Host(Device):
    """The host, with Docker and the toolkit."""

    def write(self, path: str, text: str) -> None:
        """Write a file in place: mode and owner stay."""
        self.run(f"cat >{path} <<'END'\n{text}\nEND")

    def pid(self) -> int:
        """Process id of dockerd."""
        return int(self.show("docker.service", "MainPID"))

    def info(self) -> dict[str, Any]:
        """The running dockerd's own description."""
        found: dict[str, Any] = json.loads(self.run("docker info --format '{{json .}}'"))
        return found

    def daemon_json(self) -> dict[str, Any]:
        """The file."""
        found: dict[str, Any] = json.loads(self.run(f"cat {FILE}"))
        return found

    def versions(self) -> set[str]:
        """Versions of the four packages, with their desired state (hi: on hold, ii: not)."""
        return set(
            self.run(f"dpkg-query -W -f='${{db:Status-Abbrev}}${{Version}}\n' {' '.join(PACKAGES)}").splitlines()
        )

    def apt(self) -> str:
        """Checksums of sources and keys."""
        return self.run("find /etc/apt -type f | sort | xargs sha256sum")

    def install(self, version: str) -> None:
        """Run a command as a person would by hand."""
        wanted = " ".join(f"{name}={version}" for name in PACKAGES)
        options = "-y -q --allow-downgrades --allow-change-held-packages"
        self.run(f"DEBIAN_FRONTEND=noninteractive apt-get install {options} {wanted}")

    def settled(self) -> bool:
        """Whether every unit of ours that is enabled runs."""
        units = self.host.run(
            "systemctl list-unit-files 'thor-*.service' --state=enabled --no-legend --plain"
        ).stdout.splitlines()
        names = [line.split()[0] for line in units if line]
        return all(self.show(name, "ActiveState") == "active" for name in names)


@pytest.fixture(name="device", scope="module")
def _device() -> Iterator[Host]:
    device = Host()
    if device.host.run("test -e /usr/bin/nvidia-container-runtime").rc != 0:
        pytest.fail("this host serves nothing from containers")
    assert "changed=0" in converge()
    yield device
    assert "changed=0" in converge()
    eventually(device.settled, 300)


@pytest.fixture(name="file")
def _file(device: Host) -> Iterator[str]:
    """The text of daemon.json, restored at the end."""
    text = device.run(f"cat {FILE}")
    yield text
    device.write(FILE, text)
    device.run("systemctl reload docker")


@pytest.fixture(name="foreign")
def _foreign(device: Host) -> Iterator[str]:
    """A container that is not ours, made of the host's own sleep."""
    libraries = "ldd /bin/sleep | grep -o '/[^ ]*'"
    device.run(f"tar -ch /bin/sleep $({libraries}) 2>/dev/null | docker import - {FOREIGN}")
    device.run(f"docker run -d --name {FOREIGN} --network none {FOREIGN} /bin/sleep 100000")
    yield FOREIGN
    device.run(f"docker rm -f {FOREIGN}; docker image rm {FOREIGN}")


# --- daemon.json ---


def test_a_persons_keys_survive_without_a_restart(device: Host, file: str) -> None:
    pid = device.pid()
    theirs = {
        "labels": ["fault=yes"],
        "max-concurrent-downloads": 2,
        "runtimes": {"other": {"path": "runc"}},
        "proxies": {"http-proxy": "http://me:s3cret@proxy.invalid:3128"},
    }
    device.write(FILE, json.dumps(theirs))
    device.run(f"chmod 0600 {FILE}; kill -HUP {pid}")
    eventually(lambda: "fault=yes" in device.info()["Labels"])
    planned = converge("--check", "--diff", container_runtime_allow_restart=False)
    assert "s3cret" not in planned and '"nvidia"' in planned
    assert device.daemon_json() == theirs, "check mode writes nothing"
    assert "changed=1" in converge()
    now = device.daemon_json()
    assert {key: now[key] for key in ("labels", "max-concurrent-downloads", "proxies")} == {
        key: theirs[key] for key in ("labels", "max-concurrent-downloads", "proxies")
    }
    assert set(now["runtimes"]) == {"other", "nvidia"}
    assert {"other", "nvidia"} <= set(device.info()["Runtimes"])
    assert device.run(f"stat -c %a {FILE}") == "600"
    assert device.pid() == pid, "a reload is enough for these keys"
    assert "changed=0" in converge()
    device.run(f"chmod 0644 {FILE}")
    assert file


def test_a_broken_file_is_reported_by_its_line_and_stays(device: Host, file: str) -> None:
    broken = '{\n  "debug": false\n  "labels": []\n}'
    device.write(FILE, broken)
    output = refused("THOR-DAEMON-JSON")
    assert HOST in output and FILE in output and "line 3, column 3" in output
    assert device.run(f"cat {FILE}") == broken
    assert file


def test_unknown_options_are_refused_before_they_are_written(device: Host) -> None:
    before = device.run(f"cat {FILE}")
    output = refused("THOR-DOCKER-REFUSED", container_runtime_daemon_options={"lables": ["a=b"]}, **RESTART)
    assert "lables" in output and "container_runtime_daemon_options" in output
    assert device.run(f"cat {FILE}") == before


RESTART = {"container_runtime_allow_restart": True}


def test_a_restart_is_refused_while_containers_run_and_reported_if_it_is_allowed(device: Host, foreign: str) -> None:
    before, pid = device.run(f"cat {FILE}"), device.pid()
    option = {"container_runtime_no_iptables_raw": "always"}
    for mode in ((), ("--check",)):
        output = refused("THOR-DOCKER-BUSY", *mode, **option)
        assert foreign in output and "container_runtime_allow_restart" in output
    assert (device.pid(), device.run(f"cat {FILE}")) == (pid, before)
    assert device.host.run(f"test -e {DROP_IN}").rc != 0
    try:
        output = converge(**option, **RESTART)
        assert f"has interrupted {foreign}" in output or f", {foreign}" in output
        assert device.pid() != pid
        assert "DOCKER_INSECURE_NO_IPTABLES_RAW=1" in device.run(f"tr '\\0' '\\n' </proc/{device.pid()}/environ")
        assert "changed=0" in converge(**option)
    finally:
        converge(container_runtime_no_iptables_raw="never", **RESTART)
    assert device.host.run(f"test -e {DROP_IN}").rc != 0
    assert "DOCKER_INSECURE" not in device.run(f"tr '\\0' '\\n' </proc/{device.pid()}/environ")


def test_a_run_interrupted_before_the_restart_is_finished_by_the_next(device: Host, file: str) -> None:
    pid = device.pid()
    # The files of a run that was killed right after writing: dockerd does not report its log level.
    options = {**json.loads(file), "log-level": "warn"}
    device.write(FILE, json.dumps(options))
    device.write(PENDING, json.dumps({"action": "restart", "pid": pid, "keys": ["log-level"]}))
    try:
        assert "changed=1" in converge(**RESTART)
        assert device.pid() != pid
        assert device.host.run(f"test -e {PENDING}").rc != 0
        assert "changed=0" in converge()
    finally:
        device.write(FILE, file)
        device.run(f"rm -f {PENDING}; systemctl restart docker")


def test_a_configuration_that_stops_docker_from_starting_is_taken_back(device: Host) -> None:
    before = device.run(f"cat {FILE}")
    output = refused("THOR-DOCKER-FAILED", container_runtime_daemon_options={"storage-driver": "no-such"}, **RESTART)
    assert "no-such" in output and "was put back" in output
    assert device.run(f"cat {FILE}") == before
    assert "nvidia" in device.info()["Runtimes"]
    assert device.host.run(f"test -e {PENDING}").rc != 0


# --- The toolkit ---


def test_a_variable_with_a_toolkit_that_is_too_old_is_refused(device: Host) -> None:
    output = refused("THOR-TOOLKIT-OLD", container_runtime_toolkit_version="1.16.2-1")
    assert "container_runtime_toolkit_version" in output and "1.17.7" in output
    assert device.versions() == {f"ii {VERSION}"}


def test_an_old_toolkit_on_hold_is_refused_and_otherwise_upgraded(device: Host) -> None:
    device.install("1.16.2-1")
    device.run(f"apt-mark hold {PACKAGES[0]}")
    try:
        output = refused("THOR-TOOLKIT-OLD")
    finally:
        device.run(f"apt-mark unhold {PACKAGES[0]}")
    assert f"apt-mark unhold {PACKAGES[0]}" in output
    assert {one[3:] for one in device.versions()} == {"1.16.2-1"}
    # As a system upgrade may leave it.
    device.run(f"DEBIAN_FRONTEND=noninteractive apt-get remove -y -q {PACKAGES[0]}")
    converge()
    assert device.versions() == {f"ii {VERSION}"}
    assert "changed=0" in converge()


def test_a_suitable_toolkit_stays(device: Host) -> None:
    device.install("1.18.0-1")
    try:
        # The CDI description is renewed for it, and no package changes.
        assert "apt_source" not in converge() and device.versions() == {"ii 1.18.0-1"}
        assert "changed=0" in converge()
    finally:
        device.install(VERSION)
        converge()


@pytest.fixture(name="jetpack")
def _jetpack(device: Host) -> Iterator[Callable[[str], None]]:
    """Installs JetPack's metapackage, which depends on the four packages at exactly one version, as 7.1's does on 1.18.0-1."""
    folder = "/root/nvidia-container"

    def install(version: str) -> None:
        device.install(version)
        fields = {
            "Package": "nvidia-container",
            "Version": "7.1-b10",
            "Architecture": "all",
            "Maintainer": "sandbox <sandbox@invalid>",
            "Depends": ", ".join(f"{name} (= {version})" for name in PACKAGES),
            "Description": "stand-in",
        }
        device.run(f"mkdir -p {folder}/DEBIAN")
        device.write(f"{folder}/DEBIAN/control", "\n".join(f"{key}: {value}" for key, value in fields.items()))
        device.run(f"dpkg-deb --build {folder} {folder}.deb && dpkg -i {folder}.deb")

    yield install
    device.run(f"dpkg --purge nvidia-container; rm -r {folder} {folder}.deb")
    device.install(VERSION)
    converge()


def test_jetpacks_metapackage_is_left_alone(device: Host, jetpack: Callable[[str], None]) -> None:
    jetpack("1.18.0-1")
    converge()
    assert device.versions() == {"ii 1.18.0-1"} and device.host.package("nvidia-container").is_installed
    assert "changed=0" in converge()


def test_removals_by_apt_are_refused_before_any_change(device: Host, jetpack: Callable[[str], None]) -> None:
    jetpack("1.16.2-1")
    device.run(f"rm -rf /tmp/before; cp -a /var/lib/apt/lists /tmp/before; mv {SOURCE} {KEY} /root")
    try:
        before = device.apt()
        for mode in ((), ("--check",)):
            output = refused("THOR-APT-REMOVES", *mode)
            assert "nvidia-container 7.1-b10" in output and "Nothing was changed" in output
        assert device.apt() == before and device.versions() == {"ii 1.16.2-1"}
        device.run("diff -r /tmp/before /var/lib/apt/lists && rm -r /tmp/before")
    finally:
        device.run(f"mv /root/{Path(SOURCE).name} {SOURCE}; mv /root/{Path(KEY).name} {KEY}")


@pytest.fixture(name="installer")
def _installer(device: Host) -> Iterator[str]:
    """A stand-in for JetPack's Docker installer that runs for less than a minute."""
    unit = "nv-install-docker.service"
    text = f"[Service]\nType=oneshot\nExecStart=/bin/sleep 40\nExecStartPost=/bin/rm /etc/systemd/system/{unit}"
    device.write(f"/etc/systemd/system/{unit}", text)
    device.run(f"systemctl daemon-reload; systemctl start --no-block {unit}")
    yield unit
    device.run(f"systemctl stop {unit}; rm -f /etc/systemd/system/{unit}; systemctl daemon-reload")


def test_jetpacks_docker_installer_is_waited_for_by_name(device: Host, installer: str) -> None:
    output = converge()
    assert f"waiting until packages are installed: {installer} (activating)" in output
    assert device.show(installer, "ActiveState") == "inactive"


def test_a_lock_that_is_never_released_ends_the_wait_with_a_code(device: Host) -> None:
    hold = "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(60)"
    device.run(f'systemd-run --unit=fault-lock python3 -c "{hold}"')
    try:
        output = refused("THOR-PACKAGES-BUSY", preflight_packages_timeout=3)
        assert "python3" in output and "/var/lib/dpkg/lock-frontend" in output
    finally:
        device.run("systemctl stop fault-lock")


@pytest.mark.parametrize(
    ("code", "variables", "said"),
    [
        ("THOR-KEY-WRONG", {"container_runtime_toolkit_key_fingerprint": "AB" * 20}, ("AB" * 20, "FINGERPRINT")),
        (
            "THOR-KEY-WRONG",
            {"container_runtime_toolkit_key_url": "http://hub.test:8080/health"},
            ("http://hub.test:8080/health", "is not a key"),
        ),
        (
            "THOR-REPOSITORY-FAILED",
            {"container_runtime_toolkit_key_url": "http://hub.test:1/key.asc"},
            ("container_runtime_toolkit_key_url", "http://hub.test:1/key.asc"),
        ),
        (
            "THOR-REPOSITORY-FAILED",
            {"container_runtime_toolkit_url": "http://hub.test:1/apt"},
            ("container_runtime_toolkit_url", "http://hub.test:1/apt"),
        ),
        ("THOR-PACKAGE-MISSING", {"container_runtime_toolkit_version": "1.99.0-1"}, ("1.20.0-1", "1.18.1-1")),
    ],
)
def test_a_wrong_repository_leaves_keys_and_sources_unchanged(
    device: Host, code: str, variables: dict[str, str], said: tuple[str, ...]
) -> None:
    device.install("1.16.2-1")
    fingerprint = device.run(f"gpg --show-keys --with-colons {KEY} | grep ^fpr | head -n 1 | cut -d: -f10")
    before = device.apt()
    try:
        output = refused(code, **{"container_runtime_toolkit_version": "1.20.0-1", **variables})
        for text in said:
            assert (fingerprint if text == "FINGERPRINT" else text) in output
        assert device.apt() == before
        assert device.versions() == {"ii 1.16.2-1"}
        device.run("apt-get check")
    finally:
        device.install(VERSION)


def test_somebody_elses_source_is_used(device: Host) -> None:
    device.install("1.16.2-1")
    url = device.run(f"sed -n 's/^URIs: //p' {SOURCE}")
    theirs = "/usr/share/keyrings/somebody.gpg"
    device.run(f"gpg --batch --yes --dearmor -o {theirs} {KEY}; mv {SOURCE} /root/source; mv {KEY} /root/key")
    device.write(LIST, f"deb [signed-by={theirs}] {url} /")
    try:
        converge(container_runtime_toolkit_version="1.20.0-1")
        assert device.versions() == {"ii 1.20.0-1"}
        assert device.host.run(f"test -e {SOURCE}").rc != 0, "two entries with two keys would stop apt from working"
        device.install("1.16.2-1")
        refused("THOR-KEY-WRONG", container_runtime_toolkit_key_fingerprint="AB" * 20)
    finally:
        device.run(f"rm {LIST} {theirs}")
    converge()
    assert device.versions() == {f"ii {VERSION}"}
    assert device.run(f"sed -n 's/^URIs: //p' {SOURCE}") == url
    assert "changed=0" in converge()
    device.run("rm /root/source /root/key")
