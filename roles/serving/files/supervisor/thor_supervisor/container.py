# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The container of a service, as dockerd knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import docker_api

from thor_supervisor.endings import GiveUp
from thor_supervisor.notification import say

DOCKER_WAIT = 120.0  # seconds that a start waits for dockerd, which may be starting as well
DOCKER_REMOVE = 20.0  # seconds for the removal of a container; less than TimeoutStopSec leaves beyond stop_timeout
GONE = "THOR-DOCKER-GONE"


class Container:
    """One container. Its label marks it as ours: somebody else's container of the same name is left alone."""

    def __init__(self, name: str, label: str, socket_path: str = docker_api.SOCKET) -> None:
        self.name = name
        self.label = label  # key=value
        self.docker = docker_api.Docker(socket_path, timeout=5.0)
        # A process that holds a hundred gigabytes takes its time to end.
        self.slow = docker_api.Docker(socket_path, timeout=DOCKER_REMOVE)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Container | None:
        """The container of a service's configuration; None for a native service."""
        settings = document.get("container")
        return cls(settings["name"], settings["label"], settings["socket"]) if settings else None

    def silence(self) -> str | None:
        """None when dockerd answers, else why it does not."""
        try:
            self.docker.get("/_ping")
        except docker_api.DockerError as error:
            return str(error)
        return None

    def state(self) -> str | None:
        """``ours``, ``foreign``, or None where there is no container of that name. Raises DockerError."""
        try:
            found = self.docker.get(f"/containers/{self.name}/json")
        except docker_api.DockerError as error:
            if error.status == 404:
                return None
            raise
        key, value = self.label.split("=", 1)
        return "ours" if (found["Config"].get("Labels") or {}).get(key) == value else "foreign"

    def remove(self) -> bool:
        """Kill and remove the container; returns whether there was one. Raises DockerError.

        Where dockerd is already removing it (``--rm``), this waits for the end of that.
        """
        deadline = time.monotonic() + DOCKER_REMOVE
        existed = False
        while self.state() == "ours":
            existed = True
            if time.monotonic() > deadline:
                raise docker_api.DockerError(f"it is still there after {DOCKER_REMOVE:.0f} s")
            try:
                self.slow.request("DELETE", f"/containers/{self.name}?force=true&v=true")
            except docker_api.DockerError as error:
                if error.status not in (404, 409):
                    raise
                time.sleep(0.05)
        return existed


def wait_for_dockerd(container: Container, wait: Callable[[str], None]) -> None:
    """Return when dockerd answers; ``wait`` is called with a status between two tries. Raises GiveUp."""
    begin = time.monotonic()
    waited = False
    while (silence := container.silence()) is not None:
        if time.monotonic() - begin > DOCKER_WAIT:
            raise GiveUp(GONE, f"dockerd has not answered for {DOCKER_WAIT:.0f} s: {silence}")
        if not waited:
            say(f"waiting for dockerd: {silence}", level=4)
        waited = True
        wait(f"waiting for dockerd: {silence}")


def remove_stale_container(container: Container) -> None:
    """Remove what an earlier run of the service has left behind. Raises GiveUp."""
    try:
        if container.state() == "foreign":
            raise GiveUp(
                "THOR-CONTAINER-TAKEN",
                f"the container {container.name} is not ours (it lacks the label {container.label}). "
                f"Remove it (docker rm --force {container.name}), or give the service another name",
            )
        if container.remove():
            say(f"removed a container {container.name} that was left over", level=4)
    except docker_api.DockerError as error:
        raise GiveUp(GONE, f"the container {container.name} of an earlier start cannot be removed: {error}") from None


def remove_orphan(container: Container | None) -> None:
    """After the end of the main process: make sure that it left no container."""
    try:
        if container is not None and container.remove():
            say(f"removed the container {container.name}, which outlived its supervisor", level=4)
    except docker_api.DockerError as error:
        say(f"cannot tell whether a container is left: {error}. The next start looks again", level=4)
