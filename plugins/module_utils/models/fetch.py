# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One target of the model store: what is missing, and the work of bringing it.

A directory of ours holds ``.thor-manifest.json``: source, id, revision, patterns and, for each file, size, mtime
and sha256. While every file's size and mtime are those of the manifest, nothing is hashed and no network is asked.

What is missing is brought into a staging directory on the same file system (fetch_store.py) and takes its final name in
one rename. Staging survives a kill: the next run resumes partial files and does not hash again what its journal knows.
The bytes of a model come from the hub by its own client (fetch_hub.py), those of a plain URL by fetch_url.py.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.models.download import (
    bring_url,
    parse_checksum,
    plan_url,
    url_complete,
    url_result,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import (
    FetchError,
    bad_argument,
    bad_path,
    os_problem,
    other_source,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.hub import list_files, transfer
from ansible_collections.jetson.thor.plugins.module_utils.models.store import (
    ASIDE,
    MANIFEST,
    PARTIAL,
    SCHEMA,
    Entry,
    Meter,
    Plan,
    Reporter,
    Staging,
    covers,
    diff_line,
    hash_file,
    install,
    is_intact,
    is_same_model,
    lock_digest,
    matches,
    prepare,
    read_manifest,
    record_of,
    recover,
    refuse_full,
    size_of,
    slug,
    staging_folder,
    trust,
    write_manifest,
)
from ansible_collections.jetson.thor.plugins.module_utils.problems import nearest
from ansible_collections.jetson.thor.plugins.module_utils.records import tell

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# What the play's environment says about the way out.
INHERITED = {"http_proxy", "https_proxy", "no_proxy", "all_proxy", "ssl_cert_file", "requests_ca_bundle"}


# Options that both modules of the store have.
ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "staging": {"type": "path"},
    "rehash": {"type": "bool", "default": False},
    "retries": {"type": "int", "default": 3},
    "idle_timeout": {"type": "int", "default": 30},
    "timeout": {"type": "int", "default": 172800},
}


def run_module(module: AnsibleModule, spec_of: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    """What a module of the store does with its parameters: nothing, a forecast in check mode, or a job."""
    try:
        spec = spec_of(module.params)
        done = settled(spec, module.check_mode)
        if done is None and module.check_mode:
            done = foresee(spec)
    except FetchError as error:
        module.fail_json(msg=str(error), problems=[error.problem.as_dict()])
    if done is None:
        jobs.start(module, job_name(spec), "models.fetch", spec, timeout=spec["timeout"])
    for warning in done.pop("warnings"):
        module.warn(warning)
    tell(module)
    module.exit_json(**done)


def model_spec(params: Mapping[str, Any]) -> dict[str, Any]:
    """The job's specification from the parameters of modelscope_model. Raises FetchError THOR-FETCH-ARGUMENT."""
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", params["id"]):
        raise bad_argument("id", params["id"], "Write it as owner/name.")
    if not params["include"]:
        raise bad_argument("include", params["include"], "Name at least one file or pattern.")
    sha256 = {name: str(digest).lower() for name, digest in params["sha256"].items()}
    for name, digest in sha256.items():
        parse_checksum(f"sha256:{digest}", f"sha256[{name}]")
    same = ("id", "revision", "token", "client")
    return {
        "source": "modelscope",
        "include": sorted(set(params["include"])),
        "endpoint": params["endpoint"].rstrip("/"),
        "sha256": sha256,
        **{key: params[key] for key in same},
        **_common(params),
    }


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
    keys = ("staging", "rehash", "retries", "idle_timeout", "timeout")
    # The job has systemd's environment and not the play's.
    inherited = {key: value for key, value in os.environ.items() if key.lower() in INHERITED}
    return {"path": path, "environment": inherited, **{key: params[key] for key in keys}}


def settled(spec: Mapping[str, Any], check_mode: bool) -> dict[str, Any] | None:
    """The module's result when there is nothing to do, found without network and without hashing; else None."""
    if spec["rehash"]:
        return None
    is_model = spec["source"] == "modelscope"
    found = model_complete(spec) if is_model else url_complete(spec)
    if found is None:
        return None
    if not check_mode and staging_folder(spec, target_of(spec)).exists():
        return None  # a run that was killed after the rename left something to clear away
    if is_model and not check_mode and found["lock"] != lock_digest(spec["sha256"]):
        # Only a note for the next observation: the files are those of the new lock.
        found = found | {"lock": lock_digest(spec["sha256"])}
        write_manifest(Path(spec["path"]), found)
    result = result_of(spec, found) if is_model else url_result(spec, found)
    return {"changed": False, "fetched_bytes": 0, "warnings": [], **result}


def foresee(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The module's result in check mode, with the diff: one request, nothing changed. Raises FetchError."""
    if spec["source"] == "url":
        return plan_url(spec)
    plan = plan_model(spec)
    path = Path(spec["path"])
    refuse_full(spec, path, plan.fetch_bytes)
    manifest = read_manifest(path)
    held = manifest["files"] if manifest else {}
    records = {name: held[name] if name in held and is_intact(path / name, held[name]) else {} for name in plan.want}
    result = {
        "changed": _manifest(spec, plan, records) != manifest,
        "fetched_bytes": plan.fetch_bytes,
        "warnings": plan.warnings,
        "path": spec["path"],
        "revision": spec["revision"],
        "bytes": sum(entry.size for entry in plan.want.values()),
        "files": [
            {"path": name, "size": entry.size, "sha256": entry.sha256, "trusted": trust(spec, name, entry)}
            for name, entry in sorted(plan.want.items())
        ],
    }
    return result | ({"diff": model_diff(spec, plan)} if result["changed"] else {})


def target_of(spec: Mapping[str, Any]) -> Path:
    """What takes its final name in one rename: a model's directory, or a URL's file."""
    path = Path(os.path.realpath(spec["path"]))
    return path if spec["source"] == "modelscope" else path / spec["file"]


def job_name(spec: Mapping[str, Any]) -> str:
    """The name of the job that brings a target: ``fetch-qwen-qwen3-8b-gguf``."""
    what = spec["id"] if spec["source"] == "modelscope" else spec["file"]
    return f"fetch-{slug(what)[:100]}"


def model_complete(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest when everything is there, by one stat per file; None otherwise.

    A revision that moves (a branch) is not looked at again: a fleet does not upgrade in silence.
    """
    path = Path(spec["path"])
    manifest = read_manifest(path)
    if manifest is None or not is_same_model(manifest, spec):
        return None
    if not all(covers(manifest, pattern) for pattern in spec["include"]):
        return None
    files = manifest["files"]
    for name, digest in spec["sha256"].items():
        if name in files:
            if files[name]["sha256"] != digest:
                return None
        elif matches(name, spec["include"]):
            return None
    return manifest if all(is_intact(path / name, record) for name, record in files.items()) else None


def result_of(spec: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a module returns of a directory."""
    files = [
        {"path": name, **{key: record[key] for key in ("size", "sha256", "trusted")}}
        for name, record in sorted(manifest["files"].items())
    ]
    return {
        "path": spec["path"],
        "revision": manifest["revision"],
        "bytes": sum(item["size"] for item in files),
        "files": files,
    }


def select(files: Mapping[str, Entry], include: Iterable[str]) -> tuple[dict[str, Entry], list[str]]:
    """The files that the patterns name (``*`` spans folders, as with the SDK), and the patterns that name none."""
    patterns = list(include)
    unmatched = [pattern for pattern in patterns if not any(matches(name, [pattern]) for name in files)]
    return {name: entry for name, entry in files.items() if matches(name, patterns)}, unmatched


def plan_model(spec: Mapping[str, Any]) -> Plan:
    """Ask the hub and look at the directory; hashes nothing, changes nothing.

    Raises FetchError: those of list_files, THOR-MODEL-EMPTY, THOR-LOCK-MISMATCH, THOR-STORE-PATH.
    """
    path = Path(spec["path"])
    manifest = read_manifest(path)
    if manifest is not None and manifest["source"] != spec["source"]:
        raise other_source(spec, manifest)
    same = is_same_model(manifest, spec)
    held: dict[str, Any] = manifest["files"] if manifest else {}
    # Several services may want different files of one model: what is there stays wanted.
    wanted = sorted({*spec["include"], *(manifest["include"] if manifest and same else [])})
    listing = list_files(spec)
    want, unmatched = select(listing, wanted)
    plan = Plan(_with_lock(spec, listing, want), [pattern for pattern in wanted if pattern not in unmatched])
    _refuse_empty(spec, listing, want, unmatched, plan)
    _refuse_overlap(path, want)
    for name, entry in sorted(plan.want.items()):
        _sort_file(plan, path / name, name, entry, held.get(name), same, spec["rehash"])
    plan.drop = [name for name, record in held.items() if name not in want and is_intact(path / name, record)]
    moved = [name for name in plan.fetch if same and name in held and held[name]["sha256"] != want[name].sha256]
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


def _sort_file(
    plan: Plan, path: Path, name: str, entry: Entry, record: Mapping[str, Any] | None, same: bool, rehash: bool
) -> None:
    """Decide what one wanted file needs: nothing, a hash, or its bytes."""
    try:
        found = path.lstat()
    except OSError:
        plan.fetch.append(name)
        return
    intact = record is not None and is_intact(path, record)
    digest = record["sha256"] if record is not None and intact else None
    expected = entry.sha256 or (digest if same else None)
    if (
        not stat.S_ISREG(found.st_mode)
        or found.st_size != entry.size
        or expected is None
        or digest not in (None, expected)
    ):
        plan.fetch.append(name)
        if record is None:
            plan.aside.append(name)
    elif digest == expected and not rehash:
        plan.keep.append(name)
    else:
        plan.check.append(name)


def _with_lock(spec: Mapping[str, Any], listing: Mapping[str, Entry], want: Mapping[str, Entry]) -> dict[str, Entry]:
    """The wanted files with the lock's hashes. Raises THOR-LOCK-MISMATCH where hub and lock contradict each other."""
    result = dict(want)
    for name, digest in spec["sha256"].items():
        if name in want:
            if want[name].sha256 not in (None, digest):
                raise FetchError(
                    "THOR-LOCK-MISMATCH",
                    "sha256",
                    {name: digest},
                    f"the hub lists {want[name].sha256} for {name} of {spec['id']} at {spec['revision']}: it was "
                    "changed there since it was locked.",
                    "Run script/lock to accept the new content, or name the revision that was locked.",
                )
            result[name] = Entry(want[name].size, digest)
        elif name not in listing and matches(name, spec["include"]):
            raise FetchError(
                "THOR-LOCK-MISMATCH",
                "sha256",
                {name: digest},
                f"{spec['id']} at {spec['revision']} has no such file any more.",
                "Run script/lock to accept that, or name the revision that was locked.",
            )
    return result


def _refuse_empty(
    spec: Mapping[str, Any], listing: Mapping[str, Entry], want: Mapping[str, Entry], unmatched: list[str], plan: Plan
) -> None:
    """A file that is named and missing is an error; a pattern that finds nothing beside others that do is a warning."""
    asked = [pattern for pattern in unmatched if pattern in spec["include"]]
    literal = [pattern for pattern in asked if not set(pattern) & set("*?[")]
    if literal or not want:
        culprit = (literal or asked or [""])[0]
        raise FetchError(
            "THOR-MODEL-EMPTY",
            "include",
            list(spec["include"]),
            f"{spec['id']} at {spec['revision']} on {spec['endpoint']} has no file {culprit}.",
            nearest(culprit, list(listing)[:50]),
        )
    plan.warnings += [
        f"include {pattern!r} matches no file of {spec['id']} at {spec['revision']}." for pattern in asked
    ]


def _refuse_overlap(path: Path, want: Mapping[str, Entry]) -> None:
    """A person's file where a folder of the model belongs, or the other way round, is not for us to move."""
    for name in want:
        for place in [path, *(path / parent for parent in reversed(Path(name).parents))]:
            if place.exists() and not place.is_dir():
                raise bad_path(place, "is no directory, and the model needs one there.")
        if (path / name).is_dir():
            raise bad_path(path / name, "is a directory, and the model has a file of that name.")


def model_diff(spec: Mapping[str, Any], plan: Plan) -> dict[str, str]:
    """What the plan does to the directory, for ``--diff``: files and bytes."""
    held = (read_manifest(Path(spec["path"])) or {"files": {}})["files"]
    before = [diff_line(name, record["size"], record["sha256"]) for name, record in sorted(held.items())]
    after = [
        diff_line(name, entry.size, entry.sha256 or (held.get(name, {}).get("sha256") if name in plan.keep else None))
        for name, entry in sorted(plan.want.items())
    ]
    summary = [
        f"to fetch: {plan.fetch_bytes:,} bytes in {len(plan.fetch)} of {len(plan.want)} files from {spec['endpoint']}"
    ]
    if plan.check:
        size = sum(plan.want[name].size for name in plan.check)
        summary.append(f"to verify, for they are there already: {size:,} bytes in {len(plan.check)} files")
    return {
        "before_header": spec["path"],
        "after_header": f"{spec['path']} ({spec['id']} at {spec['revision']})",
        "before": "".join(line + "\n" for line in before),
        "after": "".join(line + "\n" for line in [*after, *summary]),
    }


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Make one target present, as a job (job.py). Raises job.JobFailed for what a person can put right."""
    os.umask(0o022)
    os.environ.update(spec["environment"])
    try:
        return bring_model(spec, report) if spec["source"] == "modelscope" else bring_url(spec, report)
    except FetchError as error:
        raise jobs.JobFailed(str(error), problems=[error.problem.as_dict()]) from error
    except OSError as error:
        problem = os_problem(spec, error)
        if problem is None:
            raise
        raise jobs.JobFailed(str(problem), problems=[problem.problem.as_dict()]) from error


def bring_model(spec: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make one model present; the module's result."""
    target = target_of(spec)
    with Staging(spec, target) as stage:
        recover(stage, target)
        manifest = model_complete(spec)
        if manifest is not None and not spec["rehash"]:
            stage.remove()
            return {"changed": False, "fetched_bytes": 0, "warnings": [], **result_of(spec, manifest)}
        report.say(f"asking {spec['endpoint']} for the files of {spec['id']} at {spec['revision']}")
        plan = plan_model(spec)
        diff = model_diff(spec, plan)
        records = _verify_present(spec, stage, plan, target, report)
        done = prepare(stage, spec, plan)
        missing = [name for name in plan.fetch if name not in done]
        staged = sum(size_of(stage.tree / name) or size_of(stage.tree / (name + PARTIAL)) for name in missing)
        refuse_full(spec, stage.tree, sum(plan.want[name].size for name in missing) - staged)
        before = sum(plan.want[name].size for name in done) + staged
        transfer(stage, spec, plan, missing, report)
        records |= stage.journal["verified"]
        manifest = _manifest(spec, plan, records)
        changed = manifest != read_manifest(target)
        if plan.fetch or plan.drop:
            install(stage, target, plan, manifest)
        elif changed:
            write_manifest(target, manifest)
        stage.remove()
    result = {"changed": changed, "fetched_bytes": plan.fetch_bytes - before, "warnings": plan.warnings}
    return result | result_of(spec, manifest) | ({"diff": diff} if changed else {})


def _manifest(spec: Mapping[str, Any], plan: Plan, records: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "source": spec["source"],
        "id": spec["id"],
        "revision": spec["revision"],
        "include": plan.include,
        "lock": lock_digest(spec["sha256"]),
        "files": {name: records[name] for name in sorted(plan.want)},
    }


def _verify_present(
    spec: Mapping[str, Any], stage: Staging, plan: Plan, target: Path, report: Reporter
) -> dict[str, Any]:
    """Hash what has the right size and no record that vouches for it; the wrong ones join what is fetched.

    Returns the manifest's records of all files that stay.
    """
    held = (read_manifest(target) or {"files": {}})["files"]
    records = {name: held[name] | {"trusted": trust(spec, name, plan.want[name])} for name in plan.keep}
    present: dict[str, Any] = stage.journal.setdefault("present", {})
    meter = Meter(report, sum(plan.want[name].size for name in plan.check))
    for name in list(plan.check):
        entry = plan.want[name]
        expected = entry.sha256 or held[name]["sha256"]
        earlier = present.get(name)
        if earlier and not spec["rehash"] and earlier["sha256"] == expected and is_intact(target / name, earlier):
            records[name] = earlier
            continue
        digest = hash_file(target / name, meter.start(entry.size, f"verify {name}"))
        if digest == expected:
            records[name] = present[name] = record_of(target / name, digest, trust(spec, name, entry))
            stage.record()
            continue
        report.say(f"{target / name}: sha256 is {digest}, expected {expected}: it is fetched again")
        plan.check.remove(name)
        plan.fetch.append(name)
        if name not in held:
            plan.aside.append(name)
            plan.warnings.append(
                f"{target / name} was not put there by this module and differs: kept as {name}{ASIDE}."
            )
    return records
