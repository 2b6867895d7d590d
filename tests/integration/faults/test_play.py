# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Plays that are killed during long work: nothing unfinished under a final name, and the next run continues.

They need a provisioned sandbox host, as tests/support/sandbox_device.py says, and its hub.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_device import BIN, HOST, INVENTORY, ROOT, Device, eventually, finish, site

LARGE = "/models/sandbox/large-GGUF"
SLOW_HUB, HUB = "http://hub.test:8081", "http://hub.test:8080"
LINK = "/opt/thor/engines/llama.cpp/0c1e570"
# Another fingerprint; all but one of its files come from the compiler cache.
OTHER_BUILD = ("-e", json.dumps({"llama_cpp_cmake_options": {"LLAMA_BUILD_NUMBER": 1}}))


@pytest.fixture(name="device", scope="module")
def _device() -> Device:
    return Device()


@pytest.fixture(name="no_large")
def _no_large(device: Device) -> Iterator[None]:
    """The large model of the hub is not on the host, before and after."""
    remove = f"rm -rf {LARGE} /models/.thor/staging/large-gguf-*"
    device.run(remove)
    yield
    device.run(remove)


def fetch(endpoint: str) -> list[str]:
    """The command that fetches the large model from a hub."""
    sources = [{"hub": "modelscope", "id": "sandbox/large-GGUF"}]
    arguments = json.dumps({"sources": sources, "hubs": {"modelscope": {"endpoint": endpoint}}, "path": LARGE})
    return [str(BIN / "ansible"), HOST, "-i", INVENTORY, "-b", "-m", "jetson.thor.hub_model", "-a", arguments]


def kill_when_at_work(device: Device, command: list[str], job: str) -> None:
    """Start a command, and kill it and its children once its job runs on the host."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet)
    try:
        eventually(lambda: at_work(device, job), 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def at_work(device: Device, job: str) -> bool:
    """Whether a job runs on the host and has reported progress."""
    return bool(
        device.host.run(f"systemctl is-active thor-job-{job} && test -s /var/lib/thor/jobs/{job}/progress.json").rc == 0
    )


def kill_job(device: Device, job: str) -> None:
    """What a power cut does to the job."""
    device.run(f"systemctl kill --signal=KILL thor-job-{job}")
    eventually(lambda: not at_work(device, job))


@pytest.mark.usefixtures("no_large")
def test_a_download_outlives_its_play_and_resumes_after_a_kill(device: Device) -> None:
    job = "fetch-sandbox-large-gguf"
    kill_when_at_work(device, fetch(SLOW_HUB), job)
    assert at_work(device, job), "the work must not end with the play"
    partial = "find /models/.thor/staging -name '*.incomplete' -printf '%s\\n'"
    eventually(lambda: any(int(size) > 2_000_000 for size in device.run(partial).split()))
    assert device.host.run(f"test -e {LARGE}").rc != 0, "nothing has the final name before it is complete"
    kill_job(device, job)
    before = sum(map(int, device.run(partial).split()))
    assert before > 2_000_000
    assert f"{HOST} | CHANGED" in finish(fetch(HUB))
    manifest = json.loads(device.run(f"cat {LARGE}/.thor-manifest.json"))
    for name, record in manifest["files"].items():
        assert device.run(f"sha256sum '{LARGE}/{name}'").split()[0] == record["sha256"]
    assert device.run("find /models/.thor/staging -mindepth 1 -path '*/large-gguf-*'") == "", "nothing is left behind"
    assert f"{HOST} | SUCCESS" in finish(fetch(HUB)), "the run after it changes nothing"
    assert device.answers(8000), "the previous services still serve"


def test_a_killed_build_continues_with_the_next_play(device: Device) -> None:
    job = "build-llama.cpp-0c1e570"
    finish(site())
    built = device.run(f"readlink {LINK}")
    device.run(f"rm -rf $(ls -d {LINK}-* | grep -v {built})")
    trees = device.run("ls /opt/thor/engines/llama.cpp")
    # The host itself kills it a second after its start, because with a warm compiler cache it takes only a few.
    unit = f"thor-job-{job}"
    wait_and_kill = f"until systemctl is-active -q {unit}; do sleep 0.1; done; sleep 1; systemctl kill -s KILL {unit}"
    with subprocess.Popen(site(*OTHER_BUILD), cwd=ROOT, stdout=subprocess.PIPE, text=True) as play:
        device.run(f'timeout 120 sh -c "{wait_and_kill}"')
        output, _ = play.communicate(timeout=120)
    assert play.returncode != 0
    assert "THOR-JOB-LOST" in output and HOST in output
    assert device.run("ls /opt/thor/engines/llama.cpp") == trees
    assert device.run(f"readlink {LINK}") == built
    assert device.answers(8000), "the previous services still serve"
    finish(site(*OTHER_BUILD))
    assert device.run(f"readlink {LINK}") != built
    assert device.answers(8000)
    # Back to the build that the inventory wants: it still exists, so nothing is compiled.
    finish(site())
    assert device.run(f"readlink {LINK}") == built
    device.run(f"rm -rf $(ls -d {LINK}-* | grep -v {built})")
    assert "changed=0" in finish(site())


def test_a_host_that_cannot_be_reached_does_not_stop_the_others(tmp_path: Path) -> None:
    dead = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_ssh_common_args": "-o ConnectTimeout=3"}
    (tmp_path / "hosts.yml").write_text(json.dumps({"thor": {"hosts": {"dead": dead}}}), encoding="utf-8")
    command = [*site("--limit", f"{HOST},dead"), "-i", str(tmp_path / "hosts.yml")]
    plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 4, "the exit status shows an unreachable host"
    recap = {line.split()[0]: line for line in done.stdout.split("PLAY RECAP")[1].splitlines() if ":" in line}
    assert "unreachable=1" in recap["dead"]
    assert "failed=0" in recap[HOST] and "Send each service representative requests" in done.stdout
