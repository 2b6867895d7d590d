# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A new revision of a model is exchanged in the switch: at every step, model and units match, and a rollback finds the old one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import files, model_trees
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees
from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import Difference, Wanted, compare
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    MARKER,
    Disk,
    ModelTree,
    ServiceFiles,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.observation import observe
from ansible_collections.jetson.thor.plugins.module_utils.services.switch import carry_out, take_back
from ansible_collections.jetson.thor.plugins.module_utils.services.transaction import RECORD, RECOVERY, RECOVERY_LINK
from model_trees_helper import content, prepared, served
from switch_helper import Silent, Systemd

MODEL = "/models/org/name"
SIBLING = "/models/org/name-small"  # the beginning of its path is the other one's
UNITS = ("chat", "judge", "small")


class Dead(BaseException):
    """The process, or the whole host, is no more."""


class Loading(Systemd):
    """A systemd whose services keep the model that they found at their start."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.has_loaded: dict[str, str | None] = {}

    def start(self, unit: str, restart: bool, tell: Callable[[str], None], behind: str | None = None) -> bool:
        fresh = restart or unit not in self.active
        up = super().start(unit, restart, tell, behind)
        if fresh and unit.startswith("thor-"):
            text = self.disk.read(f"/etc/systemd/system/{unit}") or ""
            used = SIBLING if SIBLING in text else MODEL
            self.has_loaded[unit] = content(self.disk.root, used)
            if "breaks" in (self.has_loaded[unit] or ""):
                self.active.pop(unit, None)
                return False
        return up


def service(name: str, port: int, model: str, text: str = "") -> ServiceFiles:
    config = {"port": port, "memory_gib": 1}
    return ServiceFiles(name, f"{MARKER} {name}\n--port {port} {model}\n{text}\n", json.dumps(config))


OLD = [service("chat", 8000, MODEL, "old"), service("judge", 8001, MODEL), service("small", 8002, SIBLING)]
# Of the two that share the model, one gets another definition, too.
NEW = [service("chat", 8000, MODEL, "new"), *OLD[1:]]


@dataclass
class Host:
    """A disk with two models, and a systemd."""

    disk: Disk
    systemd: Loading

    @property
    def root(self) -> Path:
        return self.disk.root

    def wanted(self, services: list[ServiceFiles], identity: str | None) -> Wanted:
        models = [ModelTree(MODEL, identity)] if identity else []
        return Wanted([], ["thor.target"], services, [], models)

    def difference(self, services: list[ServiceFiles], identity: str | None) -> Difference:
        wanted = self.wanted(services, identity)
        return compare(wanted, observe(self.disk, self.systemd, wanted))

    def switch(self, services: list[ServiceFiles], identity: str | None = None) -> dict[str, Any]:
        return carry_out(self.wanted(services, identity), False, self.disk, self.systemd, Silent())

    def restore(self) -> dict[str, Any]:
        before = [ServiceFiles(**one) for one in previous.services(self.disk)]
        wanted = Wanted([], ["thor.target"], before, [], previous.trees(self.disk), prune=False)
        return carry_out(wanted, True, self.disk, self.systemd, Silent())

    def boot(self) -> None:
        """What systemd does: the recovery, where its unit is there, and then what is enabled."""
        self.systemd = Loading(self.disk)
        if self.disk.path(RECOVERY_LINK).is_symlink():
            assert self.disk.path(f"/etc/systemd/system/{RECOVERY}").is_file()
            take_back(self.disk, self.systemd, lambda _line: None)
        for unit in sorted(self.systemd.enabled):
            self.systemd.start(unit, False, lambda _status: None)

    def consistent(self, where: str) -> str:
        """Unit and model are of one side, everything serves it, and nothing is left to take back. Returns the side."""
        side = content(self.root, MODEL)
        assert side in {"old", "new"}, where
        assert f"\n{side}\n" in (self.disk.definition("chat").unit or ""), where
        assert set(self.systemd.active) >= {f"thor-{name}.service" for name in UNITS}, where
        assert self.systemd.has_loaded["thor-chat.service"] == side, where
        assert self.systemd.has_loaded["thor-judge.service"] == side, where
        assert not self.disk.path(RECORD).exists(), where
        assert not self.disk.path(RECOVERY_LINK).is_symlink(), where
        return side


@pytest.fixture(name="base", params=["disk", "tmpfs", "no-exchange"])
def _base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the normal disk, one in memory, and one whose file system cannot exchange two names, which is simulated."""
    base = tmp_path if request.param == "disk" else Path(tempfile.mkdtemp(dir="/dev/shm"))
    if request.param == "no-exchange":
        monkeypatch.setattr(model_trees, "exchange", lambda _one, _other: False)
    yield base
    shutil.rmtree(base)


