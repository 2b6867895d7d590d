# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Python packages added in a derived image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.module_utils.images import derive, predict, record
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolkit
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import images as plan
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind
from fake_dockerd import Dockerd
from image_runs import DERIVED, LACKS, SOUND, VLLM, failed, listening, pulled, run, service, spec


def test_an_image_with_all_packages_is_used_as_it_is(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    result = run(tmp_path, spec(listening()))
    assert result["derived"] == []
    assert record.read_record()["images"][VLLM]["extras"] == {" ".join(SOUND): {"id": None}}
    dockerd.asked.clear()
    plan = predict.predict(
        spec(listening()), record.read_record(), record.Local.ask(docker_api.Docker(str(dockerd.path)))
    )
    assert not any(plan.values()), "it is asked once"


def test_a_derived_image_adds_the_missing_packages_only(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    result = run(tmp_path, spec(listening()))
    assert result["derived"] == [f"{VLLM} with {', '.join(SOUND)}"] and result["changed"]
    assert record.read_record()["images"][VLLM]["extras"] == {" ".join(SOUND): {"id": DERIVED}}
    created = [
        json.loads(body)
        for (_, path), body in zip(dockerd.asked, dockerd.bodies, strict=True)
        if "create" in path and body
    ]
    pip = next(one for one in created if any("pip" in word for word in one["Cmd"]))
    asked = json.loads(dockerd.laid[derive.REQUEST])
    assert asked["arguments"] == ["--index-url", "http://hub/simple", "soundfile==0.14.0"], "librosa is there"
    assert asked["environment"]["http_proxy"] == "http://proxy:3128"
    assert pip["HostConfig"]["NetworkMode"] == "host"
    assert "proxy" not in json.dumps(pip) and "hub/simple" not in json.dumps(pip), (
        "what a container is given becomes the image's"
    )
    looks = [one for one in created if any("import_module" in word for word in one["Cmd"])]
    assert len(looks) == 2 and looks[1]["Image"] == DERIVED, "and the derived image was asked again"
    assert all(one["HostConfig"]["NetworkMode"] == "none" for one in looks)
    committed = next(
        json.loads(body) for (_, path), body in zip(dockerd.asked, dockerd.bodies, strict=True) if path == "/commit"
    )
    assert (committed["Cmd"], committed["Env"]) == (["bash"], ["A=b"]), "it starts as the image that it comes from"
    assert dockerd.containers == {}
    assert record.observe()["images"][VLLM]["extras"][" ".join(SOUND)] == {"id": DERIVED, "present": True}


def test_a_lost_derived_image_is_made_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    run(tmp_path, spec(listening()))
    dockerd.images = [one for one in dockerd.images if one["Id"] != DERIVED]
    dockerd.lacking = dict(LACKS)
    host = {**record.observe(), "l4t": "38.2.0", "container_packages": {toolkit.PACKAGES[0]: "1.18.1-1"}}
    services = [service(python_packages=SOUND)]
    todo = plan.work(services, host, require_gpu=False)["todo"]
    assert todo == [(Kind.INSTALL, f"Python packages in {VLLM}", "services need them")]
    assert run(tmp_path, spec(listening()))["derived"]


@pytest.mark.parametrize(("extend", "code", "words"), [(False, 0, "it lacks"), (True, 1, "pip ended with 1")])
def test_an_image_that_cannot_get_its_packages_is_refused(
    dockerd: Dockerd, tmp_path: Path, extend: bool, code: int, words: str
) -> None:
    dockerd.pulls, dockerd.lacking, dockerd.pip_exit_code = [pulled()], dict(LACKS), code
    dockerd.log = "ERROR: No matching distribution found for soundfile\r\n"
    text = failed(tmp_path, spec(listening(), derive=extend))
    assert "THOR-IMAGE-EXTRAS" in text and VLLM in text and words in text and "soundfile==0.14.0" in text
    assert "No matching distribution" in text if extend else "No module named 'soundfile'" in text
    assert record.read_record()["images"][VLLM]["extras"] == {}


def test_invalid_pip_arguments_are_named(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    text = failed(tmp_path, spec(listening(), pip_arguments="--index-url 'http://me:s3cret@h"))
    assert (
        "THOR-IMAGE-EXTRAS" in text
        and "thor_pip_extra_args cannot be parsed" in text
        and "No closing quotation" in text
    )
    assert "s3cret" not in text


def test_a_useless_derived_image_is_removed_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    dockerd.stubborn = True
    assert "it lacks" in failed(tmp_path, spec(listening()))
    assert dockerd.find(DERIVED) is None


@pytest.mark.parametrize(
    "log", ["failed: [", "failed: {x}", 'failed: {"nosuch": "why"}', "failed: " + '{"a":' * 20_000 + "}", "nothing"]
)
def test_output_of_an_image_is_not_trusted(log: str, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    dockerd.add("a:1")
    monkeypatch.setattr(Dockerd, "says", lambda _self: log)
    with pytest.raises(derive.CannotDerive, match="cannot be asked for soundfile"):
        derive.lacking(docker_api.Docker(str(dockerd.path)), "a:1", ["soundfile==1"])
