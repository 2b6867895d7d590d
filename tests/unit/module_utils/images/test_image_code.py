# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA code in an image is read from outside, once, and an image without code for the GPU is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_cuobjdump
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, cuobjdump
from ansible_collections.jetson.thor.plugins.module_utils.images import image_code, record
from fake_cuobjdump import library, listing
from fake_dockerd import Dockerd
from image_runs import ONE, VLLM, failed, image, pulled, run, spec

PLACE = "usr/local/lib/python3.12/dist-packages"
WANTED = {
    "required": ["*/torch/lib/libtorch_cuda.so", "*/vllm/_C*.so", "*/elsewhere.so"],
    "lost": {"*/vllm/_flash*": "FlashMLA"},
}


@pytest.fixture(name="root", autouse=True)
def _root(dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a running container, where /proc shows them."""
    dockerd.pulls, dockerd.pid = [pulled()], 4711
    monkeypatch.setattr(image_code, "PROC", tmp_path / "proc")
    root = tmp_path / "proc" / "4711" / "root"
    library(root / PLACE / "torch/lib/libtorch_cuda.so", listing({"sm_110": 4}))
    library(root / PLACE / "vllm/_C.abi3.so", listing({"sm_110": 1}))
    library(root / PLACE / "vllm/_flashmla_C.abi3.so", listing({"sm_90a": 1}))
    library(root / "usr/local/cuda/lib64/libcublas.so.13", listing({"sm_90": 1}))
    program = fake_cuobjdump.make(tmp_path)
    monkeypatch.setattr(cuobjdump, "PLACES", (str(program),))
    return root


def proven(**more: Any) -> dict[str, Any]:
    """What the job is asked for: the image, with the files that count."""
    return spec({**image(), "cuda_code": WANTED}, **{"require_gpu": True, **more})


def proof() -> Any:
    """The image's proof as it is recorded."""
    return record.read_record()["images"][VLLM]["proof"]


def test_what_the_catalog_names_is_read_and_kept(dockerd: Dockerd, tmp_path: Path) -> None:
    run(tmp_path, proven())
    code = proof()["cuda_code"]
    assert code["runs"] == [f"{PLACE}/torch/lib/libtorch_cuda.so", f"{PLACE}/vllm/_C.abi3.so"]
    assert code["lacks"] == [{"path": f"{PLACE}/vllm/_flashmla_C.abi3.so", "lost": "FlashMLA"}]
    assert "elsewhere" in str(code["not_found"]) and len(code["not_found"]) == 1
    body = json.loads(next(one for one in dockerd.bodies if b'"sleep"' in one))
    assert body["Image"] == f"hub:5000/nvidia/vllm@{ONE}" and "Runtime" not in body["HostConfig"]
    assert (body["HostConfig"]["NetworkMode"], body["HostConfig"]["CapDrop"]) == ("none", ["ALL"])
    assert dockerd.containers == {} and image_code.NAME in dockerd.removed
    assert run(tmp_path, proven())["checked"] == []


def test_an_image_without_code_for_thor_is_refused(dockerd: Dockerd, root: Path, tmp_path: Path) -> None:
    library(root / PLACE / "vllm/_C.abi3.so", listing({"sm_90": 35}))
    said = failed(tmp_path, proven())
    assert "THOR-CUDA-CODE" in said and "vllm/_C.abi3.so" in said and "sm_90 (35)" in said
    assert dockerd.containers == {}
    assert proof() is None


def test_a_failure_of_cuobjdump_is_not_taken_for_a_proof(root: Path, tmp_path: Path) -> None:
    library(root / PLACE / "vllm/_C.abi3.so", "FAIL")
    assert "THOR-CUOBJDUMP" in failed(tmp_path, proven())


def test_an_image_that_was_checked_before_is_read_as_well(tmp_path: Path) -> None:
    run(tmp_path, spec(image(), require_gpu=True))
    assert "cuda_code" not in proof()
    assert run(tmp_path, proven())["checked"] == [VLLM]
    assert proof()["cuda_code"]["runs"]


@pytest.mark.parametrize("why", ["no cuobjdump", "no container", "no GPU"])
def test_what_cannot_be_read_is_recorded_as_such(
    why: str, dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "no cuobjdump":
        monkeypatch.setattr(cuobjdump, "PLACES", ())
    if why == "no container":
        dockerd.pid = 0
    run(tmp_path, proven(require_gpu=why != "no GPU"))
    read = proof().get("cuda_code")
    assert read is None or "does not stand still" in read["unread"]
    assert "CUDA code not read" in cuda_code.text(read)
    assert run(tmp_path, proven(require_gpu=why != "no GPU"))["checked"] == []


def test_an_image_is_read_once_cuobjdump_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = cuobjdump.PLACES
    monkeypatch.setattr(cuobjdump, "PLACES", ())
    run(tmp_path, proven())
    assert run(tmp_path, proven())["checked"] == []
    monkeypatch.setattr(cuobjdump, "PLACES", places)
    assert run(tmp_path, proven())["checked"] == [VLLM]
    assert proof()["cuda_code"]["runs"]
    assert run(tmp_path, proven())["checked"] == []


def test_what_a_person_requires_later_is_read_and_refused(tmp_path: Path) -> None:
    run(tmp_path, proven())
    for place in ("*/vllm/_flash*", "*/libcublas.so.13"):  # the first was read, the second was not looked at
        wanted = {**WANTED, "required": [*WANTED["required"], place]}
        for _run in range(2):
            assert "THOR-CUDA-CODE" in failed(tmp_path, spec({**image(), "cuda_code": wanted}, require_gpu=True))
