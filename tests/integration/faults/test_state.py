# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a switch leaves behind when it is killed or loses power, and what others do to its files, on a real systemd.

They use the host and the stand-ins of test_serving.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from power_cut import cut_power
from sandbox_device import BIN, HOST, INVENTORY, ROOT, SERVED, Device, eventually, play, refused, served, stand_in

ONE, TWO = stand_in("fault-one", 18101), stand_in("fault-two", 18102)
SWAPPED = [stand_in("fault-one", 18102, "--delay", "600", start_timeout=300), stand_in("fault-two", 18101)]
UNITS = "/etc/systemd/system"
CONFIGS = "/etc/thor/services"


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    """The host; the stand-ins are removed at the end."""
    device = Device()
    yield device
    device.run(f"rm -rf {UNITS}/thor-fault-*.d && systemctl daemon-reload")
    served(serving_liveness_interval=60, serving_liveness_timeout=60)


def definitions(device: Device) -> str:
    return device.run(f"cat {UNITS}/thor-fault-one.service {UNITS}/thor-fault-two.service {CONFIGS}/fault-*.json")


def in_the_middle(device: Device) -> Any:
    """A play that swaps the ports of two services: the first has its new unit and is loading, the second is stopped."""
    served(ONE, TWO)
    SERVED[:] = []
    process = play(*SWAPPED, background=True)
    eventually(lambda: device.show("thor-fault-two.service", "ActiveState") == "inactive")
    assert "18102" in device.run(f"cat {UNITS}/thor-fault-one.service")
    assert "18101" in device.run(f"cat {UNITS}/thor-fault-two.service"), "both are written before one is stopped"
    return process


def both_serve_as_before(device: Device, before: str) -> None:
    eventually(lambda: device.answers(18101) and device.answers(18102))
    assert definitions(device) == before
    left = "'(' -name '.*' -o -name '*switch.json*' -o -name '*recovery*' ')' -printf '%f\\n'"
    assert device.run(f"find {UNITS} {CONFIGS} /var/lib/thor -mindepth 1 -maxdepth 1 {left}") in {
        "",
        ".before.json.new",
    }


def test_a_swap_whose_job_is_killed_serves_again(device: Device) -> None:
    served(ONE, TWO)
    before = definitions(device)
    process = in_the_middle(device)
    device.run("systemctl kill --signal=KILL thor-job-switch.service")
    output, _ = process.communicate(timeout=120)
    assert "THOR-JOB-LOST" in output
    assert "Started as before: thor-fault-one.service, thor-fault-two.service" in " ".join(output.split())
    both_serve_as_before(device, before)


def test_a_swap_that_loses_power_serves_again_without_a_person(device: Device) -> None:
    served(ONE, TWO)
    before = definitions(device)
    process = in_the_middle(device)
    process.kill()
    process.communicate()
    cut_power(HOST)
    both_serve_as_before(device, before)
    assert "Back to what served before" in device.run("journalctl -b -u jetson-thor-recovery.service -o cat")
    served(ONE, TWO)


def test_a_drop_in_is_drift_and_verify_sees_the_open_port(device: Device) -> None:
    served(ONE, TWO)
    unit = f"{UNITS}/thor-fault-one.service"
    command = device.run(f"grep ^ExecStart= {unit}")
    folder = f"{unit}.d"
    device.run(f"mkdir -p {folder}")
    try:
        drop_in = f"[Service]\nExecStart=\n{command} --host 0.0.0.0\n"
        subprocess.run(
            ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), HOST, f"sudo tee {folder}/override.conf"],
            input=drop_in,
            text=True,
            capture_output=True,
            check=True,
        )
        # Whether systemd has read it or not.
        assert "THOR-UNIT-DRIFT" in refused(ONE, TWO)
        device.run("systemctl daemon-reload && systemctl restart thor-fault-one.service")
        output = refused(ONE, TWO)
        assert f"thor-fault-one.service: {folder}/override.conf = ExecStart" in output
        asked = [
            str(BIN / "ansible"), f"--inventory={INVENTORY}", HOST, "--become", "--module-name=jetson.thor.verify",
            f"--args={json.dumps({'services': [{**ONE, 'api': 'other', 'api_path': '/'}]})}",
        ]  # fmt: skip
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
        assert "THOR-LISTENS-OPEN" in done.stdout, done.stdout + done.stderr
    finally:
        device.run(f"rm -r {folder} && systemctl daemon-reload")
    # Removed and reloaded: until the next run, the running process is still the one that it caused.
    assert device.run("ss -Hltn sport = :18101").split()[3] == "0.0.0.0:18101"
    served(ONE, TWO)
    assert device.run("ss -Hltn sport = :18101").split()[3] == "127.0.0.1:18101"


def test_wrong_modes_and_owners_are_corrected_without_a_restart(device: Device) -> None:
    served(ONE, TWO)
    engine = device.engine("fault-one")
    device.run(
        f"chmod 666 {UNITS}/thor-fault-one.service && chown daemon /opt/thor/supervisor/__main__.py {CONFIGS}/fault-one.json"
    )
    SERVED[:] = []
    served(ONE, TWO)
    paths = f"{UNITS}/thor-fault-one.service /opt/thor/supervisor/__main__.py {CONFIGS}/fault-one.json"
    assert device.run(f"stat -c '%a %U' {paths}").splitlines() == ["644 root"] * 3
    assert device.engine("fault-one") == engine
    status, output = play(ONE, TWO)
    assert status == 0 and "changed=0 " in output, output


def test_damaged_records_and_litter_stop_nothing(device: Device) -> None:
    served(ONE, TWO)
    device.run(
        "echo '{' > /var/lib/thor/before.json; rm -f /var/lib/thor/images.json; mkdir /var/lib/thor/images.json; "
        f"printf '[\\374]' > /var/lib/thor/switch.json; touch {CONFIGS}/.fault-one.json.x1y2z3"
    )
    SERVED[:] = []
    try:
        status, output = play(ONE, stand_in("fault-two", 18103))
    finally:
        device.run("rm -rf /var/lib/thor/images.json")
    assert status == 0, output
    told = " ".join(output.split())
    for name in ("before.json", "images.json", "switch.json"):
        assert f"/var/lib/thor/{name} is damaged and counts as absent" in told, output
    assert device.answers(18103)
    assert device.run(f"find {CONFIGS} -mindepth 1 -maxdepth 1 -name '.*'") == ""
    json.loads(device.run("cat /var/lib/thor/before.json"))


def test_a_full_or_read_only_folder_for_jobs_is_an_error_with_a_code(device: Device) -> None:
    served(ONE, TWO)
    for option in ("size=16k", "ro"):
        device.run(f"mount -t tmpfs -o {option} tmpfs /var/lib/thor/jobs")
        try:
            output = refused(ONE, stand_in("fault-two", 18103))
        finally:
            device.run("umount /var/lib/thor/jobs")
        assert "THOR-JOB-DISK" in output
        assert "Traceback" not in output
    assert device.answers(18102)
