# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP: open a URL as Ansible does, and bring the file of one, resumable and checked."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils import urls
from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import (
    FetchError,
    bad_answer,
    bad_argument,
    bad_content,
    bad_path,
    denied,
    not_found,
    other_source,
    refused_line,
    too_long,
    unreachable,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.store import (
    ASIDE,
    BLOCK,
    PARTIAL,
    SCHEMA,
    Meter,
    Reporter,
    Staging,
    diff_line,
    free_name,
    hash_file,
    is_intact,
    read_manifest,
    record_of,
    refuse_full,
    silent,
    size_of,
    write_manifest,
)
from ansible_collections.jetson.thor.plugins.module_utils.records import sync

# What a file may have whose size nobody has told.
UNSAID_BYTES = 2 * 1024**3
TRANSPORT = (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError)


def open_url(spec: Mapping[str, Any], url: str, headers: Mapping[str, str]) -> Any:
    """A GET by Ansible's own client, whose response is to be closed. Raises HTTPError, and what TRANSPORT names."""
    try:
        return urls.open_url(
            url,
            headers=dict(headers),
            timeout=spec["idle_timeout"],
            http_agent="jetson.thor",
            decompress=False,
            # A token is for the hub, and not for the store of blobs that it may redirect to.
            unredirected_headers=["Cookie"],
        )
    except (urls.ConnectionError, ValueError, OverflowError) as error:  # the client's own class, an unknown URL or port
        raise urllib.error.URLError(str(error)) from error


def why(error: BaseException) -> str:
    """The reason of a failed connection, in words."""
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)


def refuse_lasting(spec: Mapping[str, Any], url: str, error: BaseException) -> None:
    """Raise for a failed connection that is not of a kind that passes: asking again would be told the same."""
    if not network_errors.is_passing(error):
        raise refused_line(url, spec, why(error)) from error


def refuse_limit(spec: Mapping[str, Any], error: urllib.error.HTTPError) -> None:
    """Raise for a server that says when to come back, and that this is not soon."""
    seconds = network_errors.retry_after(error.headers.get("Retry-After")) if error.headers else None
    if seconds is not None and seconds > network_errors.LONGEST_WAIT:
        raise bad_answer(
            spec, f"HTTP {error.code} for {error.url}: it wants to be asked again {network_errors.back_in(seconds)}."
        )


def parse_checksum(text: str, variable: str = "checksum") -> tuple[str, str]:
    """``sha256:<hex>`` or ``sha1:<hex>`` as (kind, hex). Raises FetchError THOR-FETCH-ARGUMENT."""
    kind, value = text.split(":", 1) if ":" in text else ("", "")
    value = value.strip().lower()
    if {"sha256": 64, "sha1": 40}.get(kind) != len(value) or not re.fullmatch(r"[0-9a-f]+", value):
        raise bad_argument(variable, text, "Write sha256:<64 hex digits> or sha1:<40 hex digits>.")
    return kind, value


def url_pin(file: str, url: str, checksum: str | None) -> str:
    """One line that says what a file of a URL is held to: it stands in the manifest's ``include``."""
    return f"{file} {checksum or url}"


