# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that nothing needs: fetched ones go, a person's never do."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import model_trees_helper
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST, read_manifest
from ansible_collections.jetson.thor.plugins.module_utils.prune import models
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Removable
from host_tree import SERVICE, HostTree, named

NEEDED = str(SERVICE["model"]["path"])


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    """A host with a model that the inventory names, and one that nothing names."""
    tree = HostTree(tmp_path)
    tree.model(NEEDED, "Qwen3-8B-Q5_K_M.gguf")
    tree.model("/models/Qwen/Qwen3-8B", "config.json", "sub/model.safetensors")
    return tree


def remove(needs: Needs) -> list[str]:
    left = []
    for one in list(models.find(needs)):
        if isinstance(one, Removable):
            left += models.remove(needs, one) if one.kind == "model" else []
            if one.kind == "download":
                models.remove_staged(needs, one)
            if one.kind == "revision":
                models.remove_beside(needs, one)
    return left


def test_a_model_goes_when_nothing_names_it(host: HostTree) -> None:
    needs = host.needs(SERVICE)
    assert named(models.find(needs)) == {"Qwen/Qwen3-8B": "model"}
    assert remove(needs) == []
    assert not host.path("/models/Qwen/Qwen3-8B").exists()
    assert host.path(f"{NEEDED}/Qwen3-8B-Q5_K_M.gguf").exists()
    assert named(models.find(needs)) == {}


@pytest.mark.parametrize(
    "place",
    [
        "/etc/systemd/system/thor-old.service",
        "/etc/thor/services/old.json",
        "/var/lib/thor/before.json",
        "/var/lib/thor/switch.json",
    ],
)
def test_a_model_that_the_host_names_stays(host: HostTree, place: str) -> None:
    host.write(place, "--model /models/Qwen/Qwen3-8B --port 8000")
    assert named(models.find(host.needs(SERVICE))) == {}


def test_a_longer_name_does_not_keep_a_model(host: HostTree) -> None:
    host.write("/etc/systemd/system/thor-old.service", "--model /models/Qwen/Qwen3-8B-FP4")
    assert named(models.find(host.needs(SERVICE))) == {"Qwen/Qwen3-8B": "model"}


def test_a_pinned_model_stays(host: HostTree) -> None:
    assert named(models.find(host.needs(SERVICE, pins=("Qwen/*",)))) == {}
    assert named(models.find(host.needs(SERVICE, pins=("/models/Qwen/Qwen3-8B",)))) == {}


def test_what_a_person_put_there_stays(host: HostTree) -> None:
    own = host.write("/models/Qwen/Qwen3-8B/my-adapter/adapter.safetensors")
    foreign = host.write("/models/mine/model.gguf")
    assert remove(host.needs(SERVICE)) == ["/models/Qwen/Qwen3-8B/my-adapter"]
    assert own.exists() and foreign.exists()
    assert {path.name for path in host.path("/models/Qwen/Qwen3-8B").iterdir()} == {"my-adapter"}


def test_a_model_that_somebody_changed_stays(host: HostTree) -> None:
    host.write("/models/Qwen/Qwen3-8B/config.json", "edited by hand")
    assert named(models.find(host.needs(SERVICE))) == {"/models/Qwen/Qwen3-8B": "somebody has changed config.json"}
    remove(host.needs(SERVICE))
    assert host.path("/models/Qwen/Qwen3-8B/sub/model.safetensors").exists()


def test_files_of_plain_urls_go_one_by_one(host: HostTree) -> None:
    host.model("/models/templates", "used.jinja", "old.jinja", source="url")
    service = {**SERVICE, "files": [{"path": "/models/templates", "file": "used.jinja"}]}
    needs = host.needs(service, pins=("Qwen/*",))
    assert named(models.find(needs)) == {"templates/old.jinja": "model"}
    remove(needs)
    folder = host.path("/models/templates")
    assert {path.name for path in folder.iterdir()} == {"used.jinja", MANIFEST}
    manifest = read_manifest(folder)
    assert manifest is not None and list(manifest["files"]) == ["used.jinja"]
    remove(host.needs(SERVICE))
    assert not folder.exists()


