# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The lock of a model: which commit each of its hubs has, and the size and hash of every file.

The hubs are listed as on a device (module_utils/models/sources.py). The shape of an entry, one for every model:

    hubs:
      huggingface: {id: owner/name, branch: main, revision: COMMIT}
      modelscope: {id: owner/name, revision: master}    # this hub names no commit: the hashes decide
    files:
      model.gguf: {size: 7, sha256: HEX}                # the same on every hub that is listed here
      README.md:                                        # the hubs differ; a hub that lacks the file is left out
        differs: {huggingface: {size: 3, sha256: HEX}, modelscope: {size: 4, sha256: HEX}}

A hub that could not be listed has ``unpinned`` with the reason in place of its revision; an entry without files has one as well. Hugging
Face states git's id (``blob``) of files that are not stored with LFS. Where ModelScope has such a file too, it is read and hashed, because
the two have no hash in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wheel_choice import Unreadable

Entry = dict[str, Any]
# Models that another token may read stay unpinned, with the reason. Other refusals are errors.
NOT_FOR_US = ("THOR-MODEL-GATED", "THOR-MODEL-DENIED")
NOT_LISTED = "the hub has not been listed yet"
# Files without a sha256 are those that git itself holds, which are small: no more of one is read.
MAX_BLOB = 16 * 1024 * 1024


@dataclass(frozen=True)
class Hubs:
    """How the hubs are reached: endpoint and token by name; the seconds without an answer, None offline."""

    addresses: Mapping[str, Mapping[str, str | None]]
    timeout: float | None
    of_collection: Callable[[str], Any] = field(repr=False)
    say: Callable[[str], None] = print

    def at(self, hub: str, model: Mapping[str, Any]) -> Entry:
        """The specification of one source, as the store takes it."""
        revision = {"revision": revision_of(model, hub, self.of_collection)}
        source = {"source": "hub", "hub": hub, "id": model[hub], **revision, **self.addresses[hub]}
        return {**source, "retries": 2, "idle_timeout": int(self.timeout or 0)}


def revision_of(model: Mapping[str, Any], hub: str, of_collection: Callable[[str], Any]) -> str:
    """The branch, tag or commit of a model that is asked for on a hub."""
    revision = model.get("revision")
    asked = revision.get(hub) if isinstance(revision, Mapping) else revision
    return str(asked or of_collection("module_utils.models.hubs").HUBS[hub].branch)


def lock_model(key: str, model: Mapping[str, Any], old: Mapping[str, Any], hubs: Hubs) -> Entry:
    """The entry of a model; offline what is held, if it still fits. Raises Unreadable."""
    names = [hub for hub in hubs.of_collection("module_utils.models.hubs").HUBS if model.get(hub)]
    if hubs.timeout is None:
        return _held(model, old, names, hubs)
    entries: dict[str, Entry] = {}
    listed: dict[str, dict[str, Entry]] = {}
    for hub in names:
        entries[hub], files = _listed(key, model, hubs, hub)
        if files is not None:
            listed[hub] = files
    entry: Entry = {"hubs": entries}
    if not listed:
        return entry | {"unpinned": " ".join(dict.fromkeys(one["unpinned"] for one in entries.values()))}
    files = _together(key, model, listed, entries, hubs)
    for path, one in files.items():
        if "differs" in one:
            where = " and ".join(f"{hub} ({_words(found)})" for hub, found in one["differs"].items())
            hubs.say(f"model {key}: {path} is not the same on its hubs: {where}")
    return entry | {"files": files}


def _words(entry: Mapping[str, Any]) -> str:
    digest = f"sha256 {entry['sha256']}" if entry.get("sha256") else "no sha256"
    return f"{entry['size']:,} bytes, {digest}"


def _held(model: Mapping[str, Any], old: Mapping[str, Any], names: list[str], hubs: Hubs) -> Entry:
    """What the lock has of a model, if it is what the catalog asks for."""
    held: Mapping[str, Entry] = old.get("hubs") or {}
    files: Mapping[str, Entry] = old.get("files") or {}

    def fits(hub: str) -> bool:
        one = held.get(hub) or {}
        asked = revision_of(model, hub, hubs.of_collection)
        return one.get("id") == model[hub] and ("unpinned" in one or asked in (one.get("branch"), one.get("revision")))

    if (
        files
        and list(held) == sorted(names)
        and all(map(fits, names))
        and select(files, model, hubs.of_collection) == files
    ):
        return dict(old)
    return {"hubs": {hub: {"id": model[hub]} for hub in names}, "unpinned": model.get("unpinned", NOT_LISTED)}


