# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One model of the hub: whether it is complete, what would be fetched, and fetching it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.model_origin import COMMIT
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees, identity
from ansible_collections.jetson.thor.plugins.module_utils.models import client, hub_files
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry, Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import Meter, Reporter, content_hashes
from ansible_collections.jetson.thor.plugins.module_utils.models.install import install, make_whole, recover
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import (
    ASIDE,
    PARTIAL,
    SCHEMA,
    covers,
    is_intact,
    is_same_model,
    is_wanted,
    lock_digest,
    read_manifest,
    record_of,
    size_of,
    trust,
    write_manifest,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.plan import model_diff, plan_model
from ansible_collections.jetson.thor.plugins.module_utils.models.reuse import link, on_disk
from ansible_collections.jetson.thor.plugins.module_utils.models.sources import of_source
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging, refuse_full, reuse, target_of


def complete(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest if everything is there, by one stat per file; None otherwise.

    A branch that has moved on the hub does not matter, unless ``update`` asks for it: a fleet does not upgrade silently.
    """
    found = where(spec)
    return None if found is None else read_manifest(found)


def where(spec: Mapping[str, Any]) -> Path | None:
    """The directory if everything is there, or with ``beside`` the tree that waits beside it and has everything."""
    if spec["update"] and not is_pinned(spec):
        return None
    place = Path(spec["path"])
    trees = Trees().waiting(spec["path"]).values() if spec["beside"] else ()
    return next((one for one in (place, *trees) if complete_at(one, spec)), None)


def is_pinned(spec: Mapping[str, Any]) -> bool:
    """Whether a model can only ever be the same: by commits, or by a lock."""
    return bool(spec["sha256"]) or all(COMMIT.fullmatch(one["revision"]) for one in spec["sources"])


def complete_at(path: Path, spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest of a directory if it has the model."""
    manifest = read_manifest(path)
    if manifest is None or not is_same_model(manifest, spec):
        return None
    if not all(covers(manifest, pattern) for pattern in spec["include"]):
        return None
    if not set(manifest.get("exclude", [])) <= set(spec["exclude"]):
        return None
    files = manifest["files"]
    for name, digest in spec["sha256"].items():
        if name in files:
            if files[name]["sha256"] != digest:
                return None
        elif is_wanted(name, spec):
            return None
    return manifest if all(is_intact(path / name, record) for name, record in files.items()) else None


def result_of(spec: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the module returns about a directory."""
    files = [
        {"path": name, **{key: record[key] for key in ("size", "sha256", "trusted")}}
        for name, record in sorted(manifest["files"].items())
    ]
    return {
        "path": spec["path"],
        "hub": manifest["hub"],
        "id": manifest["id"],
        "revision": manifest["revision"],
        "commit": manifest.get("commit"),
        "bytes": sum(item["size"] for item in files),
        "files": files,
    }


def predict(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The module's result in check mode, with the diff: one request, nothing changed. Raises FetchError."""
    plan = plan_model(spec)
    path = Path(spec["path"])
    here = sum(plan.want[name].size for name in on_disk(spec, plan))
    refuse_full(spec, path, plan.fetch_bytes - here)
    manifest = read_manifest(path)
    held = manifest["files"] if manifest else {}
    records = {name: held[name] if name in held and is_intact(path / name, held[name]) else {} for name in plan.want}
    result = {
        "changed": _manifest(spec, plan, records, manifest) != manifest,
        "fetched_bytes": plan.fetch_bytes - here,
        "warnings": plan.warnings,
        "path": spec["path"],
        **{key: plan.source[key] for key in ("hub", "id", "revision")},
        "commit": plan.commit,
        "bytes": sum(entry.size for entry in plan.want.values()),
        "files": [
            {"path": name, "size": entry.size, "sha256": entry.sha256, "trusted": trust(spec, name, entry)}
            for name, entry in sorted(plan.want.items())
        ],
    }
    return result | ({"diff": model_diff(spec, plan)} if result["changed"] else {})


def fetch(spec: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make one model present: plan, verify what is there, transfer the rest, install. The module's result."""
    target = target_of(spec)
    with Staging(spec, target) as stage:
        recover(stage, target)
        manifest = complete(spec)
        if manifest is not None and not spec["verify_checksums"]:
            stage.remove()
            return {"changed": False, "fetched_bytes": 0, "warnings": [], **result_of(spec, manifest)}
        plan = plan_model(spec, stage.home, report.say)
        diff = model_diff(spec, plan)
        records = _verify_present(spec, stage, plan, target, report)
        done = reuse(stage, plan)
        done |= link(stage, spec, plan, [name for name in plan.fetch if name not in done])
        missing = [name for name in plan.fetch if name not in done]
        staged = sum(size_of(stage.tree / name) or size_of(stage.tree / (name + PARTIAL)) for name in missing)
        refuse_full(spec, stage.tree, sum(plan.want[name].size for name in missing) - staged)
        before = sum(plan.want[name].size for name in done) + staged
        transfer = client.transfer if plan.source["hub"] == "modelscope" else hub_files.transfer
        transfer(stage, of_source(spec, plan.source), plan, missing, report)
        records |= stage.journal["verified"]
        held = read_manifest(target)
        manifest = _manifest(spec, plan, records, held)
        changed = manifest != held
        if spec["beside"] and held is not None and _replaces(plan, manifest, held):
            manifest["supersedes"] = identity(target)
            make_whole(stage, target, plan, manifest)
            changed = leave_beside(stage, spec)
        elif plan.fetch or plan.drop:
            install(stage, target, plan, manifest)
        elif changed:
            write_manifest(target, manifest)
        stage.remove()
    result = {"changed": changed, "fetched_bytes": plan.fetch_bytes - before, "warnings": plan.warnings}
    return result | result_of(spec, manifest) | ({"diff": diff} if changed else {})


def _replaces(plan: Plan, manifest: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Whether a file that may be in use would get another content, or go."""
    before, after = held["files"], manifest["files"]
    return bool(plan.drop) or any(
        name in before and before[name]["sha256"] != after[name]["sha256"] for name in plan.fetch
    )


def leave_beside(stage: Staging, spec: Mapping[str, Any]) -> bool:
    """Leave the whole staged tree beside the directory, for the switch (module services). Returns whether it is new there."""
    trees = Trees()
    known = identity(stage.tree) in trees.waiting(spec["path"])
    trees.put(stage.tree, spec["path"])
    return not known


def _manifest(
    spec: Mapping[str, Any], plan: Plan, records: Mapping[str, Any], held: Mapping[str, Any] | None
) -> dict[str, Any]:
    kept = {"supersedes": held["supersedes"]} if held and held.get("supersedes") else {}
    return {
        **kept,
        "schema": SCHEMA,
        "source": spec["source"],
        **{key: plan.source[key] for key in ("hub", "id", "revision")},
        "commit": plan.commit,
        "include": plan.include,
        "exclude": plan.exclude,
        "lock": lock_digest(spec["sha256"]),
        "files": {name: records[name] for name in sorted(plan.want)},
    }


def _verify_present(
    spec: Mapping[str, Any], stage: Staging, plan: Plan, target: Path, report: Reporter
) -> dict[str, Any]:
    """Hash the files of the right size that no record vouches for; those that are wrong will be fetched.

    Returns the manifest's records of all files that stay.
    """
    held = (read_manifest(target) or {"files": {}})["files"]
    records = {name: held[name] | {"trusted": trust(spec, name, plan.want[name])} for name in plan.keep}
    present: dict[str, Any] = stage.journal.setdefault("present", {})
    meter = Meter(report, sum(plan.want[name].size for name in plan.check))
    for name in list(plan.check):
        # Of a file without any hash of the hub, what it was when it arrived.
        entry = plan.want[name] if plan.want[name].stated else Entry(plan.want[name].size, held[name]["sha256"])
        earlier = present.get(name)
        if earlier and not spec["verify_checksums"] and entry.compare(earlier) and is_intact(target / name, earlier):
            records[name] = earlier
            continue
        hashes = content_hashes(target / name, entry, meter.start(entry.size, f"verify {name}"))
        if entry.compare(hashes):
            trusted = trust(spec, name, plan.want[name])
            records[name] = present[name] = record_of(target / name, hashes["sha256"], trusted, entry.blob)
            stage.record()
            continue
        report.say(f"{target / name}: its content is {hashes}, expected {entry.words}: fetching it again")
        plan.check.remove(name)
        plan.fetch.append(name)
        if name not in held:
            plan.aside.append(name)
            plan.warnings.append(
                f"{target / name} was not put there by this module and differs: kept as {name}{ASIDE}."
            )
    return records
