# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The command of a service in a container."""

from __future__ import annotations

from container_helper import docker_run


def options(argv: list[str]) -> list[str]:
    """What stands between ``docker run`` and the image."""
    return argv[argv.index("run") + 1 : argv.index(next(word for word in argv if word.startswith("hub:5000/")))]


def test_a_container_gets_no_privilege_and_the_pinned_image() -> None:
    argv = docker_run()
    assert argv[:3] == ["/usr/bin/docker", "--host=unix:///run/docker.sock", "run"]
    words = options(argv)
    assert argv[argv.index("run") + 1 + len(words) :] == [
        "hub:5000/nvidia/vllm@sha256:aa",
        "vllm",
        "serve",
        '{"a": "b c"}',
    ]
    names = {word.partition("=")[0] for word in words}
    assert {"--rm", "--init", "--pull", "--cap-drop", "--security-opt", "--stop-timeout"} <= names
    assert not names & {"-v", "--volume", "--privileged", "--cap-add", "--device", "--pid", "--restart", "--env-file"}
    assert [word for word in words if word.startswith(("--cap", "--sec", "--ipc", "--shm"))] == [
        "--ipc=private",
        "--shm-size=8g",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ]
    assert [word for word in words if word.startswith("--mount")] == [
        "--mount=type=bind,source=/models,target=/models,readonly",
        "--mount=type=volume,source=thor-chat-cache,target=/root/.cache",
    ]
    assert "--env=VLLM_USE_MODELSCOPE=true" in words
    assert "--env=HOME=/root" in words


def test_the_records_digest_counts_before_the_locks() -> None:
    image = "hub:5000/nvidia/vllm:25.10-py3"
    assert "hub:5000/nvidia/vllm@sha256:bb" in docker_run(images={image: {"digest": "sha256:bb"}})
    assert image in docker_run(service={"image_digest": None})  # a plan: nothing was pulled yet


def test_an_image_that_was_extended_is_known_by_its_id_and_only_for_those_who_need_it() -> None:
    image, derived = "hub:5000/nvidia/vllm:25.10-py3", "sha256:dd"
    known = {image: {"digest": "sha256:bb", "extras": {"librosa==1 soundfile==2": {"id": derived, "present": True}}}}
    listens = {"python_packages": ["soundfile==2", "librosa==1"]}
    assert docker_run(service=listens, images=known)[-3 - 1] == derived
    assert "hub:5000/nvidia/vllm@sha256:bb" in docker_run(images=known)
    known[image]["extras"]["librosa==1 soundfile==2"]["id"] = None  # type: ignore[index]
    assert "hub:5000/nvidia/vllm@sha256:bb" in docker_run(service=listens, images=known)


def test_the_hosts_ipc_needs_no_size_of_its_own() -> None:
    words = options(docker_run(serving_container_ipc="host"))
    assert "--ipc=host" in words
    assert not [word for word in words if word.startswith("--shm-size")]


def test_a_generation_config_is_mounted_over_the_models() -> None:
    settings = {"path": "/models/Q/generation_config.json", "values": {}}
    words = options(docker_run(service={"generation_config": settings}))
    assert (
        "--mount=type=bind,source=/var/cache/thor/chat/generation_config.json,target=/models/Q/generation_config.json,readonly"
        in words
    )
