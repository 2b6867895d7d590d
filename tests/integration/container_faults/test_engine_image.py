# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Images that cannot be pulled, in every way we know, and images pulled over a bad line.

Needs a host with a Docker Engine and the runtime nvidia (THOR_FAULTS_HOST, see tests/support/sandbox_device.py), and the sandbox's
registry. The images are noise, made by image_helper.py on the host, and come through its proxy on the host's loopback. The host's
own record of images is put aside meanwhile and restored at the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import container_environment
from sandbox_device import HOST, INVENTORY, ROOT, Device, eventually

REGISTRY = os.environ.get("THOR_FAULTS_REGISTRY", "registry.test")
OPEN, LOCKED = f"{REGISTRY}:5000", f"{REGISTRY}:5001"
KEY = "sandbox-ngc-key"
PORT = 5990
LINE = f"127.0.0.1:{PORT}"
NAME = "faults/engine"
RECORD = "/var/lib/thor/images.json"
LAYERS, MEGABYTES = 4, 6
SIZE = LAYERS * MEGABYTES << 20
HELPER = "/run/thor-image-helper.py"
STATS = "/run/thor-image-proxy.json"
JOB = "images"
QUICK = {"engine_image_attempts": 1, "engine_image_require_gpu": False}
Play = Callable[..., tuple[int, str]]


class Host(Device):
    """The host, its images, and the bad line."""

    def __init__(self) -> None:
        super().__init__()
        self.containerd = "containerd.snapshotter" in self.run("docker info --format '{{json .DriverStatus}}'")
        helper = (ROOT / "tests" / "integration" / "container_faults" / "image_helper.py").read_text(encoding="utf-8")
        self.write(HELPER, helper)
        self.digest = self.push("1")

    def write(self, path: str, text: str) -> None:
        """Write a file on the host."""
        command = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), HOST, f"sudo tee {path} >/dev/null"]
        subprocess.run(command, input=text, text=True, check=True, timeout=60)

    def push(self, tag: str, layers: int = LAYERS, *more: str) -> str:
        """Push an image of noise to the registry; its digest."""
        sizes = f"--layers {layers} --megabytes {MEGABYTES}"
        return self.run(f"python3 {HELPER} push {OPEN} {NAME}:{tag} {sizes} {' '.join(more)}")

    def proxy(self, *options: str, target: str = OPEN) -> None:
        """Start a line to the registry."""
        self.hang_up()
        self.run(
            f"systemd-run --quiet --unit=thor-test-proxy python3 {HELPER} proxy {PORT} {target} {' '.join(options)}"
        )
        eventually(lambda: bool(self.host.run(f"curl -s -o /dev/null -m 2 http://{LINE}/v2/").rc == 0))

    def hang_up(self) -> None:
        """Stop the line."""
        self.host.run(f"systemctl stop thor-test-proxy; systemctl reset-failed thor-test-proxy; rm -f {STATS}")

    def stats(self) -> dict[str, int]:
        """The traffic on the line."""
        found: dict[str, int] = json.loads(self.run(f"cat {STATS}"))
        return found

    def record(self) -> dict[str, Any]:
        """The record of images."""
        found: dict[str, Any] = json.loads(self.run(f"cat {RECORD} 2>/dev/null || echo '{{}}'"))
        return found

    def tags(self) -> set[str]:
        """Names of the test's images that dockerd has."""
        output = self.run("docker image ls --filter label=thor.test --format '{{.Repository}}:{{.Tag}}'")
        return set(output.split())

    def forget(self) -> None:
        """Remove all images of the test from the host, and all parts of them."""
        self.host.run(f"systemctl kill --signal=KILL thor-job-{JOB}; systemctl reset-failed thor-job-{JOB}")
        eventually(lambda: not self.at_work())
        self.run(f"rm -f {RECORD}")
        for label in ("thor.test", "thor-partial"):
            ids = f"docker image ls --all --quiet --filter label={label} | sort -u"
            self.host.run(f"{ids} | xargs --no-run-if-empty docker image rm --force")
        if self.containerd:
            # Leases keep the remains of an interrupted pull there for a day.
            self.host.run("ctr -n moby leases ls -q | xargs -r -n 1 ctr -n moby leases rm --sync")

    def at_work(self) -> bool:
        """Whether the job runs."""
        return bool(self.host.run(f"systemctl is-active --quiet thor-job-{JOB}").rc == 0)


