# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Units of ours are stopped and removed; others are not touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import install_record
from ansible_collections.jetson.thor.plugins.module_utils.removable import Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host
from ansible_collections.jetson.thor.plugins.module_utils.removal.units import Units
from host_tree import HostTree, named

UNITS = "/etc/systemd/system"


class Orders:
    """Keeps what would be run."""

    def __init__(self) -> None:
        self.given: list[tuple[str, ...]] = []

    def __call__(self, *command: str) -> tuple[int, str]:
        self.given.append(command)
        return 0, ""


@pytest.fixture
def tree(tmp_path: Path) -> HostTree:
    """Units of ours of every kind, and somebody else's beside them."""
    host = HostTree(tmp_path)
    for name in (
        "thor-chat.service",
        "thor-chat.socket",
        "thor-chat-proxy.service",
        "thor.target",
        "thor-metrics.timer",
    ):
        host.write(f"{UNITS}/{name}", "[Unit]\nDescription=jetson.thor: x\n")
    host.write(f"{UNITS}/jetson-thor-clocks.service", "# The clocks of a device, kept by jetson.thor\n")
    host.write(f"{UNITS}/thor-drop-caches@.service", "Description=jetson.thor: x")
    host.write(f"{UNITS}/docker.service.d/jetson-thor.conf", "[Service]")
    host.write(f"{UNITS}/thor-mine.service", "[Service]\nExecStart=/srv/thor")
    host.write(f"{UNITS}/thor-chat.service.d/limits.conf", "[Service]\nNice=5")
    host.write(f"{UNITS}/ssh.service", "jetson.thor")
    links = [("multi-user.target", "thor.target"), ("thor.target", "thor-chat.service")]
    for folder, name in (*links, ("timers.target", "thor-mine.service")):
        link = host.path(f"{UNITS}/{folder}.wants/{name}")
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"{UNITS}/{name}")
    return host


def remove(tree: HostTree) -> Orders:
    orders = Orders()
    step = Units(Host(tree.root, install_record.EMPTY, orders))
    list(step.remove([one for one in step.find() if isinstance(one, Removable)]))
    return orders


def test_our_units_go_and_others_stay(tree: HostTree) -> None:
    remove(tree)
    left = sorted(str(path.relative_to(tree.path(UNITS))) for path in tree.path(UNITS).rglob("*") if not path.is_dir())
    assert left == [
        "ssh.service",
        "thor-chat.service.d/limits.conf",
        "thor-mine.service",
        "timers.target.wants/thor-mine.service",
    ]
    assert not tree.path(f"{UNITS}/docker.service.d").exists()
    assert not remove(tree).given


def test_what_starts_others_is_stopped_first(tree: HostTree) -> None:
    stops = [set(order[2:]) for order in remove(tree).given if order[:2] == ("systemctl", "stop")]
    assert stops == [
        {"thor-chat.socket", "thor.target", "thor-metrics.timer"},
        {"thor-chat.service", "thor-chat-proxy.service", "jetson-thor-clocks.service"},
        {"thor-drop-caches@*.service"},
    ]


def test_what_stays_is_said(tree: HostTree) -> None:
    found = named(Units(Host(tree.root, install_record.EMPTY, Orders())).find())
    assert found[f"{UNITS}/thor-mine.service"] == "it has a name like ours, and we have not written it"
    assert found[f"{UNITS}/thor-chat.service.d/limits.conf"].startswith("somebody else's drop-in")


def test_a_link_that_an_interrupted_removal_left_goes(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    link = host.path(f"{UNITS}/multi-user.target.wants/thor-gateway.service")
    link.parent.mkdir(parents=True)
    link.symlink_to(f"{UNITS}/thor-gateway.service")
    remove(host)
    assert not link.is_symlink()


def test_a_unit_that_is_a_link_is_not_ours(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    target = host.write("/srv/thor-x.service", "Description=jetson.thor: mine")
    host.path(UNITS).mkdir(parents=True)
    host.path(f"{UNITS}/thor-x.service").symlink_to(target)
    remove(host)
    assert target.exists() and host.path(f"{UNITS}/thor-x.service").is_symlink()


@pytest.mark.parametrize("ours", [True, False])
def test_an_exporter_does_not_open_when_it_loses_its_drop_in(tmp_path: Path, ours: bool) -> None:
    host = HostTree(tmp_path)
    unit = "prometheus-node-exporter.service"
    drop_in = host.write(f"{UNITS}/{unit}.d/jetson-thor.conf")
    given: list[tuple[str, bool]] = []

    def run(*command: str) -> tuple[int, str]:
        if unit in command:
            given.append((command[1], drop_in.exists()))
        return 0, ""

    packages = ["prometheus-node-exporter"] if ours else []
    step = Units(Host(tmp_path, {**install_record.EMPTY, "packages": packages}, run))
    kept = list(step.remove([one for one in step.find() if isinstance(one, Removable)]))
    # One of ours is closed while it has the drop-in; somebody else's gets back what it had.
    assert given == ([("disable", True)] if ours else [("try-restart", False)])
    assert [one.name for one in kept] == ([unit] if ours else [])
