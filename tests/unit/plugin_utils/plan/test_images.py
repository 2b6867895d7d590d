# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done about the images of a host."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.jetson.thor.plugins.module_utils import kept_flags
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import (
    container_environment,
    environment_key,
)
from ansible_collections.jetson.thor.plugins.modules import engine_image
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import images
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import BARE
from real_catalog import BUILT_IN

VLLM, SGLANG = "hub:5000/nvidia/vllm:25.10-py3", "hub:5000/nvidia/sglang:26.01-py3"
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
PLAIN = container_environment({})
KEYS = [environment_key(PLAIN)]


def service(reference: str | None, digest: str | None = None) -> dict[str, Any]:
    image = {"image": reference, "image_digest": digest, "image_bytes": 5}
    return {"engine": "vllm", "version": "25.10", "environment": PLAIN, "parser": None, "unlisted": (), **image}


def todo(*arguments: Any, **options: Any) -> list[str]:
    """What has to be done, in two words each."""
    return [f"{kind} {subject}" for kind, subject, _reason in images.work(*arguments, **options)["todo"]]


def test_work_is_what_is_missing_unproven_or_unwanted() -> None:
    proof = {"gpu": True, "l4t": "38.2.0", "toolkit": "1.18.1-1", "environments": KEYS}
    held = {"digest": ONE, "present": True, "architecture": "arm64", "proof": proof}
    host: dict[str, Any] = {
        "images": {VLLM: held, SGLANG: {**held, "digest": TWO}},
        "superseded_images": [f"old@{TWO}"],
        "l4t": "38.2.0",
        "container_packages": {"nvidia-container-toolkit": "1.18.1-1"},
    }
    services = [service(VLLM)]
    assert todo(services, host) == []
    assert todo(services, host, prune=True) == [f"remove {SGLANG}", f"remove old@{TWO}"]
    assert todo([service(VLLM, ONE)], host) == []
    assert todo([service(VLLM, TWO)], host) == [f"pull {VLLM}"], "the lock says another one"
    changes: list[dict[str, Any]] = [
        {"l4t": "38.4.0"},
        {"container_packages": {}},
        {"images": {VLLM: {**held, "proof": None}}},
        {"images": {VLLM: {**held, "proof": {**proof, "gpu": False}}}},
        {"images": {VLLM: {**held, "proof": {**proof, "environments": []}}}},
    ]
    for change in changes:
        assert todo(services, {**host, **change}) == [f"check {VLLM}"]
    assert todo(services, {**host, "images": {VLLM: {**held, "present": False}}}) == [f"pull {VLLM}"]
    assert todo(services, {}) == [f"pull {VLLM}"], "a fresh host"
    elsewhere = {**service(VLLM), "environment": {**PLAIN, "NVIDIA_VISIBLE_DEVICES": "0"}}
    assert todo([elsewhere], host) == [f"check {VLLM}"], "it was proven with other devices"
    own = {**service(VLLM), "entrypoint": {"how": "is", "words": ["vllm", "serve"], "instead_of": 2}}
    assert todo([own], host) == [f"check {VLLM}"], "it was proven with another entrypoint"
    unproven = {**host, "images": {VLLM: {**held, "proof": {**proof, "gpu": False}}}}
    assert todo(services, unproven, require_gpu=False) == []
    reads = [{**one, "image_cuda_code": {"required": ["*/vllm/_C*"], "lost": {}}} for one in services]
    assert todo(reads, host) == [f"check {VLLM}"], "its CUDA code was never read"
    read = {**host, "images": {VLLM: {**held, "proof": {**proof, "cuda_code": None}}}}
    assert todo(reads, read) == []
    able = {**read, "toolchain": {"cuobjdump": "/usr/local/cuda/bin/cuobjdump"}}
    assert todo(reads, able) == [f"check {VLLM}"], "it could not be read then, and can be now"