@pytest.fixture(name="host", scope="module")
def _host() -> Iterator[Host]:
    host = Host()
    host.run(f"if test -e {RECORD}; then mv {RECORD} {RECORD}.faults; fi")
    yield host
    host.hang_up()
    host.forget()
    host.run(f"rm -f {HELPER}; if test -e {RECORD}.faults; then mv {RECORD}.faults {RECORD}; fi")
    assert host.run("docker ps --all --quiet --filter label=thor-gpu-check") == ""


@pytest.fixture(autouse=True)
def _clean(host: Host) -> None:
    host.forget()


def service(tag: str = "1", digest: str | None = None, registry: str = LINE) -> dict[str, Any]:
    """The part of a resolved service that concerns images."""
    reference = f"{registry}/{NAME}:{tag}"
    image = {"image": reference, "image_digest": digest, "image_bytes": SIZE}
    return {"engine": "faults", "version": tag, "environment": container_environment({}), **image}


def command(*services: dict[str, Any], options: tuple[str, ...] = (), **variables: Any) -> list[str]:
    """The play that pulls the images of services."""
    values = {**QUICK, "thor_ngc_registry": LINE, "faults_services": services, **variables}
    play = str(ROOT / "tests" / "integration" / "container_faults" / "engine_image.yml")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return [program, f"--inventory={INVENTORY}", f"--limit={HOST}", "--extra-vars", json.dumps(values), *options, play]


def bring(*services: dict[str, Any], **variables: Any) -> tuple[int, str]:
    """Run the play; exit status and output, on one line."""
    run = command(*services, **variables)
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def brought(*services: dict[str, Any], **variables: Any) -> str:
    """Run the play, which must succeed; its output."""
    status, output = bring(*services, **variables)
    assert status == 0, output
    return output


def refused(*services: dict[str, Any], **variables: Any) -> str:
    """Run the play, which must fail; its output."""
    status, output = bring(*services, **variables)
    assert status == 2, output
    return output


def test_an_image_is_pulled_once_and_kept_by_its_digest(host: Host) -> None:
    host.proxy()
    output = brought(service(), options=("--diff",))
    assert f"script/lock --digest faults:1={host.digest}" in output
    assert f"+{LINE}/{NAME}:1 {host.digest}" in output
    assert host.tags() == {f"{LINE}/{NAME}:1"}
    entry = host.record()["images"][f"{LINE}/{NAME}:1"]
    assert (entry["digest"], entry["proof"]["gpu"]) == (host.digest, False)
    host.hang_up()
    assert "changed=0" in brought(service()), "all is there: no registry is asked"
    # Another L4T (or toolkit) requires a new check, which is not a change.
    host.run(f'sed -i \'s/"l4t": "[^"]*"/"l4t": "1.2.3"/\' {RECORD}')
    assert "changed=0" in brought(service())
    assert host.record()["images"][f"{LINE}/{NAME}:1"]["proof"]["l4t"] != "1.2.3"


def test_a_tag_that_was_pulled_again_does_not_change_the_image(host: Host) -> None:
    host.proxy()
    brought(service())
    try:
        other = host.push("1", 1, "--seed", "other")
        host.run(f"docker pull --quiet {LINE}/{NAME}:1")
        assert "changed=0" in brought(service())
        assert host.record()["images"][f"{LINE}/{NAME}:1"]["digest"] == host.digest
        # If the lock names the other one, the host follows; the old one is still ours to prune.
        brought(service(digest=other))
        assert host.record()["images"][f"{LINE}/{NAME}:1"]["digest"] == other
        assert host.record()["superseded"] == [{"reference": f"{LINE}/{NAME}:1", "digest": host.digest}]
    finally:
        assert host.push("1") == host.digest


