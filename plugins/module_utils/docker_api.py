# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The Docker Engine API over dockerd's socket, with nothing but the standard library.

We speak the API version of Docker 20.10, the oldest that a device may have. Engines that no longer support it (Docker 29,
moby#51186) name the oldest version they support, and we use that.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import tarfile
from collections.abc import Callable, Generator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import bounded

# Where containerd keeps image layers by default.
CONTAINERD_ROOT = "/var/lib/containerd"
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}  # the kernel's name: the name that images use

SOCKET = "/run/docker.sock"
VERSION = "1.41"
# The longest answers list all images of a host (some kilobytes each), or contain a container's output.
MOST_BYTES = 64 * 1024 * 1024
LONGEST_LINE = 1024 * 1024
SLOWEST = 30  # the limit for a whole answer, as a multiple of the timeout, which limits silence

_TOO_OLD = re.compile(r"client version [\d.]+ is too old\. Minimum supported API version is (\d+\.\d+)")


class DockerError(Exception):
    """dockerd refused (``status`` is 400 or more) or did not answer (``status`` is None)."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path
        self.raw: socket.socket | None = None

    def connect(self) -> None:
        """Open the unix socket instead of a TCP connection."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.settimeout(self.timeout)
        try:
            connected.connect(self._path)
        except OSError:
            connected.close()
            raise
        self.sock = self.raw = connected


class Docker:
    """One dockerd. Each request opens its own connection, so an object may be kept indefinitely.

    Beware: with systemd's socket activation, connecting to the socket of a stopped dockerd starts it. Code that only observes
    must check :func:`docker_host.observe`'s ``running`` first.
    """

    def __init__(self, socket_path: str = SOCKET, timeout: float = 10.0) -> None:
        self.socket_path = socket_path
        self.timeout = timeout
        self.version = VERSION

    def get(self, path: str) -> Any:
        """dockerd's answer to GET ``path`` (``/images/json``), decoded. Raises DockerError."""
        return self.request("GET", path)

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The answer to one request: decoded JSON, text if it is not JSON, None if it is empty. Raises DockerError.

        ``body`` is sent as JSON; bytes are a tar archive. A 304 (already started or stopped) is an empty answer, not an error.
        """
        connection, answer = self._send(self.timeout, method, path, body, headers)
        try:
            content = bounded.read(answer, MOST_BYTES, SLOWEST * self.timeout)
        except bounded.TooMuch as error:
            raise DockerError(f"dockerd's answer to {method} {path} does not end: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()
        text = content.decode(errors="replace")
        try:
            return bounded.parse(text) if text else None
        except ValueError:
            return text

    def delete(self, path: str) -> None:
        """Remove something that may be gone already. Raises DockerError."""
        try:
            self.request("DELETE", path)
        except DockerError as error:
            if error.status != 404:
                raise

    def stream(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        timeout: float | Callable[[], float] | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """The JSON objects of a long answer as they arrive, one per line, for pulls. Raises DockerError.

        ``timeout`` (seconds, the object's own by default) is how long dockerd may be silent; a function is called before
        each line. A longer silence is an error of status None whose cause is a TimeoutError. Closing the iterator ends the
        request: dockerd cancels a pull whose client has gone.
        """
        allowed = timeout if callable(timeout) else lambda: self.timeout if timeout is None else timeout
        connection, answer = self._send(allowed(), method, path, None, headers)
        try:
            while line := answer.readline(LONGEST_LINE):
                if line.strip():
                    yield _object(line)
                if connection.raw is not None:
                    connection.raw.settimeout(allowed())
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()

    def _send(
        self, timeout: float, method: str, path: str, body: Any, headers: Mapping[str, str] | None
    ) -> tuple[_Connection, http.client.HTTPResponse]:
        """Send a request, and again if dockerd asks for another API version."""
        while True:
            connection = _Connection(self.socket_path, timeout)
            try:
                return connection, _ask(connection, method, f"/v{self.version}{path}", body, headers)
            except DockerError as error:
                connection.close()
                minimum = _TOO_OLD.search(error.message)
                if minimum is None or minimum[1] == self.version:
                    raise
                self.version = minimum[1]
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise self._silent(error) from error

    def _silent(self, error: Exception) -> DockerError:
        return DockerError(f"dockerd does not answer on {self.socket_path}: {error or type(error).__name__}")


def _ask(
    connection: _Connection, method: str, path: str, body: Any, headers: Mapping[str, str] | None
) -> http.client.HTTPResponse:
    """Send a request and return its unread answer. Raises DockerError for a refusal."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/x-tar" if content is body else "application/json"
    more = {} if content is None else {"Content-Type": kind}
    connection.request(method, path, body=content, headers={**more, **(headers or {})})
    answer = connection.getresponse()
    if answer.status >= 400:
        text = bounded.start(answer, LONGEST_LINE, SLOWEST).decode(errors="replace")
        try:
            text = bounded.parse(text)["message"]
        except (ValueError, KeyError, TypeError):
            text = text.strip()
        raise DockerError(str(text) or answer.reason, answer.status)
    return answer


def _object(line: bytes) -> dict[str, Any]:
    """One line of a stream."""
    try:
        data = bounded.parse(line)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise DockerError(f"dockerd answered a line that is not a JSON object: {line[:200]!r}")
    return data


def has_containerd_store(info: Mapping[str, Any]) -> bool:
    """Whether this dockerd (``GET /info``) keeps images in containerd's store: the driver is one of containerd's snapshotters."""
    return ["driver-type", "io.containerd.snapshotter.v1"] in [list(one) for one in info.get("DriverStatus") or []]


def tar_archive(contents: Mapping[str, bytes], mode: int = 0o644) -> bytes:
    """A tar archive of files by their names."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()
