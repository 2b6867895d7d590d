# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The ``docker run`` command of a service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import (
    Entrypoint,
    GenerationConfig,
    LocalArtifact,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import container
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

IMAGE = "nvcr.io/nvidia/vllm:25.10-py3"
SERVICE = replace(
    resolved.service(resolved.VLLM, name="chat"), image_digest="sha256:aa", argv=("vllm", "serve", '{"a": "b c"}')
)


def run(service: Any = SERVICE, images: Any = None, docker: Any = None, **settings: Any) -> list[str]:
    host = {"images": images or {}, "docker": docker}
    return container.run_command(service, host, Settings(**settings))


def options(argv: list[str]) -> list[str]:
    """What stands between ``docker run`` and the image."""
    return argv[argv.index("run") + 1 : argv.index(next(word for word in argv if word.startswith("nvcr.io/")))]


def test_the_command_goes_with_the_entrypoint() -> None:
    image = "nvcr.io/nvidia/vllm@sha256:aa"
    for how, words, instead_of, option, tail in (
        ("runs", ("vllm", "serve"), 0, [], ["vllm", "serve", '{"a": "b c"}']),
        ("is", ("vllm", "serve"), 2, [], ['{"a": "b c"}']),
        ("set", ("/opt/start", "vllm", "serve"), 2, ["--entrypoint=/opt/start"], ["vllm", "serve", '{"a": "b c"}']),
    ):
        argv = run(replace(SERVICE, entrypoint=Entrypoint(how=how, words=words, instead_of=instead_of)))
        assert argv[argv.index(image) + 1 :] == tail
        assert [word for word in options(argv) if word.startswith("--entrypoint")] == option


def test_a_container_gets_no_privilege_and_the_pinned_image() -> None:
    argv = run()
    assert argv[:3] == ["/usr/bin/docker", "--host=unix:///run/docker.sock", "run"]
    words = options(argv)
    assert argv[argv.index("run") + 1 + len(words) :] == [
        "nvcr.io/nvidia/vllm@sha256:aa",
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
    assert [word for word in words if word.startswith("--ulimit")] == [
        "--ulimit=core=0",
        "--ulimit=memlock=-1",
        "--ulimit=stack=67108864",
    ]


def test_all_of_the_environment_comes_from_the_service() -> None:
    words = options(run(replace(SERVICE, environment={"b": "2", "A": "x y"}, secrets=("HF_TOKEN",))))
    assert [word for word in words if word.startswith("--env")] == ["--env=A=x y", "--env=b=2", "--env=HF_TOKEN"]
    assert {"--env=VLLM_USE_MODELSCOPE=true", "--env=HOME=/root", "--env=NVIDIA_VISIBLE_DEVICES=all"} <= set(run())


def test_the_client_is_the_one_that_was_observed() -> None:
    assert run(docker={"client": "/usr/local/bin/docker"})[0] == "/usr/local/bin/docker"


def test_the_recorded_digest_precedes_the_lock() -> None:
    assert "nvcr.io/nvidia/vllm@sha256:bb" in run(images={IMAGE: {"digest": "sha256:bb"}})
    assert IMAGE in run(replace(SERVICE, image_digest=None))  # a plan: nothing was pulled yet


def test_a_derived_image_is_run_by_its_id_and_only_where_it_is_needed() -> None:
    derived = "sha256:dd"

    def images(found: str | None) -> dict[str, Any]:
        return {IMAGE: {"digest": "sha256:bb", "extras": {"librosa==1 soundfile==2": {"id": found, "present": True}}}}

    listens = replace(SERVICE, python_packages=("soundfile==2", "librosa==1"))
    assert run(listens, images(derived))[-3 - 1] == derived
    assert "nvcr.io/nvidia/vllm@sha256:bb" in run(images=images(derived))
    assert "nvcr.io/nvidia/vllm@sha256:bb" in run(listens, images(None)), "the image has the packages itself"


def test_the_hosts_ipc_has_no_size() -> None:
    words = options(run(container_ipc="host"))
    assert "--ipc=host" in words
    assert not [word for word in words if word.startswith("--shm-size")]


def test_a_generation_config_is_mounted_over_the_models() -> None:
    settings = GenerationConfig(path="/models/Q/generation_config.json", values={})
    words = options(run(replace(SERVICE, generation_config=settings)))
    source = "/var/cache/thor/chat/generation_config.json"
    assert f"--mount=type=bind,source={source},target=/models/Q/generation_config.json,readonly" in words


def test_a_persons_own_folder_outside_models_is_mounted_read_only() -> None:
    common: dict[str, Any] = {"key": "own", "source": "local", "projector": None, "bytes": None, "estimated": False}
    own = LocalArtifact(**common, path="/data/own", file=None, precision=None, active_bytes=None)
    words = options(run(replace(SERVICE, model=own, files=(replace(own, path="/models/own"),))))
    mounts = [word for word in words if word.startswith("--mount=type=bind")]
    assert mounts == [
        "--mount=type=bind,source=/models,target=/models,readonly",
        "--mount=type=bind,source=/data/own,target=/data/own,readonly",
    ]
