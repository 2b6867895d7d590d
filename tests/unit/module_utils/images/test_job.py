# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job of engine_image as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.module_utils.images import job, record
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from fake_dockerd import Dockerd
from image_runs import ONE, SGLANG, TWO, VLLM, failed, image, pulled, run, spec


def test_an_unlocked_image_is_recorded_and_reported(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    result = run(tmp_path, spec(image()))
    assert (result["changed"], result["pulled"], result["checked"]) == (True, [VLLM], [VLLM])
    entry = {"engine": "vllm", "version": "25.10", "image": VLLM, "digest": ONE}
    assert result["unlocked"] == [entry]
    assert f"script/lock --digest vllm:25.10={ONE}" in result["warnings"][0]
    assert result["diff"]["after"] == f"{VLLM} {ONE}\n" and result["diff"]["before"] == ""
    held = record.read_record()["images"][VLLM]
    assert held["digest"] == ONE and held["proof"]["l4t"] == "38.2.0"
    assert VLLM in dockerd.names()
    again = run(tmp_path, spec(image()))
    assert (again["changed"], again["pulled"], again["checked"]) == (False, [], [])


def test_all_images_are_tried_and_all_problems_reported(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[(404, "manifest unknown")], pulled()]
    with pytest.raises(JobFailed) as error:
        run(tmp_path, spec(image(), image(SGLANG, engine="sglang")))
    assert "THOR-IMAGE-UNKNOWN" in str(error.value) and SGLANG not in str(error.value)
    assert error.value.extra["pulled"] == [SGLANG]
    assert [one["code"] for one in error.value.extra["problems"]] == ["THOR-IMAGE-UNKNOWN"]
    # A registry that is down is down for all of them.
    dockerd.pulls = [[(500, "connection refused")], pulled()]
    failed(tmp_path, spec(image(), image(SGLANG, TWO, engine="sglang")))
    assert len(dockerd.pulls) == 1


def test_a_missing_dockerd_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = docker_api.Docker
    monkeypatch.setattr(job, "Docker", lambda **_more: ask(str(tmp_path / "nosuch"), 1))
    assert failed(tmp_path, spec(image())).startswith("THOR-IMAGE-DOCKER: ")
