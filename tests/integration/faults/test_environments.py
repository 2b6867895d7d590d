# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A Python environment on a real systemd: its job is killed, continues, and a damaged environment is repaired.

The engine is a toy of two packages in a folder on the host; uv itself comes from the hub, by hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import package_index
import pytest
from sandbox_device import BIN, HOST, INVENTORY, ROOT, Device, eventually

ENGINE = b"import sys, toy_library\n\ndef main():\n    print(sys.executable, toy_library.WORD)\n"
WHEELS = "/srv/toy-wheels"
JOB = "environment-toy-1.0"
UNIT = f"thor-job-{JOB}.service"
UV = "/opt/thor/venv/uv"
ENGINES = "/opt/thor/engines/toy"


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    """The host with the toy's wheels, without anything of earlier runs."""
    device = Device()
    remove = f"rm -rf {WHEELS} {ENGINES} /var/lib/thor/uv {UV}"
    device.run(f"{remove} && mkdir -p {WHEELS}")
    for name, data in files():
        device.run(f"echo {base64.b64encode(data).decode()} | base64 -d > {WHEELS}/{name}")
    yield device
    device.run(remove)


def files() -> list[tuple[str, bytes]]:
    """The wheels of the toy."""
    return [
        package_index.wheel("toy", "1.0", {"toy/__init__.py": ENGINE}, {"toy": "toy:main"}),
        package_index.wheel("toy-library", "1.0", {"toy_library/__init__.py": b"WORD = 'ready'\n", "toy_library/lib.so": b"L" * 999}),
    ]  # fmt: skip


def command(device: Device) -> list[str]:
    """The module, for the Python and the machine of the host."""
    version = device.run("/usr/bin/python3 -c 'import platform; print(platform.python_version())'")
    sizes = [len(data) for _name, data in files()]
    lock = [
        "# requirement: toy==1.0",
        f"# python: {'.'.join(version.split('.')[:2])}",
        f"# machine: {device.run('uname -m')}",
        "# glibc: 2.17",
        "# packages: 2",
        f"# bytes: {sum(sizes)}",
        *(
            f"{name.split('-')[0].replace('_', '-')}==1.0 --hash=sha256:{hashlib.sha256(data).hexdigest()}  # {len(data)}"
            for name, data in files()
        ),
    ]
    arguments = {
        "engine": "toy",
        "version": "1.0",
        "lock": "\n".join(lock) + "\n",
        "uv": (ROOT / "roles/python_engine/files/uv.txt").read_text(encoding="utf-8"),
        "pip_arguments": f"--no-index --find-links {WHEELS} --find-links http://hub.test:8080/wheels/ --trusted-host hub.test",
    }
    module = ["-m", "jetson.thor.python_engine", "-a", json.dumps(arguments)]
    return [str(BIN / "ansible"), HOST, "-i", INVENTORY, "-b", *module]


def result_of(words: list[str]) -> dict[str, Any]:
    """The result of an ad hoc command, which must succeed."""
    environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1"}
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.partition("=> ")[2])
    return result


def install(device: Device, *options: str) -> dict[str, Any]:
    """The result of the module."""
    return result_of([*command(device), *options])


def test_check_mode_installs_nothing(device: Device) -> None:
    result = install(device, "--check")
    assert result["changed"] and result["bytes_to_fetch"] == sum(len(data) for _name, data in files())
    for path in (ENGINES, UV, "/var/lib/thor/uv"):
        assert not device.host.file(path).exists, path


def test_a_killed_job_leaves_nothing_and_the_next_one_completes(device: Device) -> None:
    process = subprocess.Popen(command(device), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    eventually(lambda: device.show(UNIT, "ActiveState") == "active" and "install uv" in progress(device))
    device.run(f"systemctl kill --signal=KILL {UNIT}")
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0 and "THOR-JOB-LOST" in output, output
    assert device.run(f"find /opt/thor/engines -path '{ENGINES}/*'") == "" and not device.host.file(UV).exists
    result = install(device)
    tree = result["path"]
    assert result["changed"] and device.run(f"readlink -f {ENGINES}/1.0") == tree
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --"
    assert device.run(f"{nobody} {ENGINES}/1.0/bin/toy") == f"{tree}/bin/python ready", (
        "under its final name, for every account"
    )
    assert device.run("ls -A /var/lib/thor/uv") == "" and device.run(f"ls -A {ENGINES}").split() == [
        "1.0",
        tree.rpartition("/")[2],
    ]


def test_the_second_run_changes_nothing(device: Device) -> None:
    result = install(device)
    assert not result["changed"] and result["bytes_to_fetch"] == 0


def test_damage_is_observed_and_repaired(device: Device) -> None:
    library = device.run(f"echo {ENGINES}/1.0/lib/python3*/site-packages/toy_library/lib.so")
    device.run(f"truncate --size=5 {shlex.quote(library)}")
    facts = result_of([str(BIN / "ansible"), HOST, "-i", INVENTORY, "-b", "-m", "jetson.thor.host_facts"])
    seen = facts["ansible_facts"]["thor_host"]["environments"]["toy"]["1.0"]
    assert "lib.so is not the file that was installed" in seen["damaged"]
    assert install(device)["changed"]
    assert device.run(f"stat --format=%s {shlex.quote(library)}") == "999"
    assert not install(device)["changed"]


def progress(device: Device) -> str:
    """How far the job is, in its own words; nothing before it has said so."""
    return device.run(f"find /var/lib/thor/jobs -path '*/{JOB}/progress.json' -exec cat {{}} +")
