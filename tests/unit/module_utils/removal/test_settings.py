# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings are put back where their earlier state is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import install_record, systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import power
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.settings import DEFAULT_TARGET, Settings
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host
from host_tree import HostTree, named


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostTree:
    """A host without nvpmodel whose units are all disabled."""
    monkeypatch.setattr(
        systemd, "observe", lambda units, _property: {one: {"UnitFileState": "disabled"} for one in units}
    )
    monkeypatch.setattr(power, "find", lambda _name: None)
    return HostTree(tmp_path)


def step(tree: HostTree, orders: list[tuple[str, ...]], code: int = 0, **record: Any) -> Settings:
    def run(*command: str) -> tuple[int, str]:
        orders.append(command)
        return code, "no"

    return Settings(Host(tree.root, {**install_record.EMPTY, **record}, run))


def remove(settings: Settings) -> list[Kept]:
    return list(settings.remove([one for one in settings.find() if isinstance(one, Removable)]))


def test_units_get_their_earlier_state(tree: HostTree) -> None:
    orders: list[tuple[str, ...]] = []
    units = {"nvzramconfig.service": "enabled", "docker.service": "disabled", "odd.service": "static"}
    assert remove(step(tree, orders, units=units)) == []
    assert orders == [("systemctl", "enable", "--quiet", "nvzramconfig.service")]


@pytest.mark.parametrize("before", ["/lib/systemd/system/graphical.target", ""])
def test_the_host_boots_as_before(tree: HostTree, before: str) -> None:
    link = tree.path(DEFAULT_TARGET)
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/lib/systemd/system/multi-user.target")
    remove(step(tree, [], default_target=before))
    assert (str(link.readlink()) if link.is_symlink() else "") == before
    assert named(step(tree, [], default_target=before).find()) == {}


def test_a_target_that_somebody_chose_since_stays(tree: HostTree) -> None:
    link = tree.path(DEFAULT_TARGET)
    link.parent.mkdir(parents=True)
    link.symlink_to("/etc/systemd/system/kiosk.target")
    assert named(step(tree, [], default_target="/lib/systemd/system/graphical.target").find()) == {}


def test_the_kernel_gets_its_values_back_while_our_file_is_there(tree: HostTree) -> None:
    orders: list[tuple[str, ...]] = []
    tree.write("/proc/sys/vm/swappiness", "10\n")
    assert named(step(tree, orders, sysctl={"vm.swappiness": "60"}).find()) == {}
    tree.write(power.SYSCTL_FILE)
    remove(step(tree, orders, sysctl={"vm.swappiness": "60", "vm.gone": "1"}))
    assert orders == [("sysctl", "--quiet", "--write", "vm.swappiness=60")]


def test_a_refusal_is_said(tree: HostTree) -> None:
    (kept,) = remove(step(tree, [], code=1, units={"a.service": "enabled"}))
    assert (kept.name, kept.why) == ("a.service enabled", "systemctl enable --quiet a.service said: no")


def test_the_power_mode_comes_back(tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    current = {"name": "MAXN", "id": 0}
    monkeypatch.setattr(power, "find", lambda _name: "/usr/sbin/nvpmodel")
    monkeypatch.setattr(power, "read_current", lambda _program: dict(current))
    monkeypatch.setattr(power, "read_modes", lambda _program: {"MAXN": 0, "120W": 1})

    def ask(_program: str, *arguments: str, seconds: float) -> tuple[int, str]:
        assert arguments == ("-m", "1") and seconds
        current.update(name="120W", id=1)
        return 0, ""

    monkeypatch.setattr(power, "ask", ask)
    assert named(step(tree, [], power_mode="120W").find()) == {"power-mode 120W": "setting"}
    assert remove(step(tree, [], power_mode="120W")) == [] and current["name"] == "120W"
    assert named(step(tree, [], power_mode="120W").find()) == {}
    (kept,) = Settings(Host(tree.root, install_record.EMPTY)).remove(
        [Removable("setting", "power-mode OLD", (), 0, "")]
    )
    assert kept.why == "the device does not have this mode any more"