@pytest.fixture(name="hosts")
def _hosts(base: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Host, str]]:
    """Makes hosts that serve OLD, with a new revision beside the model. Returns the host, and the identity of the revision."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)

    def make() -> tuple[Host, str]:
        shutil.rmtree(base / "host", ignore_errors=True)
        disk = Disk(base / "host")
        host = Host(disk, Loading(disk))
        served(disk.root, MODEL, "old")
        served(disk.root, SIBLING, "small")
        host.switch(OLD)
        return host, prepared(disk.root, MODEL, "new")

    return make


def dies(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Have the step of this number be the last; nothing at all happens after it. Returns the steps as they come."""
    seen: list[str] = []

    def wrapped(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def step(*arguments: Any, **named: Any) -> Any:
            seen.append(name)
            if len(seen) >= at:
                raise Dead
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, step)

    for name in ("rename", "replace", "unlink", "rmdir", "symlink_to"):
        wrapped(Path, name)
    for name in ("reload", "enable", "disable", "stop", "start"):
        wrapped(Loading, name)
    wrapped(model_trees, "exchange")
    wrapped(shutil, "rmtree")
    wrapped(os, "link")
    wrapped(files, "fill")
    return seen


def each_step(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], tuple[Host, str]], act: Callable[[Host, str], Any]
) -> Iterator[tuple[Host, str, str]]:
    """A host for each step at which this act has ended, the revision, and the step."""
    for at in range(1, 1000):
        host, new = hosts()
        with monkeypatch.context() as patch:
            seen = dies(patch, at)
            with contextlib.suppress(Dead):
                act(host, new)
        if len(seen) < at:
            assert at > 25, "a switch has many steps"
            return
        yield host, new, f"step {at}: {seen[at - 1]}"


def test_the_new_revision_is_served_by_all_who_use_it_and_nobody_else_restarts(
    hosts: Callable[[], tuple[Host, str]],
) -> None:
    host, new = hosts()
    small = host.systemd.invocations["thor-small.service"]
    found = host.difference(OLD, new)
    assert (found.switched, [tree.path for tree in found.models]) == (["chat", "judge"], [MODEL])
    result = host.switch(NEW, new)
    assert (result["changed"], result["models"], result["switched"]) == (True, [MODEL], ["chat", "judge"])
    assert host.consistent("switched") == "new"
    assert host.systemd.invocations["thor-small.service"] == small
    assert not host.difference(NEW, new)
    assert not host.difference(NEW, None), "the old one is what a rollback would bring back"


def test_what_served_keeps_its_files_until_the_exchange(hosts: Callable[[], tuple[Host, str]]) -> None:
    host, new = hosts()
    assert content(host.root, MODEL) == "old"
    with (host.root / MODEL.lstrip("/") / "model.bin").open() as opened:
        host.switch(NEW, new)
        assert opened.read() == "old"


def test_after_a_power_cut_at_any_step_model_and_units_match(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], tuple[Host, str]]
) -> None:
    sides = []
    for host, new, where in each_step(monkeypatch, hosts, lambda host, new: host.switch(NEW, new)):
        host.boot()
        sides.append(host.consistent(where))
        host.switch(NEW, new)
        assert host.consistent(where) == "new", where
        assert not host.difference(NEW, new), where
        host.restore()
        assert host.consistent(f"{where}, restored") == "old"
    assert sides[0] == "old"
    assert sides[-1] == "new"


def test_when_the_job_is_killed_at_any_step_everything_serves_again(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], tuple[Host, str]]
) -> None:
    for host, _new, where in each_step(monkeypatch, hosts, lambda host, new: host.switch(NEW, new)):
        take_back(host.disk, host.systemd, lambda _line: None)
        host.consistent(where)


def test_after_a_power_cut_at_any_step_of_a_rollback_model_and_units_match(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], tuple[Host, str]]
) -> None:
    def switched() -> tuple[Host, str]:
        host, new = hosts()
        host.switch(NEW, new)
        return host, new

    for host, _new, where in each_step(monkeypatch, switched, lambda host, _new: host.restore()):
        host.boot()
        host.consistent(where)
        host.restore()
        assert host.consistent(where) == "old", where


