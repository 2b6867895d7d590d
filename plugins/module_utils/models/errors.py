# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong when a file is fetched: a code, the culprit, the reason and the remedy, one function for each."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem


class FetchError(Exception):
    """A failure that a person can do something about."""

    def __init__(self, code: str, variable: str, value: Any, reason: str, remedy: str) -> None:
        self.problem = Problem(code, variable, value, reason, remedy)
        super().__init__(self.problem.text())


def what(spec: Mapping[str, Any]) -> str:
    """The target, as a person calls it."""
    return f"{spec['id']} at {spec['revision']}" if spec["source"] == "modelscope" else str(spec["url"])


def _place(spec: Mapping[str, Any]) -> tuple[str, str]:
    return ("endpoint", spec["endpoint"]) if spec["source"] == "modelscope" else ("url", spec["url"])


def unreachable(url: str, spec: Mapping[str, Any], reason: str) -> FetchError:
    """No answer, after all attempts."""
    return FetchError(
        "THOR-HUB-UNREACHABLE",
        *_place(spec),
        f"no answer from {url} in {spec['retries'] + 1} attempts: {reason}.",
        "Check address, name service, proxy and firewall of the host (thor_modelscope_endpoint names a mirror).",
    )


def refused_line(url: str, spec: Mapping[str, Any], reason: str) -> FetchError:
    """A connection that failed for a lasting reason."""
    if network_errors.clock_is_behind(reason):
        return FetchError(
            "THOR-CLOCK-WRONG",
            *_place(spec),
            f"the certificate of {url} is not yet valid by this host's clock: {reason}.",
            network_errors.CLOCK_REMEDY,
        )
    if "certificate" in reason.lower():
        remedy = "Install the certificate of the server's authority on the host (update-ca-certificates), or check its clock."
    else:
        remedy = "Check address and proxy of the host (thor_modelscope_endpoint names a mirror)."
    return FetchError("THOR-HUB-UNREACHABLE", *_place(spec), f"cannot connect to {url}: {reason}.", remedy)


def too_long(spec: Mapping[str, Any], limit: int, announced: int | None = None) -> FetchError:
    """A file that exceeds its limit."""
    more = f"announces {announced:,} bytes" if announced is not None else "does not end"
    return FetchError(
        "THOR-HUB-ANSWER",
        "url",
        spec["url"],
        f"it {more}, and the limit is {limit:,} bytes. Nothing was given its final name.",
        "Check the address; if it is right, correct the model's bytes in the catalog (estimated: true allows twice as many).",
    )


def bad_answer(spec: Mapping[str, Any], reason: str) -> FetchError:
    """An answer, but not the requested one."""
    return FetchError(
        "THOR-HUB-ANSWER",
        *_place(spec),
        f"it answers, but not as requested: {reason}",
        "Run the play again later; if the error stays, check that the address is a ModelScope hub or a mirror of one.",
    )


def not_found(spec: Mapping[str, Any], name: str = "") -> FetchError:
    """The model, revision or file does not exist."""
    if spec["source"] == "url":
        return FetchError("THOR-MODEL-NOT-FOUND", "url", spec["url"], "there is no such file.", "Check the address.")
    file = f"file {name} of " if name else ""
    return FetchError(
        "THOR-MODEL-NOT-FOUND",
        "id",
        spec["id"],
        f"{spec['endpoint']} has no {file}model {spec['id']} at revision {spec['revision']}, or no files there, or hides it.",
        "Check id and revision on the hub's page of the model.",
    )


def denied(spec: Mapping[str, Any], status: int) -> FetchError:
    """The target needs a login."""
    remedy = (
        "Set thor_modelscope_token (in a vault) to a token that may read it."
        if spec["source"] == "modelscope"
        else "Only files that need no login can be fetched."
    )
    return FetchError("THOR-MODEL-DENIED", *_place(spec), f"HTTP {status}: {what(spec)} is not public.", remedy)


def bad_content(spec: Mapping[str, Any], name: str, expected: str, got: str) -> FetchError:
    """A file with another size or hash than expected."""
    return FetchError(
        "THOR-CHECKSUM",
        "file",
        name,
        f"{what(spec)} delivers {got}, expected {expected}. Nothing was given its final name.",
        "If the error stays, the file is damaged on the hub or on the way (a rewriting proxy?), or the pin is wrong.",
    )


def bad_client(spec: Mapping[str, Any], reason: str) -> FetchError:
    """The hub client cannot be used."""
    return FetchError(
        "THOR-HUB-CLIENT",
        "client",
        spec["client"],
        f"the virtual environment of modelscope-hub does not work: {reason}",
        "Remove that directory and run the play again; the role model_store creates it again.",
    )


def bad_argument(variable: str, value: Any, remedy: str) -> FetchError:
    """A parameter that is not valid."""
    return FetchError("THOR-FETCH-ARGUMENT", variable, value, "invalid value.", remedy)


def bad_path(path: Path, reason: str) -> FetchError:
    """The target's place cannot be used."""
    return FetchError(
        "THOR-STORE-PATH", "path", str(path), f"it {reason}", "Choose another directory, or move what is there."
    )


def other_source(spec: Mapping[str, Any], manifest: Mapping[str, Any]) -> FetchError:
    """The directory belongs to another source."""
    return bad_path(
        Path(spec["path"]), f"holds files of the source {manifest['source']}, and {what(spec)} has another."
    )


def os_problem(spec: Mapping[str, Any], error: OSError) -> FetchError | None:
    """The problem behind a file system error; None if a person cannot put it right."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = shutil.disk_usage(existing(Path(spec["path"]))).free
        return FetchError(
            "THOR-DISK-FULL",
            "path",
            spec["path"],
            f"{error.strerror} while {what(spec)} was fetched; {free:,} bytes are free now. What has arrived is kept.",
            "Make room, or place the models on another disk.",
        )
    if error.errno in (
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EXDEV,
        errno.EMLINK,
        errno.EIO,
        errno.ENAMETOOLONG,
    ):
        return FetchError(
            "THOR-STORE-WRITE",
            "path",
            spec["path"],
            f"the file system refuses: {error}.",
            "Models need a local file system with hard links that root may write.",
        )
    return None


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    while not path.exists():
        path = path.parent
    return path