def test_an_engine_without_a_stored_list_is_asked_once_for_each_digest() -> None:
    proof = {"gpu": True, "l4t": None, "toolkit": None, "environments": KEYS}
    host: dict[str, Any] = {"images": {VLLM: {"digest": ONE, "present": True, "architecture": "arm64", "proof": proof}}}
    argv = ["vllm", "serve", "/models/x", "--port", "1"]
    asking = {**service(VLLM), "parser": "vllm", "unlisted": ("New",), "name": "chat", "argv": argv}
    (image,) = images.needed([asking])
    assert (image["parser"], image["argvs"]) == ("vllm", {"chat": ["serve", "/models/x", "--port", "1"]})
    assert image["wanted"] == {"chat": ["New"]}
    assert todo([asking], host) == ["check options of vllm 25.10"]
    assert todo([asking], {}) == [f"pull {VLLM}"], "it is asked after the pull"
    accepted = [kept_flags.digest_of("vllm", argv, ["New"])]
    kept = {f"vllm-{'1' * 12}": {"engine_version": "0.10.2", "options": {}, "accepted": accepted}}
    assert todo([asking], {**host, "flags": kept}) == []
    other = {f"vllm-{'2' * 12}": kept[f"vllm-{'1' * 12}"]}
    assert todo([asking], {**host, "flags": other}) == ["check options of vllm 25.10"], "of another image"
    changed = {**asking, "argv": ["vllm", "serve", "/models/x", "--port", "2"]}
    assert todo([changed], {**host, "flags": kept}) == ["check options of vllm 25.10"], "the parser has not seen these"
    beside = {**service(VLLM), "version": "mine", "name": "listed", "argv": ["vllm", "serve", "/models/y"]}
    (image,) = images.needed([beside, asking])
    assert (image["parser"], list(image["argvs"])) == ("vllm", ["chat"]), "only who has no stored list is asked about"


def test_each_image_is_needed_once() -> None:
    services = [service(VLLM), service(None), service(VLLM, ONE), {"engine": "llama.cpp", "version": "1"}]
    assert images.needed(services) == [
        {
            "reference": VLLM,
            "digest": ONE,
            "engine": "vllm",
            "version": "25.10",
            "bytes": 5,
            "expected": None,
            "entrypoint": None,
            "cuda_code": None,
            "extras": [],
            "environments": [PLAIN],
            "parser": None,
            "argvs": {},
            "wanted": {},
        }
    ]
    said = {"how": "is", "words": ["vllm", "serve"]}
    code = {"required": ["*/vllm/_C*"], "lost": {}}
    more = {"image_expected": {"index": ONE}, "entrypoint": {**said, "instead_of": 2}, "image_cuda_code": code}
    (needed,) = images.needed([{**service(VLLM), **more}])
    assert (needed["expected"], needed["entrypoint"], needed["cuda_code"]) == ({"index": ONE}, said, code)
    listens = {**service(VLLM), "python_packages": ["soundfile==2", "librosa==1"]}
    (needed,) = images.needed([service(VLLM), listens, listens])
    assert needed["extras"] == [["librosa==1", "soundfile==2"]], "once, whatever their order"
    other = {**service(VLLM), "environment": {**PLAIN, "NVIDIA_DISABLE_REQUIRE": "1"}}
    (needed,) = images.needed([service(VLLM), other, service(VLLM), other])
    assert needed["environments"] == [PLAIN, {**PLAIN, "NVIDIA_DISABLE_REQUIRE": "1"}], "each once"


def test_the_module_takes_what_the_plan_hands_it() -> None:
    """For every version of the catalog that is an image, whether its options are known or have to be asked for."""
    validator = ArgumentSpecValidator({"images": engine_image.ARGUMENTS["images"]})
    tried = 0
    for profile in ("qwen3-8b-vllm", "qwen3-8b-sglang"):
        engine = BUILT_IN.profiles[profile]["engine"]
        for version, known in BUILT_IN.engines[engine]["versions"].items():
            if "image" not in known:
                continue
            resolution = resolve(Inputs([{"profile": profile, "version": version}], allow_broken=True), BUILT_IN)
            handed = images.work(resolution.facts, BARE)["images"]
            assert validator.validate({"images": handed}).error_messages == [], version
            tried += 1
    assert tried > 10
