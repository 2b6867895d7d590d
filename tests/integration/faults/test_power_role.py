# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The role power on a real systemd, with stand-ins for the tools of a Jetson: set, kept across a boot, skipped, refused.

They need a provisioned sandbox host, as tests/support/sandbox_device.py says. What they lay there they take away again.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_device import HOST, INVENTORY, ROOT, Device, eventually

CLOCKS = "jetson-thor-clocks.service"
MODES = {"MAXN": 0, "120W": 1, "90W": 2, "70W": 3}
SYSCTL = "/etc/sysctl.d/90-jetson-thor.conf"
# Must keep running, whatever is set.
STAYS = ("nvargus-daemon", "nvgetty")
UNITS = {
    "nvpmodel": "[Service]\nType=oneshot\nExecStart=/usr/sbin/nvpmodel -f /etc/nvpmodel.conf\n[Install]\nWantedBy=multi-user.target\n",
    "nvzramconfig": "[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    "gdm3": "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nAlias=display-manager.service\n",
    **dict.fromkeys(STAYS, "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"),
}
CLOCKS_TOOL = "#!/bin/sh\ndate +%s.%N >>/var/log/jetson_clocks\nexec touch /run/clocks-locked\n"


class Jetson(Device):
    """The host with the tools of a Jetson."""

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a file."""
        command = [
            "ssh",
            "-F",
            str(ROOT / ".sandbox" / "ssh_config"),
            HOST,
            f"sudo install -D -m {mode} /dev/stdin {path}",
        ]
        subprocess.run(command, input=content, text=True, check=True)

    def equip(self) -> None:
        """Turn the host into a Jetson."""
        self.write(
            "/usr/sbin/nvpmodel",
            (ROOT / "tests/integration/faults/stand-in-nvpmodel").read_text(encoding="utf-8"),
            "0755",
        )
        self.write("/usr/bin/jetson_clocks", CLOCKS_TOOL, "0755")
        models = "".join(f"< POWER_MODEL ID={number} NAME={name} >\n" for name, number in MODES.items())
        self.write("/etc/nvpmodel.conf", models)
        for name, text in UNITS.items():
            self.write(f"/etc/systemd/system/{name}.service", text)
        self.run("systemctl daemon-reload")
        self.run(f"systemctl enable --now nvpmodel nvzramconfig gdm3 {' '.join(STAYS)}")

    def strip(self) -> None:
        """Turn it back into a plain host."""
        self.host.run(f"systemctl disable --now {' '.join(UNITS)} {CLOCKS}")
        files = " ".join(f"/etc/systemd/system/{name}.service" for name in UNITS)
        self.run(f"rm -f {files} /etc/systemd/system/{CLOCKS} /usr/sbin/nvpmodel /usr/bin/jetson_clocks")
        self.run(
            "rm -rf /etc/nvpmodel.conf /var/lib/nvpmodel /var/log/jetson_clocks /run/clocks-locked /run/nvpmodel-hangs"
        )
        self.run(f"rm -f {SYSCTL}; systemctl daemon-reload")

    @property
    def mode(self) -> str:
        """The name of the power mode."""
        return self.run("nvpmodel -q 2>/dev/null").split()[3]

    @property
    def locked(self) -> bool:
        """Whether the clocks are at their maximum."""
        return bool(self.host.run("test -e /run/clocks-locked").rc == 0)

    @property
    def runs(self) -> int:
        """How often jetson_clocks was run."""
        return len(self.run("cat /var/log/jetson_clocks").splitlines())

    def reboot(self) -> None:
        """Stop the host and start it again, like a power switch."""
        before = self.booted()
        with contextlib.suppress(RuntimeError):  # the connection ends with the host
            self.host.run("systemctl poweroff")

        def up() -> bool:
            script = [str(ROOT / "script" / "sandbox"), "up", HOST]  # starts a stopped host
            subprocess.run(script, check=False, timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return self.booted() not in ("", before)

        eventually(up, 120)

    @staticmethod
    def booted() -> str:
        """Start time of the host's init, over a separate connection; empty if it cannot be reached."""
        ssh = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), "-o", "ConnectTimeout=3", "-o", "ControlPath=none"]
        done = subprocess.run([*ssh, HOST, "cat /proc/1/stat"], check=False, capture_output=True, text=True)
        return done.stdout.split()[21] if done.returncode == 0 else ""


