# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One file of a plain URL: whether it is there, what would be fetched, and fetching it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import errors, web
from ansible_collections.jetson.thor.plugins.module_utils.models.download import ask, download, limit_of
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import Meter, Reporter, hash_file, silent
from ansible_collections.jetson.thor.plugins.module_utils.models.install import free_name
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import (
    ASIDE,
    PARTIAL,
    SCHEMA,
    diff_line,
    is_intact,
    read_manifest,
    record_of,
    size_of,
    url_pin,
    write_manifest,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.parameters import parse_checksum
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging, refuse_full, target_of


def complete(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest's record of the file if it is there and is the wanted one; None otherwise."""
    path = Path(spec["path"])
    record = _recorded(path).get(spec["file"])
    if record is None or not is_intact(path / spec["file"], record):
        return None
    if spec["checksum"]:
        kind, value = parse_checksum(spec["checksum"])
        known = record["checksum"] == f"{kind}:{value}" or (kind == "sha256" and record["sha256"] == value)
        return record if known else None
    return record if record["url"] == spec["url"] else None


def _recorded(path: Path) -> dict[str, dict[str, Any]]:
    """The files of a directory's manifest."""
    return (read_manifest(path) or {}).get("files") or {}


def result_of(spec: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """What the module returns about a file that is there."""
    return {"path": spec["path"], "file": spec["file"], "bytes": record["size"], "sha256": record["sha256"]}


def predict(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The module's result in check mode: opens the URL for its size, reads no content. Raises FetchError."""
    path = Path(spec["path"])
    _refuse_place(spec, path)
    record = complete(spec)
    if record is not None:
        return {"changed": False, "fetched_bytes": 0, "warnings": [], **result_of(spec, record)}
    try:
        answer = ask(spec, {})
    except web.TRANSPORT as error:
        web.refuse_lasting(spec, spec["url"], error)
        raise errors.unreachable(spec["url"], spec, web.why(error)) from error
    if answer.response is None:
        raise errors.bad_answer(spec, f"HTTP {answer.status} for {spec['url']}.")
    answer.response.close()
    size = answer.rest
    limit_of(spec, size)
    refuse_full(spec, path, size or 0)
    kind, value = parse_checksum(spec["checksum"]) if spec["checksum"] else ("", "")
    length = "unknown" if size is None else f"{size:,}"
    after = f"{spec['file']}  {length} bytes  {spec['checksum'] or 'no checksum'}\n"
    summary = f"to fetch: {length} bytes in 1 file from {spec['url']}\n"
    unpinned = f"{spec['url']} has no checksum: its content will be trusted on first use."
    return {
        "changed": True,
        "fetched_bytes": size or 0,
        "warnings": [] if spec["checksum"] else [unpinned],
        "diff": _diff(spec, str(path), _recorded(path).get(spec["file"]), after + summary),
        **result_of(spec, {"size": size, "sha256": value if kind == "sha256" else None}),
    }


def fetch(spec: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make the file of a URL present; the module's result."""
    final = target_of(spec)
    folder = final.parent
    _refuse_place(spec, folder)
    with Staging(spec, final) as stage:
        manifest = read_manifest(folder)
        before = manifest["files"] if manifest else {}
        fetched, warnings = 0, []
        record = _verified(spec, final, report) or _adopt(spec, final, report)
        if record is None:
            fetched, sha256 = download(stage, spec, report)
            warnings += _install(stage, spec, final, sha256, spec["file"] in before)
            record = _record(spec, final, sha256)
        if not spec["checksum"]:
            warnings.append(
                f"{spec['url']} has no checksum: its content was trusted on first use, sha256 {record['sha256']}. "
                "Record it with script/lock."
            )
        record = record | {"url": spec["url"], "checksum": spec["checksum"]}
        wanted = manifest_of(before | {spec["file"]: record})
        changed = wanted != manifest
        after = diff_line(spec["file"], record["size"], record["sha256"]) + "\n"
        diff = {"diff": _diff(spec, spec["path"], before.get(spec["file"]), after)} if changed else {}
        if changed:
            write_manifest(folder, wanted)
        stage.remove()
    return {"changed": changed, "fetched_bytes": fetched, "warnings": warnings, **diff, **result_of(spec, record)}


def _verified(spec: Mapping[str, Any], final: Path, report: Reporter) -> dict[str, Any] | None:
    """The manifest's record of the file, after verifying its checksum if that is asked for."""
    record = complete(spec)
    if record is not None and spec["verify_checksums"] and hash_file(final, silent) != record["sha256"]:
        report.say(f"{final}: its content has changed: fetching it again")
        return None
    return record


def _adopt(spec: Mapping[str, Any], final: Path, report: Reporter) -> dict[str, Any] | None:
    """The record of a file that is there already and has the checksum: whoever put it there, it need not be fetched."""
    if not spec["checksum"] or not final.is_file() or final.is_symlink():
        return None
    kind, value = parse_checksum(spec["checksum"])
    update = Meter(report, size_of(final)).start(size_of(final), f"verify {final.name}")
    if hash_file(final, update, kind) != value:
        return None
    return _record(spec, final, value if kind == "sha256" else hash_file(final, update))


def _record(spec: Mapping[str, Any], path: Path, sha256: str) -> dict[str, Any]:
    return record_of(path, sha256, "lock" if spec["checksum"] else "first use")


def _install(stage: Staging, spec: Mapping[str, Any], final: Path, sha256: str, ours: bool) -> list[str]:
    """Give the downloaded file its final name; returns a warning if somebody else's file was kept beside it."""
    warnings = []
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists() and not ours and hash_file(final, silent) != sha256:
        kept = free_name(final.with_name(final.name + ASIDE))
        os.link(final, kept)
        warnings.append(f"{final} was not put there by this module and differs: kept as {kept.name}.")
    os.replace(stage.tree / (spec["file"] + PARTIAL), final)
    return warnings


def manifest_of(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest of a folder with these files from plain URLs."""
    return {
        "schema": SCHEMA,
        "source": "url",
        "id": None,
        "revision": None,
        "include": sorted(url_pin(name, item["url"], item["checksum"]) for name, item in files.items()),
        "lock": "",
        "files": dict(sorted(files.items())),
    }


def _diff(spec: Mapping[str, Any], path: str, held: Mapping[str, Any] | None, after: str) -> dict[str, str]:
    return {
        "before_header": path,
        "after_header": f"{path} ({spec['url']})",
        "before": diff_line(spec["file"], held["size"], held["sha256"]) + "\n" if held else "",
        "after": after,
    }


def _refuse_place(spec: Mapping[str, Any], path: Path) -> None:
    manifest = read_manifest(path)
    if manifest is not None and manifest["source"] != "url":
        raise errors.other_source(spec, manifest)
    if path.exists() and not path.is_dir():
        raise errors.bad_path(path, "is not a directory.")
    if (path / spec["file"]).is_dir():
        raise errors.bad_path(path / spec["file"], "is a directory, and the file of the URL belongs there.")
