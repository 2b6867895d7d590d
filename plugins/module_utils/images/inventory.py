# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The images of engines on a host: which are needed, which are there, and what is known of them.

``/var/lib/thor/images.json`` records, by the reference with tag that the catalog gives, the digest under which an image
was first had. From then on it is used by that digest, also where somebody pulls the tag anew::

    {"images": {"nvcr.io/nvidia/vllm:25.10-py3": {"digest": "sha256:..", "architecture": "arm64", "proof": {...} or null,
                                                  "extras": {"librosa==.. soundfile==..": {"id": "sha256:.." or null}}}},
     "superseded": [{"reference": "..", "digest": ".."}]}

``proof`` tells what a container of the image was seen to do, under which L4T and container toolkit, and in which
``environments`` (digests). ``superseded`` are
digests that a reference had before: still ours to remove. ``extras`` tells of a set of Python packages in which image they are:
``id`` is that of a derived one (image_extend.py), null where the image itself has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, records
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError

RECORD = Path("/var/lib/thor/images.json")
IMAGE_SHAPE = {
    "digest": str,
    "architecture?": (str, type(None)),
    "proof?": (dict, type(None)),
    "extras?": {str: {"id": (str, type(None))}},
}
SHAPE = {"images?": {str: IMAGE_SHAPE}, "superseded?": [{"reference": str, "digest": str}]}
PID_FILE = Path("/run/docker.pid")
Record = dict[str, Any]
# The runtime that shows a container the GPU, of a service and of the proof alike.
RUNTIME = "nvidia"
CACHE = "/root/.cache"


def observe() -> dict[str, Any]:
    """The keys that this adds to ``thor_host``. Only reads.

    ``present``: dockerd has the image under that digest. Where dockerd does not run, nothing is: asking it would start it.
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
                "extras": {
                    key: {"id": one["id"], "present": one["id"] is None or local.has_id(one["id"])}
                    for key, one in entry["extras"].items()
                },
            }
            for reference, entry in record["images"].items()
        },
        "superseded_images": [by_digest(one["reference"], one["digest"]) for one in record["superseded"]],
    }


def dockerd_runs() -> bool:
    """Whether dockerd is at work, found without its socket: touching that would start it."""
    process = files.number(PID_FILE)
    return process is not None and files.text(Path(f"/proc/{process}/comm")) == "dockerd"


def read_record() -> Record:
    """The record; an empty one where there is none, or none that can be read."""
    found = records.read(RECORD, SHAPE) or {}
    entries = {
        reference: {"architecture": None, "proof": None, "extras": {}, **entry}
        for reference, entry in found.get("images", {}).items()
        if entry["digest"].startswith("sha256:")
    }
    return {"images": entries, "superseded": found.get("superseded", [])}


def write_record(record: Record) -> None:
    """Write the record in one rename. It holds no secret."""
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    records.write(RECORD, record, 0o644, durable=True)


def note(record: Record, reference: str, digest: str, architecture: str | None) -> None:
    """Record that ``reference`` is ``digest`` from now on. A proof of another digest proves nothing."""
    held = record["images"].get(reference)
    if held and held["digest"] != digest:
        record["superseded"].append({"reference": reference, "digest": held["digest"]})
    if not held or held["digest"] != digest:
        record["images"][reference] = {"digest": digest, "architecture": architecture, "proof": None, "extras": {}}
    record["superseded"] = [
        one for one in record["superseded"] if (one["reference"], one["digest"]) != (reference, digest)
    ]


def split(reference: str) -> tuple[str, str]:
    """Repository (with the registry) and tag of a reference: ``hub:5000/nvidia/vllm`` and ``25.10-py3``."""
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, "latest")


def registry_of(reference: str) -> str:
    """The registry that a reference names; Docker's own where it names none."""
    first, slash, _rest = reference.partition("/")
    return first if slash and (set(first) & set(".:") or first == "localhost") else "docker.io"


def by_digest(reference: str, digest: str) -> str:
    """The name by which an image is run: ``hub:5000/nvidia/vllm@sha256:..``."""
    return f"{split(reference)[0]}@{digest}"