def play(*options: str, **variables: Any) -> tuple[int, str]:
    """Run the role; exit status and output."""
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        INVENTORY,
        "-l",
        HOST,
        "tests/integration/faults/power.yml",
        *options,
    ]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout


def changes(*options: str, **variables: Any) -> int:
    """Run the role, which must succeed; the number of tasks that changed something."""
    status, output = play(*options, **variables)
    assert status == 0, output
    found = re.search(rf"^{HOST} .*changed=(\d+) ", output, re.MULTILINE)
    assert found, output
    return int(found[1])


@pytest.fixture(name="plain", scope="module")
def _plain() -> Iterator[Jetson]:
    """The host without any Jetson tools, restored at the end."""
    device = Jetson()
    device.strip()
    target = device.run("systemctl get-default")
    yield device
    device.strip()
    device.run(f"systemctl set-default {target}")


@pytest.fixture(name="jetson")
def _jetson(plain: Jetson) -> Iterator[Jetson]:
    """The host as a Jetson that has not been set up yet."""
    plain.equip()
    plain.run("systemctl set-default graphical.target")
    yield plain
    plain.strip()


def test_a_device_without_the_tools_is_left_alone_and_the_reason_shown(plain: Jetson) -> None:
    options: dict[str, Any] = {"power_stop_display_manager": True, "power_disable_zram": True}
    status, output = play(**options, power_sysctl={"vm.swappiness": 10})
    assert status == 0, output
    assert "changed=0 " in output
    for reason in (
        "Power mode MAXN: there is no nvpmodel on this device.",
        "there is no jetson_clocks on this device.",
        "this device has no nvzramconfig.service.",
        "Stop the display manager: this device has none.",
        "Set vm.swappiness: kernel settings cannot be written here",
    ):
        assert output.count(reason) == 1, output
    assert plain.host.run(f"test -e {SYSCTL}").rc != 0


def test_the_mode_is_set_by_name_and_the_clocks_with_it(jetson: Jetson) -> None:
    assert jetson.mode == "120W"
    assert changes("--check") == 2  # the mode, and the unit of the clocks
    assert jetson.mode == "120W" and jetson.host.run(f"test -e /etc/systemd/system/{CLOCKS}").rc != 0
    status, output = play("--check", "--diff")
    assert status == 0 and "-120W" in output and "+MAXN" in output and "+ExecStart=/usr/bin/jetson_clocks" in output
    assert changes() > 0
    assert jetson.mode == "MAXN" and jetson.locked
    assert (changes(), changes("--check")) == (0, 0)
    assert jetson.runs == 1, "what is already set is not set again"
    # Another mode unlocks the clocks; they are locked again.
    assert changes(power_mode="120w") > 0
    assert jetson.mode == "120W" and jetson.locked
    assert changes(power_mode="120W") == 0


def has_run_again(jetson: Jetson, count: int) -> bool:
    """Whether jetson_clocks has run more than ``count`` times, and the clocks are locked."""
    return bool(jetson.runs > count and jetson.locked)


def test_the_clocks_are_kept_across_a_boot_and_after_another_run_of_nvpmodel(jetson: Jetson) -> None:
    changes()
    jetson.reboot()
    eventually(lambda: jetson.locked)
    assert (jetson.mode, jetson.runs) == ("MAXN", 2)
    assert changes() == 0, "observed, not run"
    # Switching targets runs nvpmodel.service again, which unlocks them.
    for command in ("systemctl restart nvpmodel.service", "systemctl isolate --no-block multi-user.target"):
        count = jetson.runs
        jetson.run(command)
        eventually(functools.partial(has_run_again, jetson, count))
    assert changes() == 0


