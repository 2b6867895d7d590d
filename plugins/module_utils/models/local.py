# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that a person has put on the device: read, hashed once, and never changed, moved or removed.

What is known of one is recorded in /var/lib/thor/local_models, outside its folder; while every file has the recorded size and
time, nothing is read. ``faults`` says what prevents an engine from starting with it, before anything is changed on the host.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.jetson.thor.plugins.module_utils import bounded, files, jobs, records
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import slug
from ansible_collections.jetson.thor.plugins.module_utils.models import lfs, split
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import Meter, Reporter, hash_file
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import (
    FILES_SHAPE,
    diff_line,
    is_intact,
    record_of,
)
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

RECORDS = Path("/var/lib/thor/local_models")
SHAPE = {"place": str, "path": str, "names": [str], "files": FILES_SHAPE}
INDEX, INDEX_BYTES = ".index.json", 64 * 1024 * 1024
MOST_FILES = 100_000


def place_of(path: str, names: Iterable[str]) -> str:
    """The one name of a local model: its folder, or the file that is meant."""
    return next((f"{path}/{name}" for name in names), path)


def record_path(place: str, folder: Path | None = None) -> Path:
    """Where what is known of a local model is recorded."""
    digest = hashlib.sha256(place.encode()).hexdigest()[:16]
    return (folder or RECORDS) / f"{slug(Path(place).name)[:80]}-{digest}.json"


def read_record(place: str) -> dict[str, Any] | None:
    """What is known of a local model; None before it was hashed."""
    return records.read(record_path(place), SHAPE)


def known() -> list[dict[str, Any]]:
    """The records of all local models."""
    return [record for path in sorted(RECORDS.glob("*.json")) if (record := records.read(path, SHAPE))]


