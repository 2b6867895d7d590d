# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A JetPack upgrade on a provisioned host: what depends on L4T or CUDA is renewed, everything else stays as it is.

The upgrade is simulated: /opt/facts/etc/nv_tegra_release, and an nvcc that prints another version. They need a provisioned
sandbox host, as tests/support/sandbox_device.py says; containers are tested if the host serves any.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_device import HOST, INVENTORY, ROOT, Device

RELEASE = "/opt/facts/etc/nv_tegra_release"
OLD, NEW = ("2.0", "38.2.0"), ("4.0", "38.4.0")  # REVISION, and L4T as the facts have it
NVCC = "/usr/local/cuda/bin/nvcc"
CDI = "/var/run/cdi/nvidia.yaml"
ENGINE = "/opt/thor/engines/llama.cpp"
VERSION = "0c1e570"


def play(*options: str, **variables: Any) -> str:
    """Run site.yml, which must succeed; its output."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", INVENTORY, "-l", HOST, "site.yml", *options, "--extra-vars", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(output: str) -> list[str]:
    """Names of the tasks that changed something on the host, or would."""
    blocks = re.split(r"^TASK \[", output, flags=re.MULTILINE)[1:]
    return [
        block[: block.index("] **")] for block in blocks if re.search(rf"^changed: \[{HOST}\]", block, re.MULTILINE)
    ]


class Thor(Device):
    """The host, with the queries of this file."""

    def observe(self) -> dict[str, Any]:
        """thor_host, as it is now."""
        program = str(Path(sys.executable).with_name("ansible"))
        module = ["-m", "jetson.thor.host_facts", "-a", "facts_root=/opt/facts"]
        command = [program, HOST, "-i", INVENTORY, "-b", *module]
        as_json = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0"}
        output = subprocess.run(
            command, cwd=ROOT, env=as_json, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        host: dict[str, Any] = json.loads(output[output.index("{") : output.rindex("}") + 1])["ansible_facts"][
            "thor_host"
        ]
        return host

    def upgrade(self, revision: str) -> None:
        """Make the device report another L4T."""
        self.run(f"sed -i '1s/REVISION: [0-9.]*/REVISION: {revision}/' {RELEASE}")

    def cuda(self, version: str) -> None:
        """Install an nvcc that prints this version and does nothing else."""
        text = f"Cuda compilation tools, release {version}, V{version}.88"
        self.run(f"mkdir -p {Path(NVCC).parent}; printf '#!/bin/sh\\necho \"{text}\"\\n' >{NVCC}; chmod 755 {NVCC}")

    def lives(self) -> dict[str, str]:
        """Identifies one life of each service: the unit's invocation, and its container."""
        units = self.run("systemctl list-units 'thor-*.service' --state=active --no-legend --plain").splitlines()
        lives = {name: self.show(name, "InvocationID") for name in (line.split()[0] for line in units)}
        containers = self.host.run(
            "docker ps --no-trunc --filter label=thor.service --format '{{.Names}} {{.ID}}'"
        ).stdout
        return lives | dict(line.split() for line in containers.splitlines())

    def models(self) -> str:
        """A checksum over names, sizes and times of all models."""
        return self.run("find /models -type f -printf '%p %s %T@ %i\\n' | sort | sha256sum")


@pytest.fixture(name="device", scope="module")
def _device() -> Iterator[Thor]:
    """A host as the last run left it, restored at the end."""
    device = Thor()
    assert not device.host.exists("nvcc") and device.host.run(f"test -e {NVCC}").rc != 0, "the sandbox has no CUDA"
    play()
    yield device
    device.upgrade(OLD[0])
    device.host.run(f"rm -rf {Path(NVCC).parents[1]}")
    play()
    assert changed(play()) == []


