# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Removing images that no service needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.module_utils.images import predict, record
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolkit
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import images as plan
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind
from fake_dockerd import Dockerd
from image_runs import DERIVED, LACKS, ONE, SGLANG, SOUND, TWO, VLLM, image, listening, pulled, run, service, spec


def _two_images(dockerd: Dockerd) -> None:
    held = record.read_record()
    record.note(held, SGLANG, TWO, None)
    record.note(held, VLLM, ONE, None)
    held["images"][VLLM]["proof"] = {"gpu": False, "l4t": "38.2.0", "toolkit": "1.18.1-1"}
    record.write_record(held)
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{ONE}")
    dockerd.add(SGLANG, f"hub:5000/nvidia/sglang@{TWO}")
    dockerd.add("a-persons:image")


def test_unused_images_are_removed_only_on_request(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    assert run(tmp_path, spec(image()))["pruned"] == []
    todo = predict.predict(spec(image(), prune=True), record.read_record(), record.Local(dockerd.images))
    assert todo["prune"] == [f"hub:5000/nvidia/sglang@{TWO}"]
    assert predict.lines_after(todo, record.read_record()) == [f"{VLLM} {ONE}"]
    result = run(tmp_path, spec(image(), prune=True))
    assert (result["changed"], result["pruned"]) == (True, [f"hub:5000/nvidia/sglang@{TWO}"])
    assert dockerd.names() == {VLLM, f"hub:5000/nvidia/vllm@{ONE}", "a-persons:image"}
    assert list(record.read_record()["images"]) == [VLLM]
    assert run(tmp_path, spec(image(), prune=True))["changed"] is False


@pytest.mark.parametrize("place", ["units/thor-chat.service", "state/before.json"])
def test_an_image_named_by_a_unit_stays(place: str, dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    (tmp_path / place).write_text(f"ExecStart=docker run hub:5000/nvidia/sglang@{TWO} serve")
    result = run(tmp_path, spec(image(), prune=True))
    assert (result["changed"], result["pruned"]) == (False, [])
    assert "names it" in result["kept"][f"hub:5000/nvidia/sglang@{TWO}"]


def test_an_image_used_by_a_container_stays(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    dockerd.in_use = {SGLANG}
    result = run(tmp_path, spec(image(), prune=True))
    assert (result["pruned"], list(result["kept"])) == ([], [f"hub:5000/nvidia/sglang@{TWO}"])
    assert SGLANG in record.read_record()["images"]


def test_a_tag_that_somebody_added_stays(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    dockerd.images[1]["RepoTags"].append("a-persons:sglang")
    run(tmp_path, spec(image(), prune=True))
    assert dockerd.names() >= {"a-persons:sglang", "a-persons:image"} and SGLANG not in dockerd.names()


def test_a_digest_replaced_by_the_lock_is_removed(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    dockerd.pulls = [pulled(TWO)]
    arguments = spec(image(digest=TWO), image(SGLANG, engine="sglang"), prune=True)
    todo = predict.predict(arguments, record.read_record(), record.Local(dockerd.images))
    assert (todo["pull"], todo["prune"]) == ([VLLM], [f"hub:5000/nvidia/vllm@{ONE}"])
    assert run(tmp_path, arguments)["pruned"] == [f"hub:5000/nvidia/vllm@{ONE}"]
    assert f"hub:5000/nvidia/vllm@{TWO}" in dockerd.names()


def test_unrecorded_derived_images_are_removed(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    run(tmp_path, spec(listening()))
    old = f"sha256:{'e' * 64}"
    dockerd.add("thor-derived:1", image_id=old)
    assert run(tmp_path, spec(listening(), prune=True))["pruned"] == [old]
    assert dockerd.find(DERIVED) is not None


def test_a_derived_image_is_removed_with_its_last_service(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    run(tmp_path, spec(listening()))
    host = {**record.observe(), "l4t": "38.2.0", "container_packages": {toolkit.PACKAGES[0]: "1.18.1-1"}}
    todo = plan.work([service()], host, require_gpu=False, prune=True)["todo"]
    assert todo == [(Kind.REMOVE, f"{VLLM} with {' '.join(SOUND)}", "no service needs it")]
    unit = tmp_path / "units/thor-speech.service"
    unit.write_text(f"ExecStart=docker run {DERIVED} serve")
    arguments = spec(image(), prune=True)
    assert run(tmp_path, arguments)["pruned"] == [], "the service is not switched yet"
    unit.unlink()
    dockerd.in_use = {DERIVED}
    result = run(tmp_path, arguments)
    assert result["pruned"] == [] and DERIVED in result["kept"], "somebody's container is no failure"
    dockerd.in_use = set()
    planned = predict.predict(arguments, record.read_record(), record.Local.ask(docker_api.Docker(str(dockerd.path))))
    assert planned["prune"] == run(tmp_path, arguments)["pruned"] == [DERIVED]
    assert record.read_record()["images"][VLLM]["extras"] == {}