def _listed(key: str, model: Mapping[str, Any], hubs: Hubs, hub: str) -> tuple[Entry, dict[str, Entry] | None]:
    """What one hub has of a model: its part of the entry, and the files; None for those where others may list it."""
    errors, sources = (hubs.of_collection(f"module_utils.models.{name}") for name in ("errors", "sources"))
    at = hubs.at(hub, model)
    entry: Entry = {"id": at["id"]}
    try:
        found = sources.list_files({**at, "sources": [at]})
    except errors.FetchError as error:
        if error.problem.code in NOT_FOR_US:
            token = "HF_TOKEN" if hub == "huggingface" else "MODELSCOPE_API_TOKEN"
            return entry | {"unpinned": f"{error.problem.reason} (script/lock with {token} can list it)"}, None
        raise Unreadable(f"model {key}: {error}") from error
    artifacts = hubs.of_collection("plugin_utils.catalog.artifacts")
    for pattern in artifacts.included(model):
        if not any(artifacts.is_included(path, [pattern]) for path in found.files):
            names = ", ".join(sorted(found.files)[:50]) or "nothing"
            raise Unreadable(
                f"model {key}: no file of {at['id']} on {at['endpoint']} matches {pattern!r} (include); there is: {names}"
            )
    named = {"branch": at["revision"], "revision": found.commit} if found.commit else {"revision": at["revision"]}
    return entry | named, select({path: _plain(one) for path, one in found.files.items()}, model, hubs.of_collection)


def _plain(entry: Any) -> Entry:
    digests = {"sha256": entry.sha256} if entry.sha256 else {"blob": entry.blob} if entry.blob else {}
    return {"size": entry.size, **digests}


def select(
    files: Mapping[str, Entry], model: Mapping[str, Any], of_collection: Callable[[str], Any]
) -> dict[str, Entry]:
    """The ``files`` that match the model's ``include`` and not its ``exclude``."""
    artifacts = of_collection("plugin_utils.catalog.artifacts")
    include, exclude = artifacts.included(model), model.get("exclude") or ()
    return {
        path: one
        for path, one in files.items()
        if artifacts.is_included(path, include) and not artifacts.is_included(path, exclude)
    }


def _together(
    key: str,
    model: Mapping[str, Any],
    listed: Mapping[str, Mapping[str, Entry]],
    entries: Mapping[str, Entry],
    hubs: Hubs,
) -> dict[str, Entry]:
    """The files of all hubs, each once where they are the same."""
    files: dict[str, Entry] = {}
    for path in sorted({path for one in listed.values() for path in one}):
        found = {hub: dict(one[path]) for hub, one in sorted(listed.items()) if path in one}
        if len(found) > 1:
            for hub, one in found.items():
                if "blob" in one:
                    digest = _hash(key, hubs.at(hub, model), entries[hub]["revision"], path, one, hubs)
                    found[hub] = {"size": one["size"], "sha256": digest}
        same = len(found) == len(listed) and all(one == next(iter(found.values())) for one in found.values())
        files[path] = next(iter(found.values())) if same else {"differs": found}
    return files


def _hash(key: str, at: Mapping[str, Any], commit: str, path: str, one: Entry, hubs: Hubs) -> str:
    """The sha256 of a small file at a commit of Hugging Face, whose blob id must be the one that was listed."""
    huggingface, web = (hubs.of_collection(f"module_utils.models.{name}") for name in ("huggingface", "web"))
    if one["size"] > MAX_BLOB:
        raise Unreadable(f"model {key}: {at['endpoint']} states no sha256 of {path}, which has {one['size']:,} bytes")
    try:
        with web.open_hub(at, huggingface.file_url(at, commit, path), {}) as response:
            body: bytes = response.read(one["size"] + 1)
    except web.TRANSPORT as error:
        raise Unreadable(f"model {key}: {path} on {at['endpoint']} could not be read: {web.why(error)}") from error
    if hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest() != one["blob"]:
        raise Unreadable(f"model {key}: {path} on {at['endpoint']} is not the file that it lists")
    return hashlib.sha256(body).hexdigest()