def observe(models: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The faults of local models (``place``, ``path``, ``names``), by place."""
    return {one["place"]: look(one["place"], one["path"], one["names"]) for one in models}


def is_unchanged(record: Mapping[str, Any], found: Mapping[str, Path] | None = None) -> bool:
    """Whether every recorded file is as it was, by size and time; with ``found`` also whether there are no others."""
    if found is not None and set(found) != set(record["files"]):
        return False
    folder = Path(record["path"])
    return all(is_intact(Path(os.path.realpath(folder / name)), one) for name, one in record["files"].items())


def files_of(path: str, names: Iterable[str]) -> dict[str, Path]:
    """The files of a local model by their names in its folder: those that are named with their parts, else all that show.

    Hidden files and folders are no part of a model: git and the hubs' clients keep their own things there.
    """
    folder = Path(path)
    found: dict[str, Path] = {}
    for name in names:
        found |= {one: folder / one for one in split.parts_of(name) or [name]}
    if found:
        return {name: one for name, one in found.items() if os.path.lexists(one)}
    for inside, folders, here in os.walk(folder, followlinks=False):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(here):
            if not name.startswith("."):
                one = Path(inside, name)
                found[str(one.relative_to(folder))] = one
        if len(found) > MOST_FILES:
            break
    return found


def faults(place: str, path: str, names: Iterable[str]) -> list[Problem]:
    """Why no service can be started with a local model: each problem with a code and the culprit. Hashes nothing."""
    names = list(names)
    folder = Path(path)
    if not folder.is_dir():
        return [_missing(place, folder)]
    found = files_of(path, names)
    absent = [name for name in names if name not in found and not split.PART.fullmatch(name)]
    if absent or not found:
        return [_missing(place, folder / absent[0] if absent else folder)]
    unfit = list(_links(place, folder, found)) or list(_unreadable(place, folder, found))
    if unfit:
        return unfit
    return [*_pointers(place, found), *_lacking_parts(place, names, found), *_lacking_shards(place, found)]


def _missing(place: str, culprit: Path) -> Problem:
    what = "has no files" if culprit.is_dir() else "is not a directory" if culprit.exists() else "is not there"
    reason = f"{culprit} {what} on this host."
    return Problem(
        "THOR-LOCAL-MISSING", "local", place, reason, "Put the model there, or correct the path (thor_extra_models)."
    )


def _links(place: str, folder: Path, found: Mapping[str, Path]) -> Iterator[Problem]:
    """Services see the folder itself and /models: a link that leads elsewhere would end in nothing."""
    homes = {os.path.realpath(folder), os.path.realpath("/models")}
    for name, one in found.items():
        real = os.path.realpath(one)
        if not os.path.isfile(real):
            yield Problem(
                "THOR-LOCAL-LINK", "local", place, f"{name} is no file: it leads to {real}.", "Remove or repair it."
            )
        elif not any(real.startswith(f"{home}/") for home in homes):
            reason = f"{name} is a link to {real}, which the service does not see."
            remedy = "Name the folder that has the files themselves, or copy them (cp -rL); a hub's cache consists of such links."
            yield Problem("THOR-LOCAL-LINK", "local", place, reason, remedy)
            return  # one stands for all


def _unreadable(place: str, folder: Path, found: Mapping[str, Path]) -> Iterator[Problem]:
    """Each service has an account of its own, which is nobody's: only the rights of everybody count."""
    real = Path(os.path.realpath(folder))
    folders = dict.fromkeys(
        [*reversed(real.parents), real, *(parent for one in found.values() for parent in _inside(one, folder))]
    )
    for one, needed, what in [
        *((one, stat.S_IXOTH, "entered") for one in folders),
        *((one, stat.S_IROTH, "read") for one in found.values()),
    ]:
        mode = one.stat().st_mode
        if not mode & needed:
            reason = f"{one} cannot be {what} by the account of a service (mode {stat.S_IMODE(mode):04o})."
            yield Problem("THOR-LOCAL-UNREADABLE", "local", place, reason, f"sudo chmod -R o+rX {one}")
            return


def _inside(file: Path, folder: Path) -> Iterator[Path]:
    yield from (parent for parent in reversed(file.parents) if parent != folder and parent.is_relative_to(folder))


def _pointers(place: str, found: Mapping[str, Path]) -> Iterator[Problem]:
    for name, one in found.items():
        if one.stat().st_size <= lfs.POINTER_BYTES and lfs.is_pointer(files.content(one) or b""):
            reason = f"{name} is a pointer of Git LFS: the file itself was never fetched."
            yield Problem("THOR-LOCAL-POINTER", "local", place, reason, "Run git lfs pull in that folder.")
            return


def _lacking_parts(place: str, names: Iterable[str], found: Mapping[str, Path]) -> Iterator[Problem]:
    """A GGUF that was split is whole with all its parts, and an engine is started with the first."""
    for name in dict.fromkeys([*names, *found]):
        parts = split.parts_of(name)
        lacking = [part for part in parts if part not in found]
        if lacking:
            reason = f"{name} was split into {len(parts)} files, and {lacking[0]} is not there."
            yield Problem("THOR-LOCAL-INCOMPLETE", "local", place, reason, "Put all of them into the folder.")
            return
        if parts and name in set(names) and name != parts[0]:
            reason = f"{name} is not the first of {len(parts)} files."
            yield Problem("THOR-LOCAL-INCOMPLETE", "local", place, reason, f"Name {parts[0]}.")
            return


def _lacking_shards(place: str, found: Mapping[str, Path]) -> Iterator[Problem]:
    """``model.safetensors.index.json`` names the file of each tensor."""
    for name, one in found.items():
        if not name.endswith(INDEX):
            continue
        try:
            with one.open("rb") as stream:
                index = bounded.parse(stream.read(INDEX_BYTES))
            shards = sorted({str(shard) for shard in index["weight_map"].values()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            reason = f"{name} is not an index of files: JSON with a weight_map."
            yield Problem("THOR-LOCAL-INCOMPLETE", "local", place, reason, "Copy it again.")
            return
        prefix = name.rpartition("/")[0]
        lacking = [shard for shard in shards if (f"{prefix}/{shard}" if prefix else shard) not in found]
        if lacking:
            reason = (
                f"{name} names {len(shards)} files, of which {len(lacking)} are not there: {', '.join(lacking[:3])}."
            )
            yield Problem("THOR-LOCAL-INCOMPLETE", "local", place, reason, "Copy the missing files into the folder.")
            return


def look(place: str, path: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """The faults of a model for ``thor_host``; of one whose files are all as recorded only those of its rights."""
    names = list(names)
    record = read_record(place)
    if record is not None and record["names"] == names:
        found = files_of(path, names)
        if is_unchanged(record, found):
            return [one.as_dict() for one in _unreadable(place, Path(path), found)]
    return [one.as_dict() for one in faults(place, path, names)]


def run_module(module: AnsibleModule) -> None:
    """Run the module ``local_model``."""
    path = os.path.normpath(module.params["path"])
    names = [one for one in (module.params["file"], module.params["projector"]) if one]
    place = place_of(path, names)
    problems = [] if path.startswith("/") and path != "/" else [_missing(place, Path(path))]
    problems = problems or faults(place, path, names)
    if problems:
        module.fail_json(msg="\n".join(one.text() for one in problems), problems=[one.as_dict() for one in problems])
    record, found = read_record(place), files_of(path, names)
    settled = record is not None and record["names"] == names and is_unchanged(record, found)
    if record is not None and settled and not module.params["verify_checksums"]:
        records.tell(module)
        module.exit_json(changed=False, hashed_bytes=0, **result_of(record))
    if module.check_mode:
        sizes = {name: one.stat().st_size for name, one in sorted(found.items())}
        listed = {name: {"size": size, "sha256": None} for name, size in sizes.items()}
        diff = {} if settled else {"diff": _diff(place, record, listed)}
        expected = result_of({"path": path, "files": listed})
        module.exit_json(changed=not settled, hashed_bytes=sum(sizes.values()), **expected, **diff)
    spec = {"place": place, "path": path, "names": names, "verify_checksums": module.params["verify_checksums"]}
    jobs.start(module, f"local-{slug(place)[-100:]}", "models.local", spec, timeout=module.params["timeout"])


def result_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the module returns about a model."""
    listed = [
        {"path": name, "size": one["size"], "sha256": one["sha256"]} for name, one in sorted(record["files"].items())
    ]
    return {"path": record["path"], "bytes": sum(one["size"] for one in listed), "files": listed}


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Hash a local model and record it, as a job (jobs.py). Raises jobs.JobFailed for a file that changed without a sign of it."""
    before = (read_record(spec["place"]) or {"files": {}})["files"]
    found = files_of(spec["path"], spec["names"])
    meter = Meter(report, sum(one.stat().st_size for one in found.values()))
    hashed, record = (
        0,
        {"place": spec["place"], "path": spec["path"], "names": spec["names"], "files": dict[str, Any]()},
    )
    for name, one in sorted(found.items()):
        real, held = Path(os.path.realpath(one)), before.get(name)
        if held and is_intact(real, held) and not spec["verify_checksums"]:
            record["files"][name] = held
            continue
        status = real.stat()
        digest = hash_file(real, meter.start(status.st_size, f"hash {name}"))
        hashed += status.st_size
        if held and is_intact(real, held) and digest != held["sha256"]:
            problem = Problem(
                "THOR-CHECKSUM",
                "local",
                spec["place"],
                f"{name} has the size and time that it had when it was hashed, and other content: sha256 {digest}, not {held['sha256']}.",
                f"Check the disk. If somebody changed it on purpose: touch {one}, and run the play again.",
            )
            raise jobs.JobFailed(problem.text(), problems=[problem.as_dict()])
        record["files"][name] = record_of(real, digest, "first use")
    path = record_path(spec["place"])
    changed = {**record, "schema": records.SCHEMA} != records.read(path, SHAPE)
    if changed:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        records.write(path, record, 0o644, durable=True)
    diff = {"diff": _diff(spec["place"], {"files": before}, record["files"])} if changed else {}
    return {"changed": changed, "hashed_bytes": hashed, **result_of(record), **diff}


def _diff(place: str, record: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, str]:
    """What is recorded of the files, for ``--diff``."""
    before, known_now = (
        "".join(f"{diff_line(name, one['size'], one['sha256'])}\n" for name, one in sorted(some.items()))
        for some in (record["files"] if record else {}, after)
    )
    return {"before_header": place, "after_header": place, "before": before, "after": known_now}
