# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Folders, files and the account of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import install_record, safe_removal
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.folders import Account, Folders
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host
from host_tree import HostTree, named


def host_of(tree: HostTree, code: int = 0) -> Host:
    return Host(tree.root, install_record.EMPTY, lambda *_command: (code, "userdel: user thor is currently used"))


def remove(step: Folders) -> list[Kept]:
    return list(step.remove([one for one in step.find() if isinstance(one, Removable)]))


def test_our_folders_and_files_go_and_others_stay(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    ours = [
        "/etc/thor/services/chat.json",
        "/opt/thor/engines/x",
        "/var/lib/thor/jobs/a/log",
        "/var/log/thor/gateway/access.log",
    ]
    ours += ["/etc/tmpfiles.d/thor.conf", "/etc/logrotate.d/thor-gateway", "/etc/sysctl.d/90-jetson-thor.conf"]
    ours += ["/var/lib/prometheus/node-exporter/thor.prom"]
    others = [
        "/var/lib/prometheus/node-exporter/apt.prom",
        "/etc/thorium/x",
        "/opt/thorlabs/x",
        "/etc/logrotate.d/nginx",
        "/home/keep",
    ]
    for name in (*ours, *others):
        tree.write(name)
    tree.path("/opt/thor/link").symlink_to(tree.path("/home"))
    assert remove(Folders(host_of(tree))) == []
    assert not any(tree.path(name).exists() for name in ours) and all(tree.path(name).exists() for name in others)
    assert list(Folders(host_of(tree)).find()) == []


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    victim = tree.write("/mnt/disk/data")
    tree.path("/opt").mkdir()
    tree.path("/opt/thor").symlink_to(victim.parent)
    assert named(Folders(host_of(tree)).find()) == {
        "/opt/thor": f"it is a link to {victim.parent}: what is in there stays"
    }
    remove(Folders(host_of(tree)))
    assert victim.exists() and tree.path("/opt/thor").is_symlink()


def test_what_is_mounted_in_a_folder_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = HostTree(tmp_path)
    kept, gone = tree.write("/var/lib/thor/ccache/0/x"), tree.write("/var/lib/thor/jobs/x")
    monkeypatch.setattr(safe_removal, "mounts", lambda: [str(kept.parents[1])])
    remove(Folders(host_of(tree)))
    assert kept.exists() and not gone.exists()
    assert all(isinstance(one, Kept) for one in Folders(host_of(tree)).find())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("thor:x:995:995:jetson.thor inference services:/nonexistent:/usr/sbin/nologin", {"thor": "account"}),
        (
            "thor:x:1000:1000:Thor Odinson,,,:/home/thor:/bin/bash",
            {"thor": "it is called 'Thor Odinson,,,', so it was not made by us"},
        ),
        ("thorsten:x:1000:1000::/home/t:/bin/bash", {}),
    ],
)
def test_the_account_is_known_by_its_comment(tmp_path: Path, line: str, found: dict[str, str]) -> None:
    tree = HostTree(tmp_path)
    tree.write("/etc/passwd", f"root:x:0:0:root:/root:/bin/bash\n{line}\n")
    assert named(Account(host_of(tree)).find()) == found


def test_a_group_without_its_account_is_left(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.write("/etc/group", "thor:x:995:\n")
    (kept,) = Account(host_of(tree)).find()
    assert kept.kind == "group"


def test_an_account_in_use_is_said(tmp_path: Path) -> None:
    (kept,) = Account(host_of(HostTree(tmp_path), code=8)).remove([Removable("account", "thor", (), 0, "")])
    assert kept.why == "userdel said: userdel: user thor is currently used"


def test_an_interrupted_removal_leaves_nothing_under_its_name_and_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = HostTree(tmp_path)
    tree.write("/var/lib/thor/src/llama.cpp/0c1e570/CMakeLists.txt")

    def killed(path: Path, **_options: object) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(Folders(host_of(tree)))
    assert not tree.path("/var/lib/thor").exists()
    assert list(named(Folders(host_of(tree)).find())) == ["/var/lib/.thor.removed"]
    assert remove(Folders(host_of(tree))) == [] and not list(tree.path("/var/lib").iterdir())
