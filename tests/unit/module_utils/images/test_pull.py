# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Pulling images."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images import job, layer_cache, record
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from fake_dockerd import CONTAINERD, Dockerd
from image_runs import KEY, ONE, TWO, VLLM, failed, image, layers, login, pulled, run, spec


def sent_logins(dockerd: Dockerd) -> list[dict[str, str]]:
    """The logins that dockerd was given."""
    sent = [one["X-Registry-Auth"] for one in dockerd.headers if "X-Registry-Auth" in one]
    return [json.loads(base64.urlsafe_b64decode(one)) for one in sent]


def test_a_locked_image_is_pulled_by_its_digest_and_tagged(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled(TWO)]
    result = run(tmp_path, spec(image(digest=TWO)))
    assert ("POST", f"/images/hub:5000/nvidia/vllm@{TWO}/tag") in dockerd.asked
    assert result["unlocked"] == [] and result["warnings"] == []
    assert dockerd.names() == {VLLM, f"hub:5000/nvidia/vllm@{TWO}"}


def test_the_containerd_store_also_gets_the_name_by_digest(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.status = CONTAINERD
    dockerd.pulls = [pulled(), pulled()]
    run(tmp_path, spec(image()))
    assert dockerd.pulls == []


def test_the_recorded_digest_outlives_a_moved_tag(dockerd: Dockerd, tmp_path: Path) -> None:
    record.write_record({"images": {VLLM: {"digest": ONE}}, "superseded": []})
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{TWO}")  # somebody pulled the tag anew, and pruned
    dockerd.pulls = [pulled(ONE)]
    assert run(tmp_path, spec(image()))["pulled"] == [VLLM]
    assert record.read_record()["images"][VLLM]["digest"] == ONE


def test_an_existing_image_is_adopted_without_a_registry(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{ONE}")
    result = run(tmp_path, spec(image()))
    assert (result["changed"], result["pulled"], result["images"]) == (False, [], {VLLM: ONE})


def test_a_login_is_sent_to_its_registry_only_and_never_shown(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[(500, f"unauthorized: {KEY} is wrong")]]
    logins = login("hub:5000")
    with pytest.raises(JobFailed) as error:
        run(tmp_path, spec(image(), registry_logins=logins))
    said = str(error.value)
    assert said.startswith("THOR-REGISTRY-LOGIN: ") and "thor_registry_logins['hub:5000'] = \"$oauthtoken\"" in said
    assert VLLM in said and KEY not in said and KEY not in json.dumps(error.value.extra)
    sent = {"username": "$oauthtoken", "password": KEY, "serveraddress": "hub:5000"}
    assert sent_logins(dockerd) == [sent]
    dockerd.pulls = [pulled()]
    run(tmp_path, spec(image("vllm/vllm-openai:latest"), registry_logins=logins))
    assert sent_logins(dockerd) == [sent]
    dockerd.pulls = [[(500, "unauthorized: authentication required")]]
    said = failed(tmp_path, spec(image("ghcr.io/nvidia/vllm:1"), registry_logins=logins))
    assert "THOR-IMAGE-DENIED" in said and "Set thor_registry_logins['ghcr.io']" in said


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io"])
def test_a_login_for_docker_hub_has_the_address_that_dockerd_compares(
    name: str, dockerd: Dockerd, tmp_path: Path
) -> None:
    dockerd.pulls = [pulled()]
    run(tmp_path, spec(image("vllm/vllm-openai:v0.31.0-aarch64"), registry_logins=login(name)))
    assert [one["serveraddress"] for one in sent_logins(dockerd)] == ["https://index.docker.io/v1/"]


def test_an_image_with_nothing_but_a_digest_gets_a_tag_on_the_host(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled(TWO)]
    reference = f"hub:5000/nvidia/vllm@{TWO}"
    assert run(tmp_path, spec(image(reference, TWO)))["pulled"] == [reference]
    assert dockerd.names() == {reference, f"hub:5000/nvidia/vllm:sha256-{'2' * 64}"}
    assert run(tmp_path, spec(image(reference, TWO)))["changed"] is False
    assert run(tmp_path, spec(prune=True))["pruned"] == [reference]
    assert dockerd.names() == set()


def test_a_silent_pull_is_cut_and_retried(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[*layers("aaa")[:3], 10], pulled()]
    begin = time.monotonic()
    assert run(tmp_path, spec(image(), stall_timeout=1, attempts=3))["pulled"] == [VLLM]
    assert time.monotonic() - begin < 8


def test_a_pull_that_sends_events_without_progress_is_cut(dockerd: Dockerd, tmp_path: Path) -> None:
    same = {"status": "Downloading", "id": "bbb", "progressDetail": {"current": 4, "total": 9}}
    start = [{"status": "Pulling fs layer", "id": name} for name in ("aaa", "bbb")]
    waiting = {"status": "Retrying in 5 seconds", "id": "bbb", "progressDetail": {}}
    dockerd.pulls = [[*start, *[same, waiting, 0.2] * 20]]
    said = failed(tmp_path, spec(image(), stall_timeout=1))
    assert "THOR-IMAGE-INTERRUPTED" in said and "engine_image_stall_timeout" in said
    assert "0 of 2 layers" in said, "how far it got"


def test_only_attempts_without_lasting_progress_count(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.status = CONTAINERD

    def cut(current: int) -> list[Any]:
        return [
            {"status": "Pulling fs layer", "id": "aaa"},
            {
                "status": "Downloading",
                "id": "aaa",
                "progressDetail": {"current": current * 100_000, "total": 9_000_000},
            },
            {"error": "unexpected EOF"},
        ]

    dockerd.pulls = [cut(10), cut(20), cut(30), cut(30), cut(30), pulled(), pulled()]
    assert run(tmp_path, spec(image(), attempts=3))["pulled"] == [VLLM]
    record.RECORD.unlink()
    dockerd.images.clear()
    dockerd.pulls = [cut(30), cut(31), cut(32), cut(33), pulled()]
    assert "attempt 3 without lasting progress" in failed(tmp_path, spec(image(), attempts=3))
    assert len(dockerd.pulls) == 1


def test_a_disk_that_is_too_small_is_refused_before_it_is_full(
    dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_cache, "_free", lambda _path: 24)
    dockerd.pulls = [[*layers("aaa"), 5, {"status": f"Digest: {ONE}"}]]
    assert "THOR-IMAGE-DISK" in failed(tmp_path, spec(image()))
    monkeypatch.setattr(layer_cache, "_free", lambda _path: 51)
    dockerd.pulls = [pulled()]
    assert run(tmp_path, spec(image()))["pulled"] == [VLLM]


def test_an_image_for_another_machine_is_removed_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.architecture = "riscv64"
    dockerd.pulls = [pulled()]
    assert "THOR-IMAGE-PLATFORM" in failed(tmp_path, spec(image()))
    assert dockerd.names() == set() and record.read_record()["images"] == {}


def test_progress_is_reported_in_bytes_and_layers(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[*layers("aaa", "bbb", total=5_000_000), 0.6, {"status": f"Digest: {ONE}"}]]
    shown: list[Any] = []

    class Report(Reporter):
        def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
            shown.append((done, total, unit, text))

    job.run_job(spec(image()), Report(tmp_path))
    assert (10_000_000, 10_000_000, "B", f"{VLLM}, layer 2 of 2") in shown
