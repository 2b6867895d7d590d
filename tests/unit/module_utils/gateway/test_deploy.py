# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of how the gateway's files reach a device: all at once, tested before, and back again if it does not serve."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import Any

import gateway_systemd
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.gateway.deploy import Deployment, Item, Nginx
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed

CONF, KEYS = "/etc/thor/gateway/nginx.conf", "/etc/thor/gateway/lua/clients.lua"
UNIT, LOGROTATE = "/etc/systemd/system/thor-gateway.service", "/etc/logrotate.d/thor-gateway"


def wanted(conf: str = "one", keys: str = "secret", unit: str = "unit") -> list[Item]:
    return [
        Item(CONF, f"{conf} include {KEYS};", "0644"),
        Item(KEYS, keys, "0600"),
        Item(UNIT, unit, "0644"),
        Item(LOGROTATE, "weekly", "0644"),
    ]


def tree(root: Path) -> dict[str, str]:
    """All regular files with their contents, as they are seen through links."""
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in root.rglob("*")
        if path.is_file() and ".gateway-" not in str(path)
    } | {
        f"gateway/{path.name}": path.read_text(encoding="utf-8") for path in (root / "etc/thor/gateway").glob("*.conf")
    }


def test_it_sets_up_a_gateway_and_starts_it(tmp_path: Path) -> None:
    disk, nginx = gateway_systemd.deployment(tmp_path)
    assert disk.differing(wanted()) == wanted() and not disk.is_up() and not disk.is_there()
    disk.apply(wanted())
    assert disk.differing(wanted()) == [] and disk.is_up() and disk.is_there()
    assert nginx.orders == ["test", "daemon-reload", "enable", "restart"]
    assert stat.S_IMODE((tmp_path / KEYS.lstrip("/")).stat().st_mode) == 0o600
    assert (tmp_path / "etc/thor/gateway").is_symlink()


def test_a_change_is_a_reload_and_leaves_nothing_behind(tmp_path: Path) -> None:
    disk, nginx = gateway_systemd.deployment(tmp_path)
    disk.apply(wanted())
    nginx.orders.clear()
    assert [one.path for one in disk.differing(wanted(keys="rotated"))] == [KEYS]
    disk.apply(wanted(keys="rotated"))
    assert nginx.orders == ["test", "enable", "reload"]
    assert len(list((tmp_path / "etc/thor").iterdir())) == 2, "the link and one folder"
    assert (tmp_path / KEYS.lstrip("/")).read_text(encoding="utf-8") == "rotated"


def test_only_a_changed_unit_is_a_restart(tmp_path: Path) -> None:
    disk, nginx = gateway_systemd.deployment(tmp_path)
    disk.apply(wanted())
    nginx.orders.clear()
    disk.apply(wanted(unit="another"))
    assert nginx.orders == ["test", "daemon-reload", "enable", "restart"]


def test_a_file_that_nobody_wants_is_seen_and_goes(tmp_path: Path) -> None:
    disk, _nginx = gateway_systemd.deployment(tmp_path)
    disk.apply([*wanted(), Item("/etc/thor/gateway/lua/old.lua", "", "0644")])
    assert disk.surplus(wanted()) == ["/etc/thor/gateway/lua/old.lua"]
    disk.apply(wanted())
    assert disk.surplus(wanted()) == []


def test_nothing_is_exchanged_if_nginx_refuses_it(tmp_path: Path) -> None:
    disk, nginx = gateway_systemd.deployment(tmp_path)
    disk.apply(wanted())
    before = tree(tmp_path)
    nginx.refuses = "unknown directive"
    with pytest.raises(Failed, match=r"THOR-GATEWAY-CONFIGURATION.*unknown directive"):
        disk.apply(wanted(conf="two", unit="another"))
    assert tree(tmp_path) == before and len(list((tmp_path / "etc/thor").iterdir())) == 2
    assert nginx.orders[-1] == "test"


def test_what_served_before_comes_back_if_the_new_files_are_not_taken_over(tmp_path: Path) -> None:
    disk, nginx = gateway_systemd.deployment(tmp_path)
    disk.apply(wanted())
    before = tree(tmp_path)
    nginx.stays = True
    with pytest.raises(Failed, match=r"THOR-GATEWAY-START.*its last words.*What served before serves again"):
        disk.apply(wanted(conf="two"))
    assert tree(tmp_path) == before and disk.is_up()
    assert len(list((tmp_path / "etc/thor").iterdir())) == 2


def test_a_first_gateway_that_does_not_start_leaves_nothing(tmp_path: Path) -> None:
    disk, nginx = gateway_systemd.deployment(tmp_path)
    nginx.stays = True
    with pytest.raises(Failed, match=r"THOR-GATEWAY-START.*There was no gateway before"):
        disk.apply(wanted())
    assert tree(tmp_path) == {} and not disk.is_there() and not nginx.enabled


def test_it_is_removed_without_a_trace_but_its_logs(tmp_path: Path) -> None:
    disk, nginx = gateway_systemd.deployment(tmp_path)
    disk.apply(wanted())
    log = tmp_path / "var/log/thor/gateway/access.log"
    log.write_text("line", encoding="utf-8")
    disk.remove()
    assert tree(tmp_path) == {"var/log/thor/gateway/access.log": "line"} and not disk.is_there() and not nginx.active
    assert list((tmp_path / "etc/thor").iterdir()) == []


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_power_cut_leaves_one_set_of_files_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """Every durable step is interrupted once: what nginx would read at boot is either all old or all new."""

    class Cut(BaseException):
        pass

    disk, _nginx = gateway_systemd.deployment(tmp_path)
    disk.apply(wanted("one", "one"))
    steps, real_fill, real_place = 0, files.fill, files.place

    def count() -> None:
        nonlocal steps
        steps += 1
        if steps == cut:
            raise Cut

    def fill(*arguments: Any, **more: Any) -> None:
        count()
        real_fill(*arguments, **more)

    def place(*arguments: Any) -> None:
        count()
        real_place(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(files, "fill", fill)
        patched.setattr(files, "place", place)
        with contextlib.suppress(Cut):
            disk.apply(wanted("two", "two"))
    conf, keys = ((tmp_path / path.lstrip("/")).read_text(encoding="utf-8") for path in (CONF, KEYS))
    assert conf.split()[0] == keys
    again, _other = gateway_systemd.deployment(tmp_path)
    again.apply(wanted("two", "two"))
    assert again.differing(wanted("two", "two")) == [] and len(list((tmp_path / "etc/thor").iterdir())) == 2


def test_the_real_nginx_reads_the_new_files_where_they_are_staged(tmp_path: Path) -> None:
    class Tested(gateway_systemd.FakeNginx):
        def test(self, configuration: Path) -> str:
            assert stat.S_IMODE(configuration.parent.stat().st_mode) == 0o700, "it holds keys"
            return Nginx().test(configuration)

    disk = Deployment(Tested(tmp_path), tmp_path, settle=0.3)
    conf = "events {{}} pid /dev/null; error_log stderr; http {{ access_log off; include {}; }}"
    good = [Item(CONF, conf.format(KEYS), "0644"), Item(KEYS, "server_tokens off;", "0600")]
    disk.apply(good)
    with pytest.raises(Failed, match=r'unknown directive "nonsense" in /etc/thor/gateway/lua/clients\.lua:1'):
        disk.apply([good[0], Item(KEYS, "nonsense on;", "0600")])
    assert disk.differing(good) == []