def test_an_unknown_mode_is_refused_and_the_known_ones_listed(jetson: Jetson) -> None:
    status, output = play(power_mode="MAXN_SUPER")
    assert status != 0
    assert f"{HOST}: THOR-POWER-MODE: power_mode = " in output and "MAXN_SUPER" in output
    assert "It has MAXN, 120W, 90W, 70W." in " ".join(output.replace("'", "").split())
    assert jetson.mode == "120W"
    assert jetson.host.run(f"test -e /etc/systemd/system/{CLOCKS}").rc != 0, "nothing was changed"


def test_a_mode_that_needs_a_reboot_is_reported_and_not_waited_for(jetson: Jetson) -> None:
    changes()
    begin = time.monotonic()
    status, output = play(power_mode="70W")
    assert status == 0, output
    assert time.monotonic() - begin < 30
    assert "the power mode 70W needs a reboot of the device and was not set; it stays MAXN" in " ".join(output.split())
    assert "changed=0 " in output
    assert jetson.mode == "MAXN" and jetson.locked


def test_a_hanging_tool_is_stopped(jetson: Jetson) -> None:
    jetson.run("touch /run/nvpmodel-hangs")
    command = ["ansible", HOST, "-i", INVENTORY, "-b", "-m", "jetson.thor.power_mode", "-a", "name=MAXN timeout=3"]
    command[0] = str(Path(sys.executable).with_name("ansible"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "THOR-POWER-FAILED" in done.stdout and "did not end" in done.stdout
    # If pgrep finds none, its exit status shows that too.
    assert jetson.host.run("pgrep -cf '[n]vpmodel -m'").stdout.strip() == "0", "it is not left behind"


def test_every_other_setting_has_its_own_switch(jetson: Jetson) -> None:
    changes()
    wanted: dict[str, Any] = {}
    states = "systemctl is-enabled nvzramconfig; systemctl is-active gdm3; systemctl get-default"
    assert jetson.host.run(states).stdout.split() == ["enabled", "active", "graphical.target"]
    for variable, after in (
        ("power_headless", ["enabled", "active", "multi-user.target"]),
        ("power_stop_display_manager", ["enabled", "inactive", "multi-user.target"]),
        ("power_disable_zram", ["disabled", "inactive", "multi-user.target"]),
    ):
        wanted[variable] = True
        assert changes("--check", **wanted) == 1
        assert changes(**wanted) == 1
        assert jetson.host.run(states).stdout.split() == after
        assert changes(**wanted) == 0
    for name in ("nvpmodel", *STAYS):
        assert jetson.run(f"systemctl is-enabled {name}") == "enabled"
    for name in STAYS:
        assert jetson.run(f"systemctl is-active {name}") == "active"
    # The clocks are unlocked when they are no longer wanted.
    assert changes(power_lock_clocks=False, **wanted) == 2
    assert jetson.host.run(f"systemctl cat {CLOCKS}").rc != 0
    assert changes(power_lock_clocks=False, **wanted) == 0


def test_memory_settings_are_written_and_persist(jetson: Jetson) -> None:
    changes()
    # The kernel is shared with this machine, so a file on the host stands in for its setting.
    knob = "/proc/sys/vm/swappiness"
    jetson.run(f"echo 60 >/tmp/swappiness; mount --bind /tmp/swappiness {knob}")
    try:
        assert changes("--check", power_sysctl={"vm.swappiness": 10}) == 1
        assert changes(power_sysctl={"vm.swappiness": 10}) == 2
        assert jetson.run(f"cat {knob}") == "10"
        assert changes(power_sysctl={"vm.swappiness": 10}) == 0
        jetson.run(f"echo 60 >{knob}")
        assert changes(power_sysctl={"vm.swappiness": "10"}) == 1, "somebody has reset it"
        assert changes() == 1
        assert jetson.host.run(f"test -e {SYSCTL}").rc != 0
    finally:
        jetson.run(f"umount {knob}")
    status, output = play(power_sysctl={"kernel.panic": 1})
    assert status != 0 and "THOR-POWER-SYSCTL" in output