def url_complete(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest's record of the file when it is there and is the one that is asked for; None otherwise."""
    path = Path(spec["path"])
    record: dict[str, Any] | None = ((read_manifest(path) or {}).get("files") or {}).get(spec["file"])
    if record is None or not is_intact(path / spec["file"], record):
        return None
    if spec["checksum"]:
        kind, value = parse_checksum(spec["checksum"])
        known = record["checksum"] == f"{kind}:{value}" or (kind == "sha256" and record["sha256"] == value)
        return record if known else None
    return record if record["url"] == spec["url"] else None


def url_result(spec: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """What the module returns of a file that is there."""
    told = {"bytes": record["size"], "sha256": record["sha256"]}
    return {"path": spec["path"], "file": spec["file"], **told}


def plan_url(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The module's result in check mode: opens the URL for its size, reads no content. Raises FetchError."""
    path = Path(spec["path"])
    _refuse_place(spec, path)
    held = ((read_manifest(path) or {}).get("files") or {}).get(spec["file"])
    record = url_complete(spec)
    if record is not None:
        return {"changed": False, "fetched_bytes": 0, "warnings": [], **url_result(spec, record)}
    try:
        status, _validator, size, response = _ask(spec, {})
    except TRANSPORT as error:
        refuse_lasting(spec, spec["url"], error)
        raise unreachable(spec["url"], spec, why(error)) from error
    if response is None:
        raise bad_answer(spec, f"HTTP {status} for {spec['url']}.")
    response.close()
    _limit(spec, size)
    refuse_full(spec, path, size or 0)
    kind, value = parse_checksum(spec["checksum"]) if spec["checksum"] else ("", "")
    told = "unknown" if size is None else f"{size:,}"
    after = f"{spec['file']}  {told} bytes  {spec['checksum'] or 'no checksum'}\n"
    diff = {
        "before_header": str(path),
        "after_header": f"{path} ({spec['url']})",
        "before": diff_line(spec["file"], held["size"], held["sha256"]) + "\n" if held else "",
        "after": f"{after}to fetch: {told} bytes in 1 file from {spec['url']}\n",
    }
    foreseen = {"size": size, "sha256": value if kind == "sha256" else None}
    warnings = [] if spec["checksum"] else [f"{spec['url']} has no checksum: what comes will be trusted on first use."]
    return {
        "changed": True,
        "fetched_bytes": size or 0,
        "warnings": warnings,
        "diff": diff,
        **url_result(spec, foreseen),
    }


def bring_url(spec: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make the file of a URL present; the module's result."""
    folder = Path(os.path.realpath(spec["path"]))
    final = folder / spec["file"]
    _refuse_place(spec, folder)
    with Staging(spec, final) as stage:
        before = read_manifest(folder)
        record = url_complete(spec)
        if record is not None and spec["rehash"] and hash_file(final, silent) != record["sha256"]:
            report.say(f"{final}: its content is not what it was: it is fetched again")
            record = None
        fetched, warnings = 0, []
        if record is None:
            record = _adopt(spec, final, report)
        if record is None:
            fetched, sha256 = _stream(stage, spec, report)
            ours = before is not None and spec["file"] in before["files"]
            folder.mkdir(parents=True, exist_ok=True)
            if final.exists() and not ours and hash_file(final, silent) != sha256:
                kept = free_name(folder / (spec["file"] + ASIDE))
                os.link(final, kept)
                warnings.append(f"{final} was not put there by this module and differs: kept as {kept.name}.")
            os.replace(stage.tree / (spec["file"] + PARTIAL), final)
            record = _url_record(spec, final, sha256)
        if not spec["checksum"]:
            warnings.append(
                f"{spec['url']} has no checksum: its content was trusted on first use, sha256 {record['sha256']}. "
                "Record it with script/lock."
            )
        record = record | {"url": spec["url"], "checksum": spec["checksum"]}
        files = (before["files"] if before else {}) | {spec["file"]: record}
        manifest = {
            "schema": SCHEMA,
            "source": "url",
            "id": None,
            "revision": None,
            "include": sorted(url_pin(name, item["url"], item["checksum"]) for name, item in files.items()),
            "lock": "",
            "files": dict(sorted(files.items())),
        }
        changed = manifest != before
        held = (before["files"] if before else {}).get(spec["file"])
        diff = {
            "before_header": spec["path"],
            "after_header": f"{spec['path']} ({spec['url']})",
            "before": diff_line(spec["file"], held["size"], held["sha256"]) + "\n" if held else "",
            "after": diff_line(spec["file"], record["size"], record["sha256"]) + "\n",
        }
        if changed:
            write_manifest(folder, manifest)
        stage.remove()
    return {
        "changed": changed,
        "fetched_bytes": fetched,
        "warnings": warnings,
        **({"diff": diff} if changed else {}),
        **url_result(spec, record),
    }


def _url_record(spec: Mapping[str, Any], path: Path, sha256: str) -> dict[str, Any]:
    return record_of(path, sha256, "lock" if spec["checksum"] else "first use")


def _adopt(spec: Mapping[str, Any], final: Path, report: Reporter) -> dict[str, Any] | None:
    """The record of a file that is there already and has the checksum: whoever brought it, it need not come again."""
    if not spec["checksum"] or not final.is_file() or final.is_symlink():
        return None
    kind, value = parse_checksum(spec["checksum"])
    tell = Meter(report, size_of(final)).start(size_of(final), f"verify {final.name}")
    if hash_file(final, tell, kind) != value:
        return None
    return _url_record(spec, final, value if kind == "sha256" else hash_file(final, tell))


def _stream(stage: Staging, spec: Mapping[str, Any], report: Reporter) -> tuple[int, str]:
    """Bring the URL's body into the partial file, checked and durable. Returns bytes moved and the sha256."""
    part = stage.tree / (spec["file"] + PARTIAL)
    kind, expected = parse_checksum(spec["checksum"]) if spec["checksum"] else ("sha256", "")
    fetched = 0
    for attempt in range(2):
        moved, digests = _receive(stage, spec, part, {kind, "sha256"}, report)
        fetched += moved
        if not expected or digests[kind] == expected:
            part.chmod(0o644)
            sync(part)
            return fetched, digests["sha256"]
        report.say(f"{spec['url']}: {kind} is {digests[kind]}, expected {expected} (attempt {attempt + 1} of 2)")
        part.unlink()
    raise bad_content(spec, spec["file"], spec["checksum"], f"{kind}:{digests[kind]}")


def _receive(
    stage: Staging, spec: Mapping[str, Any], part: Path, kinds: set[str], report: Reporter
) -> tuple[int, dict[str, str]]:
    """Read the body to its end, going on after cuts for as long as bytes come."""
    fetched, reached, idle, status, reason = 0, size_of(part), 0, 0, ""
    while idle <= spec["retries"]:
        if idle:
            time.sleep(min(2.0 ** (idle - 1), 30))
        idle += 1
        have = size_of(part) if stage.journal.get("url") == spec["url"] else 0
        validator = stage.journal.get("validator")
        if not (validator or spec["checksum"]):
            have = 0  # nothing could tell whether the rest belongs to what is here
        headers = {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {}) if have else {}
        try:
            status, validator, rest, response = _ask(spec, headers)
        except TRANSPORT as error:
            refuse_lasting(spec, spec["url"], error)
            status, reason = 0, why(error)
            continue
        if response is None:
            if status == 416:
                part.unlink(missing_ok=True)
            continue
        with response:
            have = have if status == 206 else 0
            stage.journal = {"url": spec["url"], "validator": validator}
            stage.record()
            refuse_full(spec, stage.tree, rest or 0)
            digests = {kind: hashlib.new(kind) for kind in kinds}
            total = None if rest is None else have + rest
            limit = _limit(spec, total)
            with part.open("r+b" if have else "wb") as sink:
                while have > sink.tell():
                    block = sink.read(min(BLOCK, have - sink.tell()))
                    for digest in digests.values():
                        digest.update(block)
                sink.truncate()
                try:
                    while block := response.read1(BLOCK):
                        if sink.tell() + len(block) > limit:
                            raise too_long(spec, limit)
                        sink.write(block)
                        for digest in digests.values():
                            digest.update(block)
                        fetched += len(block)
                        if sink.tell() > reached:  # further than ever: the line is alive
                            reached, idle = sink.tell(), 0
                        report.progress(sink.tell(), total or 0, "B", spec["file"])
                except TRANSPORT as error:
                    reason = why(error)
                    continue
                if total is None or sink.tell() == total:
                    return fetched, {kind: digest.hexdigest() for kind, digest in digests.items()}
                reason = f"the server closed after {sink.tell():,} of {total:,} bytes"
    if status >= 400:
        raise bad_answer(spec, f"HTTP {status} for {spec['url']}, {spec['retries'] + 1} times.")
    if size_of(part):
        raise FetchError(
            "THOR-TRANSFER-CUT",
            "url",
            spec["url"],
            f"the transfer was cut again and again, the last {spec['retries'] + 1} times without a byte: {reason}.",
            "Run the play again when the line or the server is better: it goes on from there.",
        )
    raise unreachable(spec["url"], spec, reason)


def _limit(spec: Mapping[str, Any], announced: int | None) -> int:
    """The bytes that the file may have. Raises FetchError where the server announces more."""
    most: int | None = spec["max_bytes"]
    if announced is None:
        return UNSAID_BYTES if most is None else most
    if most is not None and announced > most:
        raise too_long(spec, most, announced)
    return announced


def _ask(spec: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, str | None, int | None, Any]:
    """Open the URL: status, validator for If-Range, bytes that will follow, the response (None for an error)."""
    start = int(headers["Range"][6:-1]) if "Range" in headers else 0
    try:
        response = open_url(spec, spec["url"], {"Accept-Encoding": "identity", **headers})
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 410):
                raise not_found(spec) from error
            if error.code in (401, 403):
                raise denied(spec, error.code) from error
            if error.code not in (416, 429) and error.code < 500:
                raise bad_answer(spec, f"HTTP {error.code} for {spec['url']}.") from error
            refuse_limit(spec, error)
            return error.code, None, None, None
    status = int(response.status)
    etag = response.headers.get("ETag", "")
    # A weak ETag cannot say that bytes are the same (RFC 9110, 13.1.5).
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    length = response.headers.get("Content-Length", "")
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        response.close()
        return 416, None, None, None
    # Python takes neither 5000 digits nor those that only look like some (\u00b2).
    return status, validator, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None, response


def _refuse_place(spec: Mapping[str, Any], path: Path) -> None:
    manifest = read_manifest(path)
    if manifest is not None and manifest["source"] != "url":
        raise other_source(spec, manifest)
    if path.exists() and not path.is_dir():
        raise bad_path(path, "is no directory.")
    if (path / spec["file"]).is_dir():
        raise bad_path(path / spec["file"], "is a directory, and the file of the URL belongs there.")
