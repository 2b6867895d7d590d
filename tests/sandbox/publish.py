#!/usr/bin/env python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Put a directory on a hub as a revision of a model: the files, and the documents with which ModelScope and Hugging Face list them.

It needs nothing but Python. Any file server can serve the folder, like nginx.conf beside this file. The branch ``master`` of
ModelScope is ``main`` on Hugging Face. Models of the owner ``gated`` are gated there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus


def sha256(path: Path) -> str:
    """Return a file's digest in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def listing(directory: Path, revision: str) -> list[dict[str, Any]]:
    """Describe every file and folder below a directory as ModelScope's `repo/files` does."""
    entries: list[dict[str, Any]] = []
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        entry: dict[str, Any] = {"Name": path.name, "Path": relative.as_posix(), "Revision": revision}
        if path.is_dir():
            entry |= {"Type": "tree", "Size": 0, "Sha256": ""}
        else:
            entry |= {"Type": "blob", "Size": path.stat().st_size, "Sha256": sha256(path)}
        entries.append(entry)
    return entries


def publish(www: Path, model: str, revision: str, source: Path, lies: dict[str, dict[str, Any]] | None = None) -> None:
    """Copy `source` (hard links where possible) to the hub as `revision` of `model`.

    `lies` overrides fields of the listing by file path: a hub whose files do not match its listing.
    """
    target = www / "models" / model / revision
    shutil.rmtree(target, ignore_errors=True)
    files = target / "files"
    shutil.copytree(source, files, copy_function=link_or_copy)
    entries = listing(files, revision)
    for entry in entries:
        entry.update((lies or {}).get(entry["Path"], {}))
        if entry["Type"] == "blob":
            # nginx does not decode a query: a file is requested under the literal text that a client sends.
            for sent in {quote(entry["Path"], safe=""), quote_plus(entry["Path"])} - {entry["Path"]}:
                (files / sent).symlink_to(entry["Path"])
    _write(target / "files.json", {"Files": entries, "IsVisual": 0, "LatestCommitter": {"Id": "", "ShortId": ""}})
    # The answer of modelscope.cn for a revision that a model does not have, with HTTP 200 (recorded in November 2026).
    _write(target.parent / "no-revision.json", {"Files": None, "IsVisual": 0, "LatestCommitter": None})
    revisions = sorted(path.name for path in target.parent.iterdir() if path.is_dir())
    branches = [{"Revision": name, "CreatedAt": 1760000000} for name in revisions]
    _write(target.parent / "revisions.json", {"RevisionMap": {"Branches": branches, "Tags": []}})
    owner, name = model.split("/")
    _write(target.parent / "model.json", {"Path": owner, "Name": name, "Revision": "master"})
    _publish_face(www, model, {"master": "main"}.get(revision, revision), files, entries)


def _publish_face(www: Path, model: str, branch: str, files: Path, entries: list[dict[str, Any]]) -> None:
    """Describe the same files as Hugging Face does: a commit, and its tree (huggingface_hub 2.4.0, hf_api.py)."""
    home = www / "huggingface" / model
    tree = [_face_entry(entry, files) for entry in entries]
    commit = hashlib.sha1(json.dumps([branch, tree]).encode()).hexdigest()
    info = {"id": model, "modelId": model, "sha": commit, "private": False}
    info["gated"] = "auto" if model.startswith("gated/") else False
    info["siblings"] = [{"rfilename": entry["path"]} for entry in tree if entry["type"] == "file"]
    for folder in ("revision", "tree", "resolve"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for name in (branch, commit):
        _document(home / "revision" / f"{name}.json", info)
        _document(home / "tree" / f"{name}.json", tree)
    # A commit stays what it is, when its branch moves on.
    if not (home / "resolve" / commit).exists():
        shutil.copytree(files, home / "resolve" / commit, copy_function=link_or_copy, symlinks=True)
    (home / "resolve" / branch).unlink(missing_ok=True)
    (home / "resolve" / branch).symlink_to(commit)


def _face_entry(entry: dict[str, Any], files: Path) -> dict[str, Any]:
    """An entry of ModelScope's listing as Hugging Face writes it; files of more than 10 MB, or of weights, are stored with LFS."""
    path, size = files / entry["Path"], entry["Size"]
    common = {"path": entry["Path"], "size": size}
    if entry["Type"] == "tree":
        return {"type": "directory", "oid": hashlib.sha1(entry["Path"].encode()).hexdigest(), **common}
    if size > 10_000_000 or path.suffix in {".gguf", ".safetensors", ".bin"}:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{entry['Sha256']}\nsize {size}\n".encode()
        lfs = {"oid": entry["Sha256"], "size": size, "pointerSize": len(pointer)}
        return {"type": "file", "oid": _blob(pointer), **common, "lfs": lfs}
    return {"type": "file", "oid": _blob(path.read_bytes()), **common}


def _blob(content: bytes) -> str:
    """Git's id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def link_or_copy(source: str, target: str) -> None:
    """Link a file if the file system can, otherwise copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write(path: Path, data: dict[str, Any]) -> None:
    _document(path, {"Code": 200, "Success": True, "Message": "success", "Data": data})


def _document(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")


def main() -> None:
    """Publish the directory that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("www", type=Path, help="the hub's document root")
    parser.add_argument("model", help="OWNER/NAME")
    parser.add_argument("revision", help="the name of a branch, such as master")
    parser.add_argument("directory", type=Path, help="what is put there")
    arguments = parser.parse_args()
    publish(arguments.www, arguments.model, arguments.revision, arguments.directory)


if __name__ == "__main__":
    main()