def test_check_mode_reports_and_changes_nothing(host: Host) -> None:
    host.proxy()
    output = brought(service(), options=("--check", "--diff"))
    assert f"+{LINE}/{NAME}:1 (pulled)" in output and "changed=1" in output
    assert host.tags() == set() and host.record() == {}


def test_a_tag_that_does_not_exist(host: Host) -> None:
    host.proxy()
    output = refused(service("nosuch"))
    assert "THOR-IMAGE-UNKNOWN" in output and f"{LINE}/{NAME}:nosuch" in output
    output = refused(service(digest=f"sha256:{'a' * 64}"))
    assert "THOR-IMAGE-UNKNOWN" in output


def test_an_image_for_another_machine_is_not_kept(host: Host) -> None:
    host.push("foreign", 1, "--architecture", "riscv64")
    host.proxy()
    output = refused(service("foreign"))
    assert "THOR-IMAGE-PLATFORM" in output and "riscv64" in output
    assert host.tags() == set() and host.record().get("images", {}) == {}


def test_a_registry_that_is_down(host: Host) -> None:
    host.hang_up()
    output = refused(service())
    assert "THOR-REGISTRY-DOWN" in output and LINE in output
    output = refused(service(registry="nosuch.invalid"), thor_ngc_registry="nosuch.invalid")
    assert "THOR-REGISTRY-DOWN" in output and "no such host" in output


def test_a_silent_line_is_cut_and_given_up(host: Host) -> None:
    host.proxy("--cut", "100000", "--silent")
    begin = time.monotonic()
    output = refused(service(), engine_image_stall_timeout=4, engine_image_attempts=1)
    assert "THOR-IMAGE-INTERRUPTED" in output and "engine_image_stall_timeout" in output
    assert "of 5 layers" in output, "how far the pull got"
    assert time.monotonic() - begin < 90
    assert not host.at_work()


def test_a_line_that_is_silent_once_is_cut_and_retried(host: Host) -> None:
    host.proxy("--rate", "8000000", "--cut", "3000000", "--silent", "--times", "1")
    brought(service(), engine_image_stall_timeout=4, engine_image_attempts=3)
    assert host.tags() == {f"{LINE}/{NAME}:1"}


def test_a_line_cut_within_a_layer_resumes_at_the_byte(host: Host) -> None:
    host.proxy("--cut", "4000000", "--times", "3")
    brought(service())
    stats = host.stats()
    assert stats["cuts"] == 3
    assert stats["bytes"] < SIZE + (1 << 20), "dockerd resumes at the byte, in both of its stores"


def test_a_line_that_is_always_cut_is_reported(host: Host) -> None:
    if host.containerd:
        pytest.skip("containerd itself continues as long as each connection brings something")
    host.push("cut", 2, "--seed", "cut")
    # No layer fits into five connections, and dockerd gives up after five attempts of its own.
    host.proxy("--cut", "1000000")
    output = refused(service("cut"))
    assert "THOR-IMAGE-INTERRUPTED" in output and "1 of 3 layers" in output


