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
from ansible_collections.jetson.thor.plugins.module_utils.models.hubs import HUBS
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem


class FetchError(Exception):
    """A failure that a person can do something about."""

    def __init__(self, code: str, variable: str, value: Any, reason: str, remedy: str) -> None:
        self.problem = Problem(code, variable, value, reason, remedy)
        super().__init__(self.problem.text())


def what(spec: Mapping[str, Any]) -> str:
    """The target, as a person calls it."""
    if spec["source"] == "url":
        return str(spec["url"])
    sources = [spec] if "id" in spec else spec["sources"]
    return " or ".join(dict.fromkeys(f"{one['id']} at {one['revision']}" for one in sources))


def _place(spec: Mapping[str, Any]) -> tuple[str, str]:
    return ("url", spec["url"]) if spec["source"] == "url" else ("endpoint", spec["endpoint"])


def _mirror(spec: Mapping[str, Any]) -> str:
    return HUBS[spec["hub"] if spec["source"] == "hub" else "modelscope"].endpoint_variable


def unreachable(url: str, spec: Mapping[str, Any], reason: str) -> FetchError:
    """No answer, after all attempts."""
    return FetchError(
        "THOR-HUB-UNREACHABLE",
        *_place(spec),
        f"no answer from {url} in {spec['retries'] + 1} attempts: {reason}.",
        f"Check address, name service, proxy and firewall of the host ({_mirror(spec)} names a mirror).",
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
        remedy = f"Check address and proxy of the host ({_mirror(spec)} names a mirror)."
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
        "Run the play again later; if the error stays, check that the address is "
        + (f"a {HUBS[spec['hub']].title} hub or a mirror of one." if spec["source"] == "hub" else "right."),
    )


def not_found(spec: Mapping[str, Any], name: str = "") -> FetchError:
    """The model, revision or file does not exist."""
    if spec["source"] == "url":
        return FetchError("THOR-MODEL-NOT-FOUND", "url", spec["url"], "there is no such file.", "Check the address.")
    file = f"file {name} of " if name else ""
    token = HUBS[spec["hub"]].token_variable
    who = f"to a token that may not read it ({token})" if spec["token"] else f"without a token ({token}, in a vault)"
    return FetchError(
        "THOR-MODEL-NOT-FOUND",
        "id",
        spec["id"],
        f"{spec['endpoint']} has no {file}model {spec['id']} at revision {spec['revision']}, or no files there, or hides it.",
        f"Check id and revision on the hub's page of the model. A private model looks the same {who}.",
    )


def no_revision(spec: Mapping[str, Any]) -> FetchError:
    """The model exists, and not this revision of it."""
    return FetchError(
        "THOR-MODEL-REVISION",
        "revision",
        spec["revision"],
        f"{spec['endpoint']} has {spec['id']}, and no branch, tag or commit of this name there.",
        "Name a revision that the hub's page of the model lists, or none for its default branch.",
    )


def denied(spec: Mapping[str, Any], status: int, said: str = "") -> FetchError:
    """The target needs a login, or another one."""
    if spec["source"] == "url":
        remedy = "Only files that need no login can be fetched."
    else:
        remedy = f"Set {HUBS[spec['hub']].token_variable} (in a vault) to a token that may read it."
    words = f" The hub says: {said[:200]}" if said else ""
    return FetchError("THOR-MODEL-DENIED", *_place(spec), f"HTTP {status}: {what(spec)} is not public.{words}", remedy)


def gated(spec: Mapping[str, Any], status: int) -> FetchError:
    """A model whose owner grants access to whoever asks: nobody has asked with this token, or there is none."""
    page, token = f"{spec['endpoint']}/{spec['id']}", HUBS[spec["hub"]].token_variable
    if spec["token"]:
        reason = f"HTTP {status}: it is gated, and the account of {token} has no access to it."
        remedy = f"Ask for access at {page}, logged in with that account, and run the play again once it is granted."
    else:
        reason = f"HTTP {status}: it is gated, and there is no token."
        remedy = f"Ask for access at {page}, then set {token} (in a vault) to a token of that account."
    return FetchError("THOR-MODEL-GATED", "id", spec["id"], reason, remedy)


def limited(spec: Mapping[str, Any], url: str, wait: float | None) -> FetchError:
    """Too many requests, and no end of that soon."""
    when = f"it asks to retry {network_errors.back_in(wait)}" if wait else "it does not say for how long"
    token = (
        f" A token ({HUBS[spec['hub']].token_variable}, in a vault) has a limit of its own."
        if spec["source"] == "hub"
        else ""
    )
    return FetchError(
        "THOR-HUB-LIMIT",
        *_place(spec),
        f"{url} refuses, because it was asked too often: {when}.",
        f"Run the play again then: it continues from there.{token} Hosts behind one address share one limit.",
    )


def pointer(spec: Mapping[str, Any], name: str, whose: str) -> FetchError:
    """A pointer of Git LFS in place of the file."""
    return FetchError(
        "THOR-LFS-POINTER",
        "file",
        name,
        f"{what(spec)} has the pointer of Git LFS in place of this file: {whose}. Nothing was given its final name.",
        "Fetch it from the hub itself, or make the mirror with git-lfs installed.",
    )


def no_source(spec: Mapping[str, Any], failures: list[FetchError]) -> FetchError:
    """No source of several can deliver the model."""
    reasons = " ".join(
        f"{HUBS[one['hub']].title} ({one['id']}): {error.problem.code}, {error.problem.reason}"
        for one, error in zip(spec["sources"], failures, strict=True)
    )
    remedies = dict.fromkeys(error.problem.remedy for error in failures)
    names = [one["id"] for one in spec["sources"]]
    return FetchError("THOR-MODEL-NO-SOURCE", "sources", names, f"no hub can deliver it. {reasons}", " ".join(remedies))


def cut(variable: str, value: str, transfer: str, times: int, reason: str) -> FetchError:
    """A connection that breaks again and again."""
    return FetchError(
        "THOR-TRANSFER-CUT",
        variable,
        value,
        f"{transfer} was interrupted again and again, the last {times} times without a byte: {reason}.",
        "Run the play again when the connection or the server is better: it continues from there.",
    )


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
        f"the virtual environment of the client of {HUBS[spec['hub']].title} does not work: {reason}",
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
