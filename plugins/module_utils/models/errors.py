# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong when a file is fetched: a code, the culprit, the reason and the way out, one function for each."""

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
    return f"{spec['id']} at {spec['revision']}" if spec["source"] == "modelscope" else str(spec["url"])


def _place(spec: Mapping[str, Any]) -> tuple[str, str]:
    return ("endpoint", spec["endpoint"]) if spec["source"] == "modelscope" else ("url", spec["url"])


def unreachable(url: str, spec: Mapping[str, Any], reason: str) -> FetchError:
    return FetchError(
        "THOR-HUB-UNREACHABLE",
        *_place(spec),
        f"no answer from {url} in {spec['retries'] + 1} attempts: {reason}.",
        "Check address, name service, proxy and firewall of the host (thor_modelscope_endpoint names a mirror).",
    )


def refused_line(url: str, spec: Mapping[str, Any], reason: str) -> FetchError:
    """A connection that failed for a reason that does not pass by itself."""
    if network_errors.clock_is_behind(reason):
        return FetchError(
            "THOR-CLOCK-WRONG",
            *_place(spec),
            f"the certificate of {url} is valid only later than this host's clock says: {reason}.",
            network_errors.CLOCK_REMEDY,
        )
    if "certificate" in reason.lower():
        remedy = "Install the certificate of the server's authority on the host (update-ca-certificates), or check its clock."
    else:
        remedy = "Check address and proxy of the host (thor_modelscope_endpoint names a mirror)."
    return FetchError("THOR-HUB-UNREACHABLE", *_place(spec), f"{url} cannot be talked to: {reason}.", remedy)


def too_long(spec: Mapping[str, Any], limit: int, announced: int | None = None) -> FetchError:
    """A file that is longer than it may be."""
    more = f"announces {announced:,} bytes" if announced is not None else "goes on and on"
    return FetchError(
        "THOR-HUB-ANSWER",
        "url",
        spec["url"],
        f"it {more}, and the file has at most {limit:,}. Nothing was put under its final name.",
        "Check the address; where it is right, mend the model's bytes in the catalog (estimated: true allows for twice as many).",
    )


def bad_answer(spec: Mapping[str, Any], reason: str) -> FetchError:
    return FetchError(
        "THOR-HUB-ANSWER",
        *_place(spec),
        f"it answers, but not with what was asked for: {reason}",
        "Run the play again later; if it stays so, check that the address is a ModelScope hub or a mirror of one.",
    )


def not_found(spec: Mapping[str, Any], name: str = "") -> FetchError:
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
    remedy = (
        "Set thor_modelscope_token (in a vault) to a token that may read it."
        if spec["source"] == "modelscope"
        else "Only files that need no login can be fetched."
    )
    return FetchError("THOR-MODEL-DENIED", *_place(spec), f"HTTP {status}: {what(spec)} is not for everybody.", remedy)


def bad_content(spec: Mapping[str, Any], name: str, expected: str, got: str) -> FetchError:
    return FetchError(
        "THOR-CHECKSUM",
        "file",
        name,
        f"{what(spec)} delivers {got}, expected {expected}. Nothing was put under its final name.",
        "If it stays so, the file is damaged on the hub or on the way (a proxy that rewrites?), or the pin is wrong.",
    )


def bad_client(spec: Mapping[str, Any], reason: str) -> FetchError:
    return FetchError(
        "THOR-HUB-CLIENT",
        "client",
        spec["client"],
        f"the virtual environment of modelscope-hub does not work: {reason}",
        "Remove that directory and run the play again; the role model_store makes it anew.",
    )


def bad_argument(variable: str, value: Any, remedy: str) -> FetchError:
    """What was asked for cannot be understood."""
    return FetchError("THOR-FETCH-ARGUMENT", variable, value, "this cannot be meant.", remedy)


def bad_path(path: Path, reason: str) -> FetchError:
    return FetchError(
        "THOR-STORE-PATH", "path", str(path), f"it {reason}", "Choose another directory, or move what is there."
    )


def other_source(spec: Mapping[str, Any], manifest: Mapping[str, Any]) -> FetchError:
    return bad_path(Path(spec["path"]), f"holds files of the source {manifest['source']}, and {what(spec)} is another.")


def os_problem(spec: Mapping[str, Any], error: OSError) -> FetchError | None:
    """The problem behind an error of the file system; None for what is none of a person's business."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = shutil.disk_usage(existing(Path(spec["path"]))).free
        return FetchError(
            "THOR-DISK-FULL",
            "path",
            spec["path"],
            f"{error.strerror} while {what(spec)} was brought; {free:,} bytes are free now. What has arrived is kept.",
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
