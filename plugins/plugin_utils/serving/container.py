# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The ``docker run`` command of a service in a container. What the options do: docker-run(1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import SOCKET
from ansible_collections.jetson.thor.plugins.module_utils.images import environment, references
from ansible_collections.jetson.thor.plugins.module_utils.images.entrypoint import SET
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings


def name(service: Service) -> str:
    """The name of the container."""
    return f"thor-{service.name}"


def label(service: Service) -> str:
    """The label that makes a container ours to remove."""
    return f"thor.service={service.unit}"


def written_generation_config(service: Service) -> str:
    """Where the supervisor writes the model's generation_config.json with the profile's values laid over it."""
    return f"/var/cache/thor/{service.name}/generation_config.json"


def image(service: Service, images: Mapping[str, Mapping[str, Any]]) -> str:
    """The name by which the image is run: a derived image by its id, else by its digest; by its tag in a plan before the pull.

    ``images`` is ``thor_host.images``: its digest was recorded on the first pull and takes precedence over the lock's. Python packages
    that the image lacked are in an image derived from it, which no registry knows.
    """
    reference = str(service.image)
    known = images.get(reference) or {}
    extras = (known.get("extras") or {}).get(" ".join(sorted(service.python_packages))) or {}
    digest = known.get("digest") or service.image_digest
    return str(extras.get("id") or (references.by_digest(reference, digest) if digest else reference))


def run_command(service: Service, host: Mapping[str, Any], settings: Settings) -> list[str]:
    """The whole command; ``host`` is ``thor_host``."""
    client = (host.get("docker") or {}).get("client") or "/usr/bin/docker"
    return [
        *(client, f"--host=unix://{SOCKET}", "run"),
        *_options(service, settings),
        *(f"--mount={mount}" for mount in _mounts(service)),
        *(f"--env={key}={value}" for key, value in _by_name(service.environment)),
        # Without a value: docker's client takes a secret from its own environment, so it appears in no command line.
        *(f"--env={key}" for key in service.secrets),
        *_entrypoint_option(service),
        image(service, host.get("images") or {}),
        *_arguments(service),
    ]


def _entrypoint_option(service: Service) -> list[str]:
    """Docker takes one word; the others are arguments of it."""
    said = service.entrypoint
    return [f"--entrypoint={said.words[0]}"] if said and said.how == SET else []


def _arguments(service: Service) -> list[str]:
    """What the image's entrypoint gets, or the whole command."""
    said = service.entrypoint
    if said is None:
        return list(service.argv)
    return [*(said.words[1:] if said.how == SET else ()), *service.argv[said.instead_of :]]


def _options(service: Service, settings: Settings) -> list[str]:
    return [
        f"--name={name(service)}",
        f"--label={label(service)}",
        "--rm",
        "--pull=never",
        # The output goes through docker's client and the supervisor to the journal; Docker would keep a second, unbounded copy.
        "--log-driver=none",
        # As process 1 an engine that is still importing would ignore SIGTERM, and dead workers would stay as zombies.
        "--init",
        f"--runtime={environment.RUNTIME}",
        "--network=host",
        f"--ipc={settings.container_ipc}",
        # /dev/shm, where vLLM and SGLang pass batches between processes (vLLM: a ring of 10 x 16 MiB, and up to 4 GiB of prepared
        # images). It is a limit and takes no memory by itself. With ipc=host the host's /dev/shm is used instead.
        *([f"--shm-size={settings.container_shm_size}"] if settings.container_ipc == "private" else []),
        # root in there is root by name only: it reads what everybody may read, /models included, and writes what root owns.
        # --read-only is not set: what an engine writes beside its caches differs between images, and goes with the container anyway.
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        # An engine dies first, and dockerd never because of it.
        "--oom-score-adj=900",
        f"--stop-timeout={settings.stop_timeout}",
        *(f"--ulimit={key}={value}" for key, value in _by_name(settings.container_ulimits)),
    ]


def _mounts(service: Service) -> Iterable[str]:
    yield "type=bind,source=/models,target=/models,readonly"
    for folder in sorted({one.path for one in (service.model, *service.files) if not is_in_models(one.path)}):
        yield f"type=bind,source={folder},target={folder},readonly"
    yield f"type=volume,source=thor-{service.name}-cache,target={environment.CACHE}"
    if service.generation_config:
        source, target = written_generation_config(service), service.generation_config.path
        yield f"type=bind,source={source},target={target},readonly"


def is_in_models(folder: str) -> bool:
    """Whether a folder is in /models, which every container has; a person's own may be elsewhere."""
    return f"{folder}/".startswith("/models/")


def _by_name(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """In an order that does not depend on how the mapping was written: another order would restart the service."""
    return sorted(values.items(), key=lambda item: item[0].lower())
