# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The container of a service."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fake_dockerd import LABEL, Dockerd
from supervisor_helper import Run, container, container_settings
from thor_supervisor import container as containers


def test_leftovers_of_an_earlier_start_are_removed_first(run: Run, dockerd: Dockerd) -> None:
    dockerd.has("thor-chat", LABEL)
    status, journal = run("ok", stop=True, **container_settings(dockerd))
    assert status == 0
    assert dockerd.removed == ["thor-chat"]
    assert "removed a container thor-chat that was left over" in journal


def test_somebody_elses_container_is_left_alone(run: Run, dockerd: Dockerd) -> None:
    dockerd.has("thor-chat", "somebody=else")
    status, journal = run("ok", **container_settings(dockerd))
    assert status == 1
    assert "THOR-CONTAINER-TAKEN: the container thor-chat is not ours" in journal
    assert dockerd.removed == []


def test_waiting_for_a_dockerd_that_does_not_come_ends(
    run: Run, tmp_path: Path, notified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "DOCKER_WAIT", 1.0)
    settings = {"name": "thor-chat", "label": LABEL, "socket": str(tmp_path / "none")}
    status, journal = run("ok", container=settings)
    assert status == 1
    assert "waiting for dockerd: dockerd does not answer on " in journal
    assert "THOR-DOCKER-GONE: dockerd has not answered for 1 s" in journal
    assert any(line.startswith("STATUS=waiting for dockerd") for line in notified)


def test_it_waits_for_a_dockerd_that_comes_late(run: Run, tmp_path: Path) -> None:
    late = Dockerd(tmp_path / "late.sock")
    threading.Timer(1, late.__enter__).start()
    status, journal = run("ok", stop=True, **container_settings(late))
    late.__exit__()
    assert status == 0
    assert "waiting for dockerd" in journal


def test_it_waits_for_a_removal_that_is_under_way(dockerd: Dockerd) -> None:
    dockerd.has("thor-chat", LABEL)
    dockerd.busy = 3
    assert container(dockerd).remove()
    assert dockerd.containers == {}
    assert not container(dockerd).remove()