def test_a_new_l4t_is_noticed_and_no_service_is_restarted(device: Thor) -> None:
    before = device.observe()
    lives, models = device.lives(), device.models()
    assert before["l4t"] == OLD[1] and lives
    device.upgrade(NEW[0])
    try:
        after = device.observe()
        assert (after["l4t"], after["jetpack"]) == (NEW[1], "7.1")
        tasks = changed(play())
        # Without containers nothing depends on L4T; with containers, see below.
        assert before["docker"] or tasks == []
        assert (device.lives(), device.models()) == (lives, models)
        assert device.observe()["builds"] == before["builds"]
        assert changed(play()) == [], "what had to be renewed has been"
    finally:
        device.upgrade(OLD[0])
        play()


def test_a_build_whose_cuda_has_changed_is_repeated_and_no_other(device: Thor) -> None:
    built = device.observe()["builds"]["llama.cpp"][VERSION]
    # A device's build: a copy of the sandbox's, made for the CPU, with the inputs that a build for the GPU has.
    device.cuda("13.0")
    options = ("--check", "--diff")
    assert '+ "cuda": "13.0"' in play(*options, llama_cpp_cuda=True)
    tree = f"{ENGINE}/{VERSION}-{'0' * 12}"
    gpu = {"GGML_CUDA": "ON", "CMAKE_CUDA_ARCHITECTURES": "110-real"}
    inputs = {**built["inputs"], "cuda": "13.0", "options": built["inputs"]["options"] | gpu}
    device.run(f"cp -a {built['path']} {tree}")
    try:
        record = {**json.loads(device.run(f"cat {tree}/build.json")), "inputs": inputs, "fingerprint": "0" * 12}
        write(f"{tree}/build.json", json.dumps(record))
        device.run(f"ln -sfn {Path(tree).name} {ENGINE}/{VERSION}")
        assert [name for name in changed(play(*options, llama_cpp_cuda=True)) if "build" in name] == []
        # The upgrade: another CUDA.
        lives, models = device.lives(), device.models()
        device.cuda("13.2")
        assert device.observe()["toolchain"]["cuda"] == "13.2"
        output = play(*options, llama_cpp_cuda=True)
        assert '- "cuda": "13.0"' in output and '+ "cuda": "13.2"' in output
        assert [name for name in changed(output) if "build" in name] == ["jetson.thor.cmake_build : Build"]
        assert not [name for name in changed(output) if "model" in name]
        assert (device.lives(), device.models()) == (lives, models)
        # The same CUDA, another L4T: nothing to build.
        device.cuda("13.0")
        device.upgrade(NEW[0])
        assert [name for name in changed(play(*options, llama_cpp_cuda=True)) if "build" in name] == []
    finally:
        device.upgrade(OLD[0])
        device.run(f"ln -sfn {Path(built['path']).name} {ENGINE}/{VERSION}; rm -rf {tree}")
    assert changed(play()) == []


def write(path: str, content: str) -> None:
    """Write a file of the host."""
    command = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), HOST, f"sudo tee {path} >/dev/null"]
    subprocess.run(command, input=content, text=True, check=True)


def test_the_containers_view_of_the_device_is_renewed(device: Thor) -> None:
    before = device.observe()
    if not before["docker"]:
        pytest.fail(f"{HOST} has no Docker; the scenario container-faults runs this")
    assert OLD[1] in device.run(f"cat {CDI}")
    lives = device.lives()
    proofs = {name: image["proof"] for name, image in before["images"].items() if image["proof"]}
    device.upgrade(NEW[0])
    try:
        planned = changed(play("--check"))
        assert planned, "check mode announces it"
        assert OLD[1] in device.run(f"cat {CDI}"), "and changes nothing"
        assert changed(play())
        assert NEW[1] in device.run(f"cat {CDI}")
        after = device.observe()
        for name, proof in proofs.items():
            assert after["images"][name]["proof"] != proof, f"{name} was checked on another L4T"
            assert after["images"][name]["digest"] == before["images"][name]["digest"]
        assert device.lives() == lives
        assert changed(play()) == []
    finally:
        device.upgrade(OLD[0])
        play()
    assert OLD[1] in device.run(f"cat {CDI}")
