# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is recorded about the images on a host, and which of them dockerd has.

``/var/lib/thor/images.json`` records, by the catalog's reference with its tag, the digest that the first pull returned. From
then on the image is used by that digest, even if somebody pulls the tag again. ``confirmed`` is the digest that others had
recorded and that the pull confirmed (expected.py)::

    {"images": {"nvcr.io/nvidia/vllm:25.10-py3": {"digest": "sha256:..", "architecture": "arm64", "proof": {...} or null,
                                                  "confirmed": {"what": "index", "digest": "sha256:.."} or null,
                                                  "extras": {"librosa==.. soundfile==..": {"id": "sha256:.." or null}}}},
     "superseded": [{"reference": "..", "digest": ".."}]}

``proof``: the result of the GPU check, with the L4T and container toolkit it ran on and the ``environments`` it ran in (as
digests). ``superseded``: earlier digests of a reference, still ours to remove. ``extras``: for a set of Python packages, the id
of the derived image that has them (derive.py), or null if the image itself has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, records
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import references

RECORD = Path("/var/lib/thor/images.json")
IMAGE_SHAPE = {
    "digest": str,
    "architecture?": (str, type(None)),
    "proof?": (dict, type(None)),
    "confirmed?": (dict, type(None)),
    "extras?": {str: {"id": (str, type(None))}},
}
SHAPE = {"images?": {str: IMAGE_SHAPE}, "superseded?": [{"reference": str, "digest": str}]}
PID_FILE = Path("/run/docker.pid")
Record = dict[str, Any]


def observe() -> dict[str, Any]:
    """The keys that this adds to ``thor_host``. Only reads.

    ``present``: dockerd has the image under that digest. If dockerd does not run, nothing is present: a question would start it.
    """
    record = read_record()
    local = Local.ask(Docker(timeout=2)) if record["images"] and dockerd_runs() else Local([])
    return {
        "images": {
            reference: {
                "digest": entry["digest"],
                "present": local.has(reference, entry["digest"]),
                "architecture": entry["architecture"],
                "proof": entry["proof"],
                "confirmed": entry["confirmed"],
                "extras": {
                    key: {"id": one["id"], "present": local.has_extra(one)} for key, one in entry["extras"].items()
                },
            }
            for reference, entry in record["images"].items()
        },
        "superseded_images": [references.by_digest(one["reference"], one["digest"]) for one in record["superseded"]],
    }


def dockerd_runs() -> bool:
    """Whether dockerd runs, found without its socket: connecting would start it."""
    process = files.number(PID_FILE)
    return process is not None and files.text(Path(f"/proc/{process}/comm")) == "dockerd"


def read_record() -> Record:
    """The record; an empty one if it does not exist or cannot be read."""
    found = records.read(RECORD, SHAPE) or {}
    entries = {
        reference: {"architecture": None, "proof": None, "extras": {}, "confirmed": None, **entry}
        for reference, entry in found.get("images", {}).items()
        if entry["digest"].startswith("sha256:")
    }
    return {"images": entries, "superseded": found.get("superseded", [])}


def digests(record: Record) -> list[str]:
    """The digests of the recorded images."""
    return [entry["digest"] for entry in record["images"].values()]


def write_record(record: Record) -> None:
    """Write the record in one rename. It contains no secret."""
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    records.write(RECORD, record, 0o644, durable=True)


def note(
    record: Record,
    reference: str,
    digest: str,
    architecture: str | None,
    confirmed: Mapping[str, str] | None = None,
) -> None:
    """Record that ``reference`` is ``digest`` from now on. A proof of another digest is dropped."""
    held = record["images"].get(reference)
    if held and held["digest"] != digest:
        record["superseded"].append({"reference": reference, "digest": held["digest"]})
    if not held or held["digest"] != digest:
        record["images"][reference] = {
            "digest": digest,
            "architecture": architecture,
            "proof": None,
            "extras": {},
            "confirmed": dict(confirmed) if confirmed else None,
        }
    record["superseded"] = [
        one for one in record["superseded"] if (one["reference"], one["digest"]) != (reference, digest)
    ]


class Local:
    """The images that dockerd lists. Both of its stores list names and digests the same way."""

    def __init__(self, listing: Iterable[Mapping[str, Any]]) -> None:
        self.listing = list(listing)

    @classmethod
    def ask(cls, docker: Docker) -> Local:
        """Ask dockerd; if it does not answer, it has nothing."""
        try:
            return cls(docker.get("/images/json") or [])
        except DockerError:
            return cls([])

    @classmethod
    def recorded(cls, record: Record) -> Local:
        """Our images that dockerd had when it last ran, for a prediction when it must not be started."""
        names = [
            (references.tagged(name), references.by_digest(name, entry["digest"]))
            for name, entry in record["images"].items()
        ]
        extras = [one["id"] for entry in record["images"].values() for one in entry["extras"].values()]
        listing: list[dict[str, Any]] = [{"RepoTags": [tag], "RepoDigests": [digest]} for tag, digest in names]
        return cls([*listing, *({"Id": one} for one in extras if one)])

    def find(self, name: str) -> Mapping[str, Any] | None:
        """The image with this name, which has a tag or a digest."""
        for image in self.listing:
            if name in (image.get("RepoDigests") or []) or name in (image.get("RepoTags") or []):
                return image
        return None

    def has(self, reference: str, digest: str) -> bool:
        """Whether the image exists under this digest."""
        return self.find(references.by_digest(reference, digest)) is not None

    def has_id(self, image_id: str) -> bool:
        """Whether an image has this id."""
        return any(image.get("Id") == image_id for image in self.listing)

    def has_extra(self, extra: Mapping[str, Any]) -> bool:
        """Whether the packages of an entry of ``extras`` exist: in the image itself, or in a derived image that dockerd has."""
        return extra["id"] is None or self.has_id(extra["id"])

    def digest_of(self, reference: str) -> str | None:
        """The registry's digest of the image with this tag; None if it has none (built or loaded)."""
        image = self.find(references.tagged(reference))
        prefix = f"{references.split(reference)[0]}@"
        names = [name for name in (image or {}).get("RepoDigests") or [] if name.startswith(prefix)]
        return names[0].removeprefix(prefix) if names else None


def lacking_extras(
    image: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], there: Callable[[Mapping[str, Any]], bool]
) -> list[list[str]]:
    """The sets of packages an image needs that nobody has looked for yet, or whose derived image is gone."""
    found = ((packages, known.get(" ".join(packages))) for packages in image["extras"])
    return [packages for packages, one in found if one is None or not there(one)]