def test_finished_layers_survive_an_interruption(host: Host) -> None:
    """Finished layers, in their order, are not fetched twice, whoever ended the pull."""
    host.proxy("--rate", "600000")
    process = subprocess.Popen(command(service()), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # The host itself kills it after three layers of noise: from here it would be too late on a busy machine.
    host.run(f"timeout 120 python3 {HELPER} wait {int(SIZE * 0.8)} && systemctl kill --signal=KILL thor-job-{JOB}")
    process.wait(60)
    before = host.stats()["bytes"]
    assert before < SIZE
    eventually(lambda: not host.at_work())
    host.proxy()
    brought(service())
    again = host.stats()["bytes"]
    assert again < SIZE * 0.6, f"{before} bytes had arrived, but {again} were fetched again"
    assert host.tags() == {f"{LINE}/{NAME}:1"}
    assert host.run("docker image ls --all --quiet --filter label=thor-partial") == "", (
        "the image that kept the layers is gone"
    )


def test_a_killed_play_leaves_the_pull_running(host: Host) -> None:
    host.proxy("--rate", "1000000")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command(service()), cwd=ROOT, start_new_session=True, **quiet)
    try:
        eventually(host.at_work, 120)
        eventually(lambda: host.stats()["bytes"] > SIZE // 10, 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert host.at_work(), "the work must not end with the play"
    brought(service())
    assert host.stats()["bytes"] < SIZE + (1 << 20), "the next play continued the same pull"
    assert "changed=0" in brought(service())


def test_progress_is_shown(host: Host) -> None:
    host.proxy("--rate", "500000")
    output = brought(service())
    assert "images:" in output and " GB (" in output and "layer" in output


def logins(password: str, registry: str = LINE) -> dict[str, Any]:
    """A login for the registry on the line, as the inventory has it."""
    return {registry: {"username": "$oauthtoken", "password": password}}


def test_a_wrong_and_a_right_login(host: Host, tmp_path: Path) -> None:
    wrong = "wrong-ngc-key-4711"
    host.proxy(target=LOCKED)
    begin = host.clock()
    output = refused(service(), thor_registry_logins=logins(wrong), options=("-vvv", "--diff"))
    assert "THOR-REGISTRY-LOGIN" in output and f"thor_registry_logins['{LINE}'] = \"$oauthtoken\"" in output
    assert wrong not in output
    output = refused(service())
    assert "THOR-IMAGE-DENIED" in output and f"Set thor_registry_logins['{LINE}']" in output
    # The login for another registry is not sent to this one.
    assert "THOR-IMAGE-DENIED" in refused(service(), thor_registry_logins=logins(KEY, "nvcr.io"))
    host.proxy("--rate", "2000000", target=LOCKED)
    # Not into a pipe: nobody reads it before the end, and the play would wait for a reader.
    log = tmp_path / "log"
    with log.open("wb") as file:
        verbose = command(service(), thor_registry_logins=logins(KEY), options=("-vvv", "--diff"))
        process = subprocess.Popen(verbose, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    eventually(host.at_work, 120)
    for key in (KEY, wrong):
        hidden = f"[{key[0]}]{key[1:]}"  # the search must not find itself
        assert host.host.run(f"ps axeww | grep -c '{hidden}'").stdout.strip() == "0"
        assert host.host.run(f"grep -rl '{hidden}' /var/lib/thor /etc/thor /root/.docker /run/systemd").stdout == ""
        assert host.host.run(f"journalctl --since=@{int(begin)} | grep -c '{hidden}'").stdout.strip() == "0"
    status, output = process.wait(timeout=300), log.read_text(encoding="utf-8")
    assert status == 0, output
    assert KEY not in output
    assert host.host.run(f"grep -rl '[{KEY[0]}]{KEY[1:]}' /var/lib/thor /root/.docker").stdout == ""


@pytest.mark.parametrize("what", ["index", "manifest"])
def test_a_digest_that_others_recorded_is_confirmed(what: str, host: Host) -> None:
    index, manifest = host.push("indexed", 1, "--index").split()
    host.proxy()
    wanted = {**service("indexed"), "image_expected": {what: index if what == "index" else manifest}}
    assert f"the one that others recorded for its {what}" in brought(wanted)
    reference = f"{LINE}/{NAME}:indexed"
    entry = host.record()["images"][reference]
    assert (entry["digest"], entry["confirmed"]["what"]) == (index, what)
    digests = json.loads(host.run(f"docker image inspect --format '{{{{json .RepoDigests}}}}' {reference}"))
    assert digests == [f"{LINE}/{NAME}@{index}"], "the name by the manifest is gone again"
    assert host.stats()["bytes"] < 2 * MEGABYTES << 20, "the layers came once"
    assert "changed=0" in brought(wanted)


def test_another_digest_than_others_recorded_switches_nothing(host: Host) -> None:
    index, _manifest = host.push("indexed", 1, "--index").split()
    _index, other = host.push("other", 2, "--index", "--seed", "other").split()
    host.proxy("--rate", "2000000")
    for recorded in (f"sha256:{'a' * 64}", other):
        output = refused({**service("indexed"), "image_expected": {"manifest": recorded}})
        assert "THOR-IMAGE-DIGEST" in output and index in output and recorded in output
        assert host.record().get("images", {}) == {}
    assert host.stats()["bytes"] < 2 * MEGABYTES << 20, "the pull of the other image was stopped"
    # A person who wants it says so; nothing is fetched again.
    brought({**service("indexed", index), "image_expected": {"manifest": other}})


@pytest.mark.parametrize("how", ["runs", "is"])
def test_an_entrypoint_that_does_not_go_with_the_command(how: str, host: Host) -> None:
    words = ["vllm", "serve"]
    own = ["/usr/bin/vllm", "serve"] if how == "runs" else ["/start.sh"]
    host.push("started", 1, *(f"--entrypoint={word}" for word in own))
    host.proxy()
    said = {"how": how, "words": words, "instead_of": 0 if how == "runs" else len(words)}
    output = refused({**service("started"), "entrypoint": said})
    assert "THOR-IMAGE-ENTRYPOINT" in output and json.dumps(own) in output and json.dumps(words) in output
    # What the message offers.
    brought({**service("started"), "entrypoint": {"how": "set", "words": words, "instead_of": len(words)}})


def test_pruning_removes_our_images_that_nothing_names(host: Host) -> None:
    host.push("2", 1, "--seed", "two")
    host.push("3", 1, "--seed", "three")
    host.proxy()
    brought(service(), service("2"))
    host.run(f"docker pull --quiet {LINE}/{NAME}:3")  # belongs to a person
    unit = "/etc/systemd/system/thor-faults-image.service"
    named = f"{LINE}/{NAME}@{host.record()['images'][f'{LINE}/{NAME}:2']['digest']}"
    try:
        host.run(f"echo '# {named}' > {unit}")
        assert "changed=0" in brought(service(), engine_image_prune=True)
        assert f"{LINE}/{NAME}:2" in host.tags(), "a unit names it"
        host.run(f"rm {unit}")
        output = brought(service(), engine_image_prune=True, options=("--check", "--diff"))
        assert f"-{LINE}/{NAME}:2" in output
        assert f"{LINE}/{NAME}:2" in host.tags()
        assert "changed=0" in brought(service()), "only on request"
        brought(service(), engine_image_prune=True)
    finally:
        host.run(f"rm -f {unit}")
    assert host.tags() == {f"{LINE}/{NAME}:1", f"{LINE}/{NAME}:3"}
    assert "changed=0" in brought(service(), engine_image_prune=True)


def test_an_image_that_requires_a_newer_driver_is_checked_as_its_service_runs(host: Host) -> None:
    host.proxy()
    # Variables of an image, set by the service here; the runtime sees no difference.
    wants = {**service()["environment"], "NVIDIA_REQUIRE_CUDA": "cuda>=99.0"}
    output = refused({**service(), "environment": wants})
    assert "THOR-GPU-HIDDEN" in output and "unsatisfied condition: cuda>=99.0" in output
    assert "NVIDIA_DISABLE_REQUIRE" in output
    brought({**service(), "environment": {**wants, "NVIDIA_DISABLE_REQUIRE": "1"}})
    assert len(host.record()["images"][f"{LINE}/{NAME}:1"]["proof"]["environments"]) == 1


def test_a_container_that_finds_no_gpu(host: Host) -> None:
    host.proxy()
    output = refused(service(), engine_image_require_gpu=True)
    assert "THOR-GPU-HIDDEN" in output and "nvidia-smi on the host" in output
    assert host.record()["images"][f"{LINE}/{NAME}:1"]["proof"] is None, "the image is there, and not checked"
    assert host.run("docker ps --all --quiet --filter label=thor-gpu-check") == ""
    assert "changed=0" in brought(service()), "it is not pulled again"