def test_a_revision_that_does_not_start_goes_back_and_waits_for_the_next_attempt(
    hosts: Callable[[], tuple[Host, str]],
) -> None:
    host, new = hosts()
    bad = prepared(host.root, MODEL, "breaks")
    with pytest.raises(JobFailed, match=r"thor-chat\.service serves again as it did before"):
        host.switch(NEW, bad)
    assert host.consistent("failed") == "old"
    assert set(Trees(host.root).waiting(MODEL)) == {new, bad}, "it need not be fetched again"
    assert host.difference(OLD, None).pruned == [MODEL], "unless nobody wants it any more"
    host.switch(OLD)
    assert Trees(host.root).waiting(MODEL) == {}
    assert Trees(host.root).paths() == []
    assert not (host.root / "models/.thor/beside").exists()


def test_a_rollback_keeps_the_new_revision_and_the_next_run_takes_it_again(
    hosts: Callable[[], tuple[Host, str]],
) -> None:
    host, new = hosts()
    host.switch(NEW, new)
    assert host.restore()["models"] == [MODEL]
    assert host.consistent("restored") == "old"
    assert new in Trees(host.root).waiting(MODEL)
    host.switch(NEW, new)
    assert host.consistent("again") == "new"


def test_only_one_old_revision_is_kept(hosts: Callable[[], tuple[Host, str]]) -> None:
    host, new = hosts()
    old = Trees(host.root).current(MODEL)
    host.switch(NEW, new)
    assert set(Trees(host.root).waiting(MODEL)) == {old}
    # Another switch, which has nothing to do with the model: a rollback would no longer bring back the old revision.
    host.switch([*NEW[:2], service("small", 8002, SIBLING, "changed")])
    assert Trees(host.root).waiting(MODEL) == {}
    host.restore()
    assert host.consistent("restored") == "new"


def test_a_failed_attempt_does_not_forget_what_a_rollback_brings_back(hosts: Callable[[], tuple[Host, str]]) -> None:
    """The first group is proven, the second fails; the next attempt exchanges the same model again."""
    host, new = hosts()
    broken = [*NEW[:2], ServiceFiles("small", f"{MARKER} small\n--port 8002 {SIBLING}\nbad\n", OLD[2].config)]
    with pytest.raises(JobFailed):
        host.switch(broken, new)
    assert host.consistent("half") == "new"
    newer = prepared(host.root, MODEL, "new ")
    host.switch([NEW[0], *OLD[1:]], newer)
    host.restore()
    assert host.consistent("restored") == "old"


def test_what_somebody_puts_into_the_directory_meanwhile_stays(hosts: Callable[[], tuple[Host, str]]) -> None:
    host, new = hosts()
    own = host.root / MODEL.lstrip("/") / "notes" / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    host.switch(NEW, new)
    assert own.read_text() == "mine"


def test_a_service_that_leaves_the_model_goes_with_the_exchange(hosts: Callable[[], tuple[Host, str]]) -> None:
    """The one that comes does not answer: the one that used the model before must not be left with its new revision."""
    host, new = hosts()
    moved = [service("chat", 8000, SIBLING, "old"), OLD[1], OLD[2]]
    bad = ServiceFiles("judge", f"{MARKER} judge\n--port 8001 {MODEL}\nbad\n", OLD[1].config)
    with pytest.raises(JobFailed):
        host.switch([moved[0], bad, moved[2]], new)
    assert host.consistent("failed") == "old"


def test_a_tree_that_is_gone_ends_the_switch_and_nothing_is_touched_for_good(
    hosts: Callable[[], tuple[Host, str]],
) -> None:
    host, _new = hosts()
    with pytest.raises(JobFailed, match="no tree ffffffffffffffff waits for it"):
        host.switch(NEW, "f" * 64)
    assert host.consistent("failed") == "old"


def test_a_directory_that_leads_to_another_file_system_has_its_trees_there(base: Path) -> None:
    other = Path(tempfile.mkdtemp(dir="/dev/shm" if not str(base).startswith("/dev/shm") else "/tmp"))
    try:
        served(other, "/real", "old")
        (base / "models/org").mkdir(parents=True)
        (base / "models/org/name").symlink_to(other / "real")
        trees = Trees(base)
        shutil.rmtree(base / "staged", ignore_errors=True)
        new = served(other, "/staged", "new")
        trees.put(other / "staged", MODEL)
        trees.bring(MODEL, new)
        assert content(base, MODEL) == "new"
        assert (other / "real/model.bin").read_text() == "new"
        assert trees.folder(MODEL).is_relative_to(other)
    finally:
        shutil.rmtree(other)
