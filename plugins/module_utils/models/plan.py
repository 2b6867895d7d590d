# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to happen to the directory of a model: compare the hub's listing and the lock with what is on disk."""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import errors, split
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry, Listing, Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import (
    ASIDE,
    diff_line,
    is_intact,
    is_same_model,
    is_wanted,
    matches,
    read_manifest,
    source_in,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.sources import list_files, of_source
from ansible_collections.jetson.thor.plugins.module_utils.problems import nearest

_ESCAPED = re.compile(r"\[([*?[])\]")
_PARTS = re.compile(r"(?:[^*?[]|\[[*?[]\])+-\?{5}-of-\d{5}\.gguf")


def plan_model(
    spec: Mapping[str, Any], home: Path | None = None, say: Callable[[str], None] = lambda _line: None
) -> Plan:
    """List the files on a hub and inspect the directory; hashes nothing, changes nothing.

    ``home`` is for the hub's client (sources.list_files). Raises FetchError: those of list_files, THOR-MODEL-EMPTY,
    THOR-LOCK-MISMATCH, THOR-STORE-PATH.
    """
    path = Path(spec["path"])
    manifest = read_manifest(path)
    if manifest is not None and manifest["source"] != spec["source"]:
        raise errors.other_source(spec, manifest)
    same = is_same_model(manifest, spec)
    held: dict[str, Any] = manifest["files"] if manifest else {}
    # Several services may want different files of one model, so what is there stays wanted.
    wanted = sorted({*spec["include"], *(manifest["include"] if manifest and same else [])})
    exclude = [one for one in spec["exclude"] if not (manifest and same) or one in manifest.get("exclude", [])]
    found = listed({**spec, "sources": kept_commit(manifest, spec)}, home, say)
    spec, listing = of_source(spec, found.source), found.files
    want, unmatched = select(listing, wanted, exclude)
    patterns = [pattern for pattern in wanted if pattern not in unmatched]
    plan = Plan(_with_lock(spec, listing, want), patterns, exclude, found.source, found.commit)
    _refuse_empty(spec, listing, want, unmatched, plan)
    _refuse_overlap(path, want)
    for name, entry in sorted(plan.want.items()):
        _classify(plan, path / name, name, entry, held.get(name), same, spec["verify_checksums"])
    plan.drop = [name for name, record in held.items() if name not in want and is_intact(path / name, record)]
    moved = [
        name
        for name in plan.fetch
        if same and not spec["update"] and name in held and want[name].compare(held[name]) is not True
    ]
    if moved:
        plan.warnings.append(
            f"{spec['id']} at {spec['revision']} has changed on the hub since it was fetched: {', '.join(moved)}. "
            "Pin the revision, or record it with script/lock."
        )
    plan.warnings += [
        f"{path / name} is not the hub's file and was not put there by this module: kept as {name}{ASIDE}."
        for name in plan.aside
    ]
    return plan


def kept_commit(manifest: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources, with the commit that a directory has first: a branch that moves is followed only with ``update``."""
    sources = list(spec["sources"])
    source = source_in(manifest, sources) if manifest is not None and not spec["update"] else None
    if manifest is None or source is None or not manifest.get("commit"):
        return sources
    return [{**source, "commit": manifest["commit"]}, *(one for one in sources if one is not source)]


def listed(
    spec: Mapping[str, Any], home: Path | None = None, say: Callable[[str], None] = lambda _line: None
) -> Listing:
    """The listing; for a commit that the hub no longer has, an error that says what was looked for."""
    try:
        return list_files(spec, home, say)
    except errors.FetchError as error:
        commit = spec["sources"][0].get("commit")
        if commit is None or error.problem.code not in ("THOR-MODEL-REVISION", "THOR-MODEL-NOT-FOUND"):
            raise
        source = spec["sources"][0]
        raise errors.FetchError(
            "THOR-MODEL-REVISION",
            "revision",
            source["revision"],
            f"{source['endpoint']} no longer has commit {commit} of {source['id']}, which this directory has or which was looked at.",
            "Fetch what the branch has now: -e thor_update_models=true.",
        ) from error


def select(
    files: Mapping[str, Entry], include: Iterable[str], exclude: Iterable[str] = ()
) -> tuple[dict[str, Entry], list[str]]:
    """The files that the patterns choose (``*`` spans folders, as in the SDK), and those of ``include`` that match none."""
    patterns, without = list(include), list(exclude)
    left = {name: entry for name, entry in files.items() if not matches(name, without)}
    unmatched = [pattern for pattern in patterns if not any(matches(name, [pattern]) for name in left)]
    return {name: entry for name, entry in left.items() if matches(name, patterns)}, unmatched


def _classify(
    plan: Plan, path: Path, name: str, entry: Entry, record: Mapping[str, Any] | None, same: bool, verify: bool
) -> None:
    """Decide what one wanted file needs: nothing, a hash, or its bytes."""
    try:
        found = path.lstat()
    except OSError:
        plan.fetch.append(name)
        return
    intact = record is not None and is_intact(path, record)
    equal = entry.compare(record) if record is not None and intact else None
    if equal is None and intact and same and not entry.stated:
        equal = True  # all that can be known
    if (
        not stat.S_ISREG(found.st_mode)
        or found.st_size != entry.size
        or equal is False
        or not (equal or entry.stated)  # nothing to compare the content with
    ):
        plan.fetch.append(name)
        if record is None:
            plan.aside.append(name)
    elif equal and not verify:
        plan.keep.append(name)
    else:
        plan.check.append(name)


def _with_lock(spec: Mapping[str, Any], listing: Mapping[str, Entry], want: Mapping[str, Entry]) -> dict[str, Entry]:
    """The wanted files with the lock's hashes. Raises THOR-LOCK-MISMATCH if hub and lock contradict each other."""
    result = dict(want)
    for name, digest in spec["sha256"].items():
        if name in want:
            if want[name].sha256 not in (None, digest):
                raise errors.FetchError(
                    "THOR-LOCK-MISMATCH",
                    "sha256",
                    {name: digest},
                    f"the hub lists {want[name].sha256} for {name} of {spec['id']} at {spec['revision']}: it has "
                    "changed there since it was locked.",
                    "Run script/lock to accept the new content, or name the revision that was locked.",
                )
            result[name] = Entry(want[name].size, digest, want[name].blob)
        elif name not in listing and is_wanted(name, spec):
            raise errors.FetchError(
                "THOR-LOCK-MISMATCH",
                "sha256",
                {name: digest},
                f"{spec['id']} at {spec['revision']} no longer has this file.",
                "Run script/lock to accept that, or name the revision that was locked.",
            )
    return result


def _refuse_empty(
    spec: Mapping[str, Any], listing: Mapping[str, Entry], want: Mapping[str, Entry], unmatched: list[str], plan: Plan
) -> None:
    """A named file or part that is missing is an error; a pattern that matches nothing beside others that do is a warning."""
    asked = [pattern for pattern in unmatched if pattern in spec["include"]]
    missing = [name for pattern in spec["include"] for name in _named(pattern) if name not in want]
    if missing or not want:
        culprit = (missing or asked or [""])[0]
        raise errors.FetchError(
            "THOR-MODEL-EMPTY",
            "include",
            list(spec["include"]),
            f"{spec['id']} at {spec['revision']} on {spec['endpoint']} has no file {culprit}.",
            nearest(culprit, list(listing)[:50]),
        )
    plan.warnings += [
        f"include {pattern!r} matches no file of {spec['id']} at {spec['revision']}." for pattern in asked
    ]


def _named(pattern: str) -> list[str]:
    """The files that a pattern names: one, or all parts of a split GGUF (plugin_utils/catalog/artifacts.py makes such patterns)."""
    plain = _ESCAPED.sub(r"\1", pattern)
    if glob.escape(plain) == pattern:
        return [plain]
    return split.parts_of(plain.replace("-?????-of-", "-00001-of-")) if _PARTS.fullmatch(pattern) else []


def _refuse_overlap(path: Path, want: Mapping[str, Entry]) -> None:
    """Refuse to move somebody's file where a folder of the model belongs, or the other way round."""
    for name in want:
        for place in [path, *(path / parent for parent in reversed(Path(name).parents))]:
            if place.exists() and not place.is_dir():
                raise errors.bad_path(place, "is not a directory, and the model needs one there.")
        if (path / name).is_dir():
            raise errors.bad_path(path / name, "is a directory, and the model has a file of that name.")


def model_diff(spec: Mapping[str, Any], plan: Plan) -> dict[str, str]:
    """What the plan does to the directory, for ``--diff``: files and bytes."""
    held = (read_manifest(Path(spec["path"])) or {"files": {}})["files"]
    before = [diff_line(name, record["size"], record["sha256"]) for name, record in sorted(held.items())]
    after = [
        diff_line(name, entry.size, entry.sha256 or (held.get(name, {}).get("sha256") if name in plan.keep else None))
        for name, entry in sorted(plan.want.items())
    ]
    summary = [
        f"to fetch: {plan.fetch_bytes:,} bytes in {len(plan.fetch)} of {len(plan.want)} files from {plan.source['endpoint']}"
    ]
    if plan.check:
        size = sum(plan.want[name].size for name in plan.check)
        summary.append(f"to verify, as they are there already: {size:,} bytes in {len(plan.check)} files")
    return {
        "before_header": spec["path"],
        "after_header": f"{spec['path']} ({plan.source['id']} at {plan.source['revision']})",
        "before": "".join(line + "\n" for line in before),
        "after": "".join(line + "\n" for line in [*after, *summary]),
    }