# --- Links ---


def test_no_link_is_followed(host: HostTree, tmp_path: Path) -> None:
    outside = HostTree(tmp_path / "home")
    outside.model("/stolen", "keys.txt")
    host.path("/models/linked").symlink_to(outside.path("/stolen"))
    host.path("/models/Qwen/linked").symlink_to(outside.path("/stolen"))
    # A folder that was replaced by a link: the manifest says that the file is there and as it was fetched.
    host.path("/models/Qwen/Qwen3-8B/sub/model.safetensors").rename(outside.path("/stolen/model.safetensors"))
    host.path("/models/Qwen/Qwen3-8B/sub").rmdir()
    host.path("/models/Qwen/Qwen3-8B/sub").symlink_to(outside.path("/stolen"))
    needs = host.needs(SERVICE)
    assert named(models.find(needs)) == {"Qwen/Qwen3-8B": "model"}
    with pytest.raises(OSError, match=r"sub"):
        remove(needs)
    assert outside.path("/stolen/keys.txt").exists() and outside.path("/stolen/model.safetensors").exists()


@pytest.mark.parametrize("name", ["../../../home/keys.txt", "/home/keys.txt"])
def test_a_manifest_that_names_a_file_elsewhere_reaches_nothing(host: HostTree, name: str) -> None:
    victim = host.write("/home/keys.txt", "secret")
    status = victim.stat()
    manifest = host.path(f"/models/Qwen/Qwen3-8B/{MANIFEST}")
    content = json.loads(manifest.read_text())
    escape = str(victim) if name.startswith("/") else name
    content["files"] = {escape: {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": "0" * 64}}
    manifest.write_text(json.dumps(content))
    with pytest.raises(OSError, match=r"not a name within"):
        remove(host.needs(SERVICE))
    assert victim.exists()


def test_models_may_be_a_link_themselves(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    disk = HostTree(tmp_path / "mnt")
    disk.model("/thor/Qwen/Qwen3-8B")
    host.path("/models").symlink_to(disk.path("/thor"))
    needs = host.needs(SERVICE)
    assert named(models.find(needs)) == {"Qwen/Qwen3-8B": "model"}
    remove(needs)
    assert list(disk.path("/thor").iterdir()) == []


# --- Interrupted downloads, and trees beside ---


def test_interrupted_downloads_go_unless_a_service_waits_or_they_are_under_way(host: HostTree) -> None:
    needs = host.needs(SERVICE, pins=("Qwen/*",))
    waited = models.staged_name(os.path.realpath(host.path(NEEDED)))
    busy = "busy-01234567"
    for name in (waited, "gone-01234567", busy):
        host.write(f"/models/.thor/staging/{name}/tree/model.gguf.incomplete")
    lock = host.write(f"/models/.thor/staging/{busy}.lock")
    with lock.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        found = named(models.find(needs))
        assert found == {"gone-01234567": "download", f"/models/.thor/staging/{busy}": "it is under way"}
        remove(needs)
    assert {path.name for path in host.path("/models/.thor/staging").iterdir()} == {waited, busy, f"{busy}.lock"}


def test_trees_beside_stay_for_a_switch_and_for_a_rollback(host: HostTree) -> None:
    current = model_trees_helper.served(host.root, "/models/a/b", "now")
    before = model_trees_helper.prepared(host.root, "/models/a/b", "before")
    pending = Trees(host.root).put(
        model_trees_helper.make(host.path("/models/.thor/new"), {"x": "next"}, supersedes=current), "/models/a/b"
    )
    lost = model_trees_helper.prepared(host.root, "/models/a/b", "lost")
    host.write(
        "/var/lib/thor/before.json", json.dumps({"schema": 1, "services": [], "models": {"/models/a/b": before}})
    )
    service = {**SERVICE, "model": {"path": "/models/a/b", "file": None}}
    needs = host.needs(service, pins=("Qwen/*",))
    found = [one for one in models.find(needs) if isinstance(one, Removable)]
    assert [one.paths for one in found] == [("/models/a/b", lost)]
    remove(needs)
    assert set(Trees(host.root).waiting("/models/a/b")) == {before, pending}
