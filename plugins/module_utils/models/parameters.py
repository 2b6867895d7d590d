# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From the parameters of a module to the specification of its job."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import proxy
from ansible_collections.jetson.thor.plugins.module_utils.model_origin import COMMIT
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import bad_argument
from ansible_collections.jetson.thor.plugins.module_utils.models.hubs import HUBS
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST

# Settings of the play's environment for outgoing connections.
INHERITED = {"http_proxy", "https_proxy", "no_proxy", "all_proxy", "ssl_cert_file", "requests_ca_bundle"}
_HUB = {"endpoint": {"type": "str"}, "token": {"type": "str", "no_log": True}, "client": {"type": "path"}}
HUBS_ARGUMENT: dict[str, Any] = {
    "type": "dict",
    "options": {name: {"type": "dict", "options": _HUB} for name in sorted(HUBS)},
    "default": {},
}
# Options of hub_model and url_model (doc_fragments/model_files.py).
ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "staging": {"type": "path"},
    "verify_checksums": {"type": "bool", "default": False},
    "retries": {"type": "int", "default": 3},
    "idle_timeout": {"type": "int", "default": 30},
    "timeout": {"type": "int", "default": 172800},
    "proxy": proxy.ARGUMENT,
}


def model_spec(params: Mapping[str, Any]) -> dict[str, Any]:
    """The job's specification from the parameters of hub_model. Raises FetchError THOR-FETCH-ARGUMENT."""
    if not params["sources"]:
        raise bad_argument("sources", params["sources"], "Name at least one hub.")
    if not params["include"]:
        raise bad_argument("include", params["include"], "Name at least one file or pattern.")
    sha256 = {name: str(digest).lower() for name, digest in params["sha256"].items()}
    for name, digest in sha256.items():
        parse_checksum(f"sha256:{digest}", f"sha256[{name}]")
    return {
        "source": "hub",
        "sources": [
            _source(one, params["hubs"].get(one["hub"]) or {}, f"sources[{number}]")
            for number, one in enumerate(params["sources"])
        ],
        "include": sorted(set(params["include"])),
        "exclude": sorted(set(params["exclude"])),
        "sha256": sha256,
        "update": params["update"],
        "beside": params["beside"],
        **_common(params),
    }


def _source(given: Mapping[str, Any], reached: Mapping[str, Any], variable: str) -> dict[str, Any]:
    """One hub of a model, how it is ``reached``, and what the parameters leave out."""
    hub = HUBS[given["hub"]]
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", given["id"]):
        raise bad_argument(f"{variable}.id", given["id"], "Write it as owner/name.")
    revision = given.get("revision") or hub.branch
    if not revision.isprintable() or any(one.isspace() for one in revision):
        raise bad_argument(f"{variable}.revision", revision, "Write a branch, a tag or a commit.")
    commit = given.get("commit")
    if commit and not COMMIT.fullmatch(commit):
        raise bad_argument(f"{variable}.commit", commit, "Write the 40 digits of a commit.")
    return {
        "hub": given["hub"],
        "id": given["id"],
        "revision": revision,
        **({"commit": commit} if commit else {}),
        **reach(given["hub"], reached),
        "client": reached.get("client") or hub.client,
    }


def reach(hub: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The endpoint and the token of a hub. Raises FetchError THOR-FETCH-ARGUMENT, without what may be a secret."""
    endpoint: str = (given.get("endpoint") or HUBS[hub].endpoint).rstrip("/")
    if "@" in re.split(r"[/?#]", endpoint.partition("://")[2])[0]:
        remedy = f"An address has no user or password: messages and diffs show it. {HUBS[hub].token_variable} is for a token."
        raise bad_argument(f"hubs.{hub}.endpoint", None, remedy)
    return {"endpoint": endpoint, "token": _token(given.get("token"), f"hubs.{hub}.token")}


def _token(given: str | None, variable: str) -> str | None:
    """A token as it fits into a header. What is not one is not shown, and no library may put it into a message."""
    token = (given or "").strip()  # a file or a vault ends with a line feed
    if not re.fullmatch(r"[!-~]*", token):
        raise bad_argument(variable, None, "A token has no blanks, line breaks or letters beyond ASCII.")
    return token or None


def url_spec(params: Mapping[str, Any]) -> dict[str, Any]:
    """The job's specification from the parameters of url_model. Raises FetchError THOR-FETCH-ARGUMENT."""
    if "/" in params["file"] or params["file"] in ("", ".", "..", MANIFEST):
        raise bad_argument("file", params["file"], "Write a file's name, without folders.")
    checksum = ":".join(parse_checksum(params["checksum"])) if params["checksum"] else None
    most = params["max_bytes"]
    if most is not None and most < 0:
        raise bad_argument("max_bytes", most, "Write a number of bytes.")
    same = {key: params[key] for key in ("url", "file", "max_bytes")}
    return {"source": "url", "checksum": checksum, **same, **_common(params)}


def _common(params: Mapping[str, Any]) -> dict[str, Any]:
    path = os.path.normpath(params["path"])
    if not path.startswith("/") or path == "/":
        raise bad_argument("path", params["path"], "Write an absolute path.")
    keys = ("staging", "verify_checksums", "retries", "idle_timeout", "timeout")
    # The job has systemd's environment, not the play's.
    inherited = {key: value for key, value in os.environ.items() if key.lower() in INHERITED}
    return {"path": path, "environment": inherited, **{key: params[key] for key in keys}}


def parse_checksum(text: str, variable: str = "checksum") -> tuple[str, str]:
    """``sha256:<hex>`` or ``sha1:<hex>`` as (kind, hex). Raises FetchError THOR-FETCH-ARGUMENT."""
    kind, value = text.split(":", 1) if ":" in text else ("", "")
    value = value.strip().lower()
    if {"sha256": 64, "sha1": 40}.get(kind) != len(value) or not re.fullmatch(r"[0-9a-f]+", value):
        raise bad_argument(variable, text, "Write sha256:<64 hex digits> or sha1:<40 hex digits>.")
    return kind, value