class Local:
    """What dockerd has, as it lists it. Both of its stores tell names and digests the same way."""

    def __init__(self, listing: Iterable[Mapping[str, Any]]) -> None:
        self.listing = list(listing)

    @classmethod
    def ask(cls, docker: Docker) -> Local:
        """Ask dockerd; one that does not answer has nothing."""
        try:
            return cls(docker.get("/images/json") or [])
        except DockerError:
            return cls([])

    @classmethod
    def recorded(cls, record: Record) -> Local:
        """What dockerd had when it last ran, as far as it is ours: for a forecast where it may not be asked."""
        names = [(name, by_digest(name, entry["digest"])) for name, entry in record["images"].items()]
        extras = [one["id"] for entry in record["images"].values() for one in entry["extras"].values()]
        listing: list[dict[str, Any]] = [{"RepoTags": [tag], "RepoDigests": [digest]} for tag, digest in names]
        return cls([*listing, *({"Id": one} for one in extras if one)])

    def find(self, name: str) -> Mapping[str, Any] | None:
        """The image that has this name, with a tag or a digest."""
        for image in self.listing:
            if name in (image.get("RepoDigests") or []) or name in (image.get("RepoTags") or []):
                return image
        return None

    def has(self, reference: str, digest: str) -> bool:
        """Whether the image is there under this digest."""
        return self.find(by_digest(reference, digest)) is not None

    def has_id(self, image_id: str) -> bool:
        """Whether there is an image of this id."""
        return any(image.get("Id") == image_id for image in self.listing)

    def digest_of(self, reference: str) -> str | None:
        """The registry's digest of the image that has this tag here; None where it has none (built or loaded)."""
        image = self.find(reference)
        prefix = f"{split(reference)[0]}@"
        names = [name for name in (image or {}).get("RepoDigests") or [] if name.startswith(prefix)]
        return names[0].removeprefix(prefix) if names else None


def container_environment(environment: Mapping[str, Any]) -> dict[str, str]:
    """The whole environment of a service's container, and of the proof of its image.

    HOME and caches: everything that an engine compiles lies on one volume and survives the container. vLLM, FlashInfer, SGLang
    and torch's extensions use $XDG_CACHE_HOME or ~/.cache; Triton (~/.triton), Inductor (/tmp) and CUDA (~/.nv) have to be told.
    NVIDIA_VISIBLE_DEVICES: which GPUs the runtime shows; on a Thor (csv mode) it is none without, whatever the image needs.
    """
    own = {
        "HOME": "/root",
        "XDG_CACHE_HOME": CACHE,
        "TRITON_CACHE_DIR": f"{CACHE}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{CACHE}/torchinductor",
        "CUDA_CACHE_PATH": f"{CACHE}/nv",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }
    return {**own, **{name: str(value) for name, value in environment.items()}}


def environment_key(environment: Mapping[str, str]) -> str:
    """What a proof calls an environment: values may be nobody's business."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:16]


def needed(services: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The images of container services, each reference once: reference, digest (or None), engine, version, bytes, the
    ``extras`` that services want of it, sets of Python packages, and the ``environments`` of their containers.
    """
    found: dict[str, dict[str, Any]] = {}
    for service in services:
        reference = service.get("image")
        if not reference:
            continue
        image = found.setdefault(
            reference,
            {
                "reference": reference,
                "digest": None,
                "engine": service["engine"],
                "version": service["version"],
                "bytes": service.get("image_bytes"),
                "extras": [],
                "environments": [],
            },
        )
        environment = container_environment(service.get("environment") or {})
        if environment not in image["environments"]:
            image["environments"].append(environment)
        image["digest"] = image["digest"] or service.get("image_digest")
        packages = sorted(service.get("python_packages") or [])
        if packages and packages not in image["extras"]:
            image["extras"].append(packages)
    return list(found.values())


def proof_holds(
    proof: Mapping[str, Any] | None,
    require_gpu: bool,
    l4t: str | None,
    toolkit: str | None,
    environments: Sequence[Mapping[str, str]] = (),
) -> bool:
    """Whether what was seen of an image is still to be believed: nothing below it has changed since, nor what it is run with."""
    if not proof or (require_gpu and not proof.get("gpu")):
        return False
    if not {environment_key(one) for one in environments} <= set(proof.get("environments") or []):
        return False
    return (proof.get("l4t"), proof.get("toolkit")) == (l4t, toolkit)


def lacking_extras(
    image: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], there: Callable[[Mapping[str, Any]], bool]
) -> list[list[str]]:
    """The sets of packages that an image is to have and that nobody has looked for yet, or whose derived image is gone."""
    found = ((packages, known.get(" ".join(packages))) for packages in image["extras"])
    return [packages for packages, one in found if one is None or not there(one)]
