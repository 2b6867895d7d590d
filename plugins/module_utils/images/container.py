# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Short-lived containers of an image: created, started, waited for and always removed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError, tar_archive

POLL_SECONDS = 0.5


@contextlib.contextmanager
def started(
    docker: Docker, name: str, body: Mapping[str, Any], files: Mapping[str, bytes] | None = None
) -> Iterator[None]:
    """A started container with these files in its root folder. Removes an earlier run's container of that name first."""
    host = {"LogConfig": {"Type": "json-file"}, **body["HostConfig"]}
    path = f"/containers/{name}"
    docker.delete(f"{path}?force=1&v=1")
    # Without a terminal the log is framed.
    body = {**body, "Tty": True, "Labels": {name: "yes"}, "HostConfig": host}
    docker.request("POST", f"/containers/create?name={name}", body)
    try:
        if files:
            docker.request("PUT", f"{path}/archive?path=/", tar_archive(files, 0o600))
        docker.request("POST", f"{path}/start")
        yield
    finally:
        with contextlib.suppress(DockerError):
            docker.delete(f"{path}?force=1&v=1")


def wait(
    docker: Docker, name: str, seconds: float, show: Callable[[str], None] = lambda _output: None
) -> tuple[int | None, str]:
    """The exit status of a container, None if it took too long, and its output; ``show`` gets the output so far."""
    deadline = time.monotonic() + seconds
    while True:
        state = docker.get(f"/containers/{name}/json")["State"]
        output = str(docker.get(f"/containers/{name}/logs?stdout=1&stderr=1&tail=200") or "")
        if not state["Running"]:
            return int(state["ExitCode"]), output
        if time.monotonic() > deadline:
            return None, output
        show(output)
        time.sleep(POLL_SECONDS)


def ended(status: int | None) -> str:
    """How a container ended, for a message."""
    return "did not end in time" if status is None else f"ended with {status}"


def tail(output: str, lines: int = 15) -> str:
    """The last lines of a container's output, on one line."""
    return " | ".join([line.strip() for line in output.splitlines() if line.strip()][-lines:]) or "no output"
