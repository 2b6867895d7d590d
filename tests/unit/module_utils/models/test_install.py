# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The rename that makes a model complete, on every file system and at every kill."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import install
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging
from model_store import BIG, FILES, ID, content, in_process, model, problem_of, run, staged


def test_the_old_model_stays_while_an_upgrade_is_running_and_killed(
    hub: hub_server.Hub,
    place: Path,
) -> None:
    run(model(hub, place))
    hub.put(ID, {"config.json": b"{}", "model.gguf": BIG[::-1]}, "v2")
    hub.hold = {"model.gguf": 2_000_000}
    with in_process(model(hub, place, revision="v2", idle_timeout=30)):
        assert hub.held.wait(30)
        assert content(place) == FILES
    assert content(place) == FILES
    assert run(model(hub, place))["changed"] is False, "the old revision can still be chosen"
    hub.resume.set()
    hub.hold = {}
    run(model(hub, place, revision="v2"))
    assert content(place) == {"config.json": b"{}", "model.gguf": BIG[::-1]}


def names_in(place: Path) -> tuple[str, ...] | None:
    """What is in a directory; None if it got another name while it was read, as the old tree is removed then."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        names = tuple(sorted(os.listdir(directory)))
        return names if os.path.samestat(os.fstat(directory), os.stat(place)) else None
    finally:
        os.close(directory)


def test_nobody_sees_half_a_model(hub: hub_server.Hub, place: Path) -> None:
    first = {"config.json": b"1", "model.gguf": BIG}
    second = {"config.json": b"2", "model.gguf": BIG[::-1]}
    hub.put(ID, first)
    hub.put(ID, second, "v2")
    ended, upgrading = threading.Event(), threading.Event()
    seen: dict[bool, set[tuple[bool, tuple[str, ...]]]] = {False: set(), True: set()}

    def observe() -> None:
        while not ended.is_set():
            # Classified by when the look began: the upgrade may begin before it ends.
            into = seen[upgrading.is_set()]
            try:
                names = names_in(place)
                sizes = {name: (place / name).stat().st_size for name in names or ()}
            except FileNotFoundError:
                into.add((False, ()))
            else:
                if names is not None:
                    into.add((sizes.get("model.gguf") == len(BIG), names))

    watcher = threading.Thread(target=observe)
    watcher.start()
    try:
        run(model(hub, place))
        upgrading.set()
        run(model(hub, place, revision="v2"))
    finally:
        ended.set()
        watcher.join()
    whole = (True, (".thor-manifest.json", "config.json", "model.gguf"))
    assert seen[False] <= {(False, ()), whole}
    assert seen[True] == {whole}
    assert content(place) == second


def test_a_file_system_without_an_atomic_exchange(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(install, "exchange", lambda _one, _other: False)
    run(model(hub, place))
    hub.put(ID, {"config.json": b"{}"}, "v2")
    run(model(hub, place, revision="v2"))
    assert content(place) == {"config.json": b"{}"}
    assert staged(place) == []


def test_a_kill_between_two_renames_is_undone(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(stage: Staging, target: Path) -> Path:
        target.rename(stage.root / "old")
        raise KeyboardInterrupt

    run(model(hub, place))
    hub.put(ID, {"config.json": b"{}"}, "v2")
    with monkeypatch.context() as patch:
        patch.setattr(install, "exchange", lambda _one, _other: False)
        patch.setattr(install, "_rename_twice", killed)
        with pytest.raises(KeyboardInterrupt):
            run(model(hub, place, revision="v2"))
    assert not place.exists()
    hub.listing_status = 500
    problem_of(model(hub, place, revision="v2", retries=0))
    assert content(place) == FILES


def test_a_kill_right_after_the_rename_leaves_nothing_behind(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(_self: Staging) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            run(model(hub, place))
    assert content(place) == FILES
    assert staged(place) != []
    assert run(model(hub, place))["changed"] is False
    assert staged(place) == []


def test_a_file_system_that_refuses(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    place.mkdir(parents=True)
    (place / "mine").write_text("mine")
    monkeypatch.setattr(os, "link", refuse)
    assert problem_of(model(hub, place))["code"] == "THOR-STORE-WRITE"
    assert content(place) == {"mine": b"mine"}
