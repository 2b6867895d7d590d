# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What services can do to each other, and how they share the start lock: with each other, and with units of an older version.

They need a provisioned host, as tests/support/sandbox_device.py says.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from sandbox_device import BIN, HOST, INVENTORY, ROOT, SERVED, Device, refused, served, stand_in

LOCK = "/run/thor/gpu.lock"
ACCOUNT = re.compile(r"^DynamicUser=.*$", re.MULTILINE)
# Accounts of units before each had its own.
SHARED = "User=thor\nGroup=thor\nRuntimeDirectory=thor\nRuntimeDirectoryPreserve=yes"


@pytest.fixture(name="device", scope="module")
def _device() -> Iterator[Device]:
    device = Device()
    device.run(f"test -S /run/docker.sock || {bind('/run/docker.sock')}")
    yield device
    SERVED[:] = []
    served(serving_liveness_interval=60, serving_liveness_timeout=60)
    device.run("ss -Hlx src /run/docker.sock | grep -q . || rm /run/docker.sock")


def bind(path: str) -> str:
    """A command that creates a socket with dockerd's permissions; clients that may use it learn that nobody listens."""
    return (
        f"""python3 -c "import os, socket; socket.socket(socket.AF_UNIX).bind('{path}'); os.chmod('{path}', 0o660)" """
    )


def account(device: Device, name: str) -> str:
    """The account that the engine of a service runs as, as a number."""
    return device.run(f"stat -c %u /proc/{device.engine(name)}")


def test_a_service_can_do_nothing_to_another(device: Device) -> None:
    victim = stand_in("fault-one", 18101)
    name = "fault-" + "x" * 42  # the longest name, too long for an account
    served(victim)
    pid = device.engine("fault-one")
    begin = device.clock()
    served(victim, stand_in(name, 18102, "--attack", str(pid), "fault-one"))
    assert account(device, name) not in (account(device, "fault-one"), "0", device.run("id -u thor"))
    attacked = re.search(r"^attacked (.*)$", device.journal(name, begin), re.MULTILINE)
    assert attacked
    other, own = json.loads(attacked[1])
    assert {deed: own[deed] for deed in ("environ", "signal", "cache")} == dict.fromkeys(
        ("environ", "signal", "cache"), "done"
    ), "to itself it may"
    refusals = {"EACCES", "ENOENT", "EPERM", "EROFS"}
    assert {deed: result for deed, result in other.items() if result not in refusals} == {}
    assert other["docker"] == "EACCES"


def test_an_older_unit_serves_beside_new_ones_and_its_cache_moves_to_the_new_account_and_back(device: Device) -> None:
    one, two = stand_in("fault-one", 18101, "--delay", "2"), stand_in("fault-two", 18102, "--delay", "2")
    served(one, two)
    unit, cache = "/etc/systemd/system/thor-fault-one.service", "/var/cache/thor/fault-one"
    new = device.run(f"cat {unit}")
    old = ACCOUNT.sub(SHARED, re.sub(r"^(ExecStartPre|SupplementaryGroups)=.*\n", "", new, flags=re.MULTILINE))
    device.run(f"rm {LOCK}")  # created by an older engine, under its account
    device.run(f"touch {LOCK}; chown -R thor:thor /run/thor; chmod 600 {LOCK}")
    device.host.run(f"cat >{unit} <<'UNIT'\n{old}\nUNIT")
    device.run("systemctl daemon-reload; systemctl restart thor-fault-one.service")
    thor = device.run("id -u thor")
    assert account(device, "fault-one") == thor
    device.run(f"runuser -u thor -- touch {cache}/compiled")

    # /run/thor goes to the older unit's account at each of its starts, and back to root at each start of a newer unit.
    for _ in range(2):
        begin = device.clock()
        device.run("systemctl restart thor-fault-one.service thor-fault-two.service")
        launched = [
            float(re.findall(r"^launched (\S+) ", device.journal(name, begin), re.MULTILINE)[-1])
            for name in ("fault-one", "fault-two")
        ]
        assert abs(launched[0] - launched[1]) >= 2, "they start one after the other"

    SERVED[:] = []
    served(one, two)
    assert device.run(f"cat {unit}") == new
    assert device.run(f"stat -Lc %u {cache} {cache}/compiled").split() == [account(device, "fault-one")] * 2
    assert account(device, "fault-one") != thor
    assert device.run(f"stat -c %U:%G-%a /run/thor {LOCK}").split() == ["root:thor-750", "root:thor-640"]

    SERVED[:] = []
    restore = json.dumps({"restore": True, "units": ["thor.target", "thor-drop-caches.socket"]})
    command = [str(BIN / "ansible"), HOST, "-i", INVENTORY, "-b", "-m", "jetson.thor.services", "-a", restore]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    assert device.run(f"cat {unit}") == old
    assert account(device, "fault-one") == thor
    assert device.run(f"stat -Lc %u {cache} {cache}/compiled").split() == [thor] * 2
    assert device.answers(18101)
    assert device.answers(18102)


def test_a_missing_lock_is_created_again_and_a_broken_one_is_reported(device: Device) -> None:
    served(stand_in("fault-one", 18101))
    device.run(f"rm {LOCK}; systemctl restart thor-fault-one.service")
    assert device.run(f"stat -c %U:%G-%a {LOCK}") == "root:thor-640"
    device.run(f"rm {LOCK}; mkdir {LOCK}")
    try:
        output = refused(stand_in("fault-one", 18101), stand_in("fault-new", 18103))
    finally:
        device.run(f"rmdir {LOCK}")
    assert f"THOR-START-LOCK: {LOCK}" in output
    assert "systemd-tmpfiles --create" in output
    served(stand_in("fault-one", 18101), stand_in("fault-new", 18103))
