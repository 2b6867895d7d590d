# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The work on images: bring those that are missing, prove that they can be used, remove what nobody wants (a job, job.py).

dockerd does the pulling; here stands what it does not do:

* It waits for ever on a line that went silent. A pull without progress is cut and asked for again.
* Its classic store forgets the finished layers of a pull that was cut, and fetches them again. While a pull runs, an image
  ``thor-partial`` is kept of the layers that are done, in their order; dockerd then says "Already exists". Layers behind one
  that is not done are fetched again; within a layer dockerd goes on by itself, at the byte, for its own five attempts.
  Measured with Docker 26.1. The containerd store keeps what has arrived for a day, to the byte, and needs no help.
* It looks at the disk when that is full.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import itertools
import json
import os
import platform
import re
import socket
import tarfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import (
    ARCHITECTURES,
    CONTAINERD_ROOT,
    Docker,
    DockerError,
)
from ansible_collections.jetson.thor.plugins.module_utils.images import derive
from ansible_collections.jetson.thor.plugins.module_utils.images import inventory as images
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import (
    PLATFORM_WAY_OUT,
    PRUNE,
    ImageError,
    broken_off,
    explain,
    sends_key,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

# What may name an image of ours: units, their configuration, and what a host would go back to.
NAMING = (
    (Path("/etc/systemd/system"), "thor-*.service"),
    (Path("/etc/thor/services"), "*.json"),
    (Path("/var/lib/thor"), "before.json"),
)
PARTIAL = "thor-partial"
PROOF = "thor-proof"
# Unpacked over compressed bytes. Unverified: a guess for CUDA images, whose libraries compress by more than half.
EXPANSION = 2.5
# A layer of many gigabytes is unpacked without a word by the containerd store.
UNPACK_SECONDS = 3600.0
PROOF_SECONDS = 180.0
REQUEST_SECONDS = 60.0
# Less than this in one attempt is no progress: a line that brings a few bytes before it goes quiet is no line.
LASTING_BYTES = 1_000_000
PAUSE_SECONDS = (5, 10, 20, 40, 60)
# What says that a container can compute: the driver's own library finds a device. nvidia-smi is for the reader.
GPU_SCRIPT = """\
import ctypes, subprocess, sys
try:
    print(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60).stdout.strip())
except OSError as error:
    print("nvidia-smi:", error)
cuda = ctypes.CDLL("libcuda.so.1")
count = ctypes.c_int(0)
code = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
print("cuInit:", code, "CUDA devices:", count.value)
sys.exit(0 if code == 0 and count.value > 0 else 1)
"""
# The container toolkit holds the image's NVIDIA_REQUIRE_* against the driver (its internal/requirements/constraints/binary.go).
_UNSATISFIED = re.compile(r"unsatisfied condition|requirements not met")
# After these the next image would end the same way.
ENDING = (
    "THOR-CLOCK-WRONG",
    "THOR-IMAGE-DISK",
    "THOR-IMAGE-DOCKER",
    "THOR-IMAGE-INTERRUPTED",
    "THOR-REGISTRY-DOWN",
)


class Stalled(Exception):
    """A pull made no progress for too long."""


class Tracker:
    """What the events of one pull say: layers in their order, bytes, and when anything last moved."""

    def __init__(self, stall: float) -> None:
        self.stall = stall
        self.order: list[str] = []
        self.totals: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.complete: set[str] = set()
        self.fetched: set[str] = set()
        self.digest: str | None = None
        self.moved = time.monotonic()

    def see(self, event: Mapping[str, Any]) -> None:
        """Take in one event; raises Stalled where dockerd talks and nothing moves."""
        status, layer = str(event.get("status", "")), str(event.get("id", ""))
        if status.startswith("Digest: "):
            self.digest = status.removeprefix("Digest: ").strip()
        elif layer and status in ("Pulling fs layer", "Already exists"):
            if layer not in self.order:
                self.order.append(layer)
                self.moved = time.monotonic()
            if status == "Already exists":
                self._finish(layer, self.complete)
        elif layer in self.order:
            self._advance(layer, status, event.get("progressDetail"))
        if time.monotonic() - self.moved > self.allowed():
            raise Stalled

    def _advance(self, layer: str, status: str, detail: Any) -> None:
        if status == "Downloading":
            self.totals[layer] = max(self.totals.get(layer, 0), _count(detail, "total"))
            current = _count(detail, "current")
            if current > self.done.get(layer, -1):
                self.done[layer] = current
                self.moved = time.monotonic()
        elif status == "Extracting":
            self.moved = time.monotonic()
        elif status in ("Verifying Checksum", "Download complete"):
            self._finish(layer, self.fetched)
        elif status == "Pull complete":
            self._finish(layer, self.complete)

    def _finish(self, layer: str, group: set[str]) -> None:
        if layer not in group:
            group.add(layer)
            self.fetched.add(layer)
            self.done[layer] = self.totals.get(layer, 0)
            self.moved = time.monotonic()

    def allowed(self) -> float:
        """Seconds without progress that are in order: many more where all has arrived and is being unpacked."""
        arrived = self.order and self.fetched.issuperset(self.order)
        return max(self.stall, UNPACK_SECONDS) if arrived else self.stall

    def patience(self) -> float:
        """Seconds that dockerd may be silent from now on."""
        return max(1.0, self.moved + self.allowed() - time.monotonic())

    @property
    def bytes_done(self) -> int:
        """Compressed bytes that have arrived, of the layers that this pull fetches."""
        return sum(self.done.values())

    @property
    def bytes_total(self) -> int:
        """Compressed bytes of the layers whose size is known so far."""
        return sum(self.totals.values())

    def prefix(self) -> list[str]:
        """The layers from the bottom on that are done."""
        return list(itertools.takewhile(self.complete.__contains__, self.order))

    def text(self) -> str:
        """How far it is."""
        layers = len(self.complete | self.fetched)
        amount = f"{self.bytes_done / 1e9:.2f} of {self.bytes_total / 1e9:.2f} GB that are known of, "
        return f"{amount if self.bytes_total else ''}{layers} of {len(self.order)} layers"


class Store:
    """dockerd's store: which of the two it is, what is free, and how to hold layers in the classic one."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker
        info = docker.get("/info")
        self.root = Path(info.get("DockerRootDir") or "/var/lib/docker")
        status = [list(pair) for pair in info.get("DriverStatus") or []]
        self.containerd = ["driver-type", "io.containerd.snapshotter.v1"] in status
        self.ids = self.root / "image" / str(info.get("Driver")) / "distribution" / "diffid-by-digest" / "sha256"
        self.held: list[str] = []
        self.tried: list[str] = []
        self.seen = 0

    def free_bytes(self) -> int:
        """Space where layers go."""
        places = [self.root, *([Path(CONTAINERD_ROOT)] if self.containerd else [])]
        return min(_free(place) for place in places if place.exists()) if self.root.exists() else _free(Path("/"))

    def wants(self, compressed: int) -> int:
        """Space that layers of this many compressed bytes take. The containerd store keeps them compressed too."""
        return int(compressed * (EXPANSION + (1 if self.containerd else 0)))

    def begin(self, name: str) -> None:
        """See what an earlier run has held of the image that ``name`` stands for."""
        self.held, self.tried, self.seen = [], [], 0
        with contextlib.suppress(DockerError, KeyError, TypeError):
            self.held = list(self.docker.get(f"/images/{PARTIAL}:{name}/json")["RootFS"]["Layers"])

    def hold(self, name: str, layers: list[str]) -> bool:
        """Keep the layers that are done as an image of their own, so that a cut does not lose them.

        Needs the ids of the unpacked layers, which dockerd keeps in files; where they are not found nothing is held.
        """
        if self.containerd or len(layers) in (0, self.seen):
            return False
        # dockerd tells that a layer is done a moment before it writes its id down: the next event comes back here.
        found = [_one_text(self.ids, layer) or "" for layer in layers]
        unpacked = list(itertools.takewhile(bool, found))
        self.seen = len(unpacked)
        # What is held already is told of one by one, too: less must not take the place of more.
        if unpacked in (self.tried, self.held[: len(unpacked)]):
            return False
        self.tried = unpacked
        architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {PARTIAL: name}},
            "rootfs": {"type": "layers", "diff_ids": unpacked},
            "history": [],
        }
        try:
            self.docker.request("POST", "/images/load?quiet=1", _archive(f"{PARTIAL}:{name}", config, len(unpacked)))
        except DockerError:
            return False
        self.held = unpacked
        self.release(keep=f"{PARTIAL}:{name}")
        return True

    def release(self, keep: str | None = None) -> None:
        """Remove what ``hold`` made (but for one); layers that are part of a whole image stay with it."""
        query = urlencode({"all": 1, "filters": json.dumps({"label": [PARTIAL]})})
        with contextlib.suppress(DockerError):
            for image in self.docker.get(f"/images/json?{query}") or []:
                if keep is None or keep not in (image.get("RepoTags") or []):
                    with contextlib.suppress(DockerError):
                        self.docker.request("DELETE", f"/images/{image['Id']}?force=1")


def _count(detail: Any, key: str) -> int:
    """A number of bytes in an event; 0 where it tells none."""
    value = detail.get(key) if isinstance(detail, dict) else None
    return value if isinstance(value, int) else 0


def _short(reference: str) -> str:
    return hashlib.sha256(reference.encode()).hexdigest()[:12]


def _free(path: Path) -> int:
    usage = os.statvfs(path)
    return usage.f_bavail * usage.f_frsize


def _one_text(folder: Path, prefix: str) -> str | None:
    """The content of the one file whose name begins so."""
    try:
        found = list(folder.glob(f"{prefix}*"))
        return found[0].read_text(encoding="ascii").strip() if len(found) == 1 else None
    except (OSError, ValueError):
        return None


def _archive(tag: str, config: Mapping[str, Any], layers: int) -> bytes:
    """An archive as ``docker save`` writes them, without the layers: dockerd has them, and looks for them by their ids."""
    content = json.dumps(config).encode()
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{number}/layer.tar" for number in range(layers)]}]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, data in ((name, content), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def auth_header(spec: Mapping[str, Any], reference: str) -> dict[str, str]:
    """The header that carries the key, where it is to be sent."""
    if not sends_key(spec, reference):
        return {}
    login = {
        "username": spec["registry_user"],
        "password": spec["registry_key"],
        "serveraddress": images.registry_of(reference),
    }
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(login).encode()).decode()}


class Puller:
    """Brings images, one after the other; dockerd itself fetches three layers at a time."""

    def __init__(self, docker: Docker, spec: Mapping[str, Any], report: Reporter) -> None:
        self.docker = docker
        self.spec = spec
        self.report = report
        self.store = Store(docker)
        self.shown = 0.0

    def bring(self, image: Mapping[str, Any], digest: str | None) -> str:
        """Pull an image, by its digest where that is known; its digest. Raises ImageError.

        Attempts are counted that bring nothing which lasts: on a bad line a pull may take as long as it gets on.
        """
        in_vain, best = 0, 0
        self.store.begin(_short(image["reference"]))
        while True:
            tracker = Tracker(float(self.spec["stall_timeout"]))
            try:
                found = self._attempt(image, digest, tracker)
                if digest is None and self.store.containerd:
                    # Else its one name there is the tag, and it would be gone as soon as somebody moves that.
                    self._attempt(image, found, tracker)
                return found
            except ImageError as error:
                lasting = tracker.bytes_done // LASTING_BYTES if self.store.containerd else len(self.store.held)
                in_vain, best = (0, lasting) if lasting > best else (in_vain + 1, best)
                if not error.transient:
                    raise
                if in_vain >= self.spec["attempts"]:
                    raise _given_up(error, in_vain) from error
                pause = max(error.wait, PAUSE_SECONDS[min(in_vain, len(PAUSE_SECONDS) - 1)])
                self.report.say(f"{error.problem.text()} Again in {pause:g} s.")
                self.report.progress(tracker.bytes_done, tracker.bytes_total, "B", f"again in {pause:g} s")
                time.sleep(pause)

    def _attempt(self, image: Mapping[str, Any], digest: str | None, tracker: Tracker) -> str:
        reference = image["reference"]
        repository, tag = images.split(reference)
        path = f"/images/create?{urlencode({'fromImage': repository, 'tag': digest or tag})}"
        free = self.store.free_bytes()
        name = _short(reference)
        events = self.docker.stream("POST", path, auth_header(self.spec, reference), tracker.patience)
        try:
            with contextlib.closing(events):
                for event in events:
                    if event.get("error"):
                        raise explain(str(event["error"]), image, self.spec, tracker.text() if tracker.order else "")
                    tracker.see(event)
                    self._show(reference, tracker)
                    self._refuse_full(image, tracker, free)
                    self.store.hold(name, tracker.prefix())
        except DockerError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise self._stalled(image, tracker) from error
            if error.status is None:
                # Restarted under our hands, where the connection broke; an answer of another shape stays what it is.
                broke = isinstance(error.__cause__, (OSError, http.client.HTTPException))
                raise ImageError(_docker_failed(error), transient=broke) from error
            raise explain(error.message, image, self.spec, tracker.text() if tracker.order else "") from error
        except Stalled as error:
            raise self._stalled(image, tracker) from error
        found = digest or tracker.digest
        if not found:
            raise broken_off("the pull ended without a digest", image, tracker.text())
        return found

    def _stalled(self, image: Mapping[str, Any], tracker: Tracker) -> ImageError:
        words = f"nothing moved for {tracker.allowed():g} s (engine_image_stall_timeout)"
        return broken_off(words, image, tracker.text())

    def _show(self, reference: str, tracker: Tracker) -> None:
        now = time.monotonic()
        if now - self.shown < 0.5:
            return
        self.shown = now
        layers = f"layer {len(tracker.complete | tracker.fetched)} of {len(tracker.order)}"
        self.report.progress(tracker.bytes_done, tracker.bytes_total, "B", f"{reference}, {layers}")

    def _refuse_full(self, image: Mapping[str, Any], tracker: Tracker, free: int) -> None:
        want = self.store.wants(tracker.bytes_total)
        if want > free:
            words = f"about {want / 1e9:.1f} GB are needed for the layers known so far and {free / 1e9:.1f} GB are free"
            problem = Problem(
                "THOR-IMAGE-DISK",
                f"thor_services[{image['engine']} {image['version']}].image",
                image["reference"],
                f"{words} in {self.store.root} (unpacked taken as {EXPANSION:g} times compressed)",
                f"Free space there, or set container_runtime_data_root. {PRUNE}",
            )
            raise ImageError(problem)

    def check(self, image: Mapping[str, Any], digest: str) -> str:
        """The architecture of an image that is there. Raises ImageError THOR-IMAGE-PLATFORM where it is another one's."""
        name = images.by_digest(image["reference"], digest)
        try:
            found = str(self.docker.get(f"/images/{name}/json").get("Architecture"))
        except DockerError as error:
            raise ImageError(_docker_failed(error)) from error
        wanted = ARCHITECTURES.get(platform.machine(), platform.machine())
        if found != wanted:
            reason = f"it is made for {found}, and this host is {wanted} ({platform.machine()})"
            variable = f"thor_services[{image['engine']} {image['version']}].image"
            raise ImageError(Problem("THOR-IMAGE-PLATFORM", variable, image["reference"], reason, PLATFORM_WAY_OUT))
        return found

    def tag(self, image: Mapping[str, Any], digest: str) -> None:
        """Give the image its tag: one without a tag is what ``docker image prune`` removes."""
        repository, tag = images.split(image["reference"])
        name = images.by_digest(image["reference"], digest)
        self.docker.request("POST", f"/images/{name}/tag?{urlencode({'repo': repository, 'tag': tag})}")


def _docker_failed(error: DockerError) -> Problem:
    remedy = "Look at it with `systemctl status docker` and `sudo journalctl -u docker` (the role container_runtime installs it)."
    return Problem("THOR-IMAGE-DOCKER", "thor_host.docker", None, f"images need dockerd: {error.message}", remedy)


def _given_up(error: ImageError, attempts: int) -> ImageError:
    problem = error.problem
    reason = f"{problem.reason} (attempt {attempts} that brought nothing that lasts)"
    return ImageError(Problem(problem.code, problem.variable, problem.value, reason, problem.remedy))


def environments_of(image: Mapping[str, Any]) -> list[dict[str, str]]:
    """The environments that containers of the image are run with."""
    return [dict(one) for one in image.get("environments") or []] or [images.container_environment({})]


def proof_body(image: str, script: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The proof's container: under the runtime, with the rights and in the environment of a service's (docker_run.json.j2)."""
    return {
        "Image": image,
        "Entrypoint": ["python3", "-c", script],
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
        "Tty": True,  # without one the log is framed
        "Labels": {PROOF: "yes"},
        "HostConfig": {
            "Runtime": images.RUNTIME,
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "json-file"},
        },
    }


def prove(docker: Docker, image: Mapping[str, Any], digest: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Run a container of the image as each service is run, for a moment; the proof. Raises ImageError THOR-GPU-HIDDEN."""
    environments = environments_of(image)
    output = ""
    for environment in environments:
        output = _prove_in(docker, image, digest, spec, environment)
    seen = {"gpu": bool(spec["require_gpu"]), "l4t": spec["l4t"], "toolkit": spec["toolkit"]}
    keys = sorted(images.environment_key(one) for one in environments)
    return {**seen, "environments": keys, "output": output[-500:], "at": int(time.time())}


def _prove_in(
    docker: Docker, image: Mapping[str, Any], digest: str, spec: Mapping[str, Any], environment: Mapping[str, str]
) -> str:
    """What the proof's container said in one environment."""
    script = GPU_SCRIPT if spec["require_gpu"] else ""
    body = proof_body(images.by_digest(image["reference"], digest), script, environment)
    status, output = None, ""
    try:
        _remove_container(docker)
        docker.request("POST", f"/containers/create?name={PROOF}", body)
        docker.request("POST", f"/containers/{PROOF}/start")
        waiting = Docker(docker.socket_path, PROOF_SECONDS)
        status = int((waiting.request("POST", f"/containers/{PROOF}/wait") or {}).get("StatusCode", -1))
        output = str(docker.get(f"/containers/{PROOF}/logs?stdout=1&stderr=1&tail=20") or "").strip()
    except DockerError as error:
        output = error.message
    finally:
        with contextlib.suppress(DockerError):
            _remove_container(docker)
    if status == 0:
        return output
    ended = "did not come to an end" if status is None else f"ended with {status}"
    what = "no GPU was seen in" if spec["require_gpu"] else "no program runs in"
    reason = f"{what} a container under --runtime={images.RUNTIME}: it {ended}: {' '.join(output.split()) or 'without a word'}"
    remedy = (
        "Look for the cause in this order: nvidia-smi on the host; ls -l /dev/nv*; nvidia-container-toolkit 1.17.7 or "
        "later (role container_runtime); `docker info` must list the runtime nvidia. engine_image_require_gpu: false "
        "goes on without a GPU."
    )
    if _UNSATISFIED.search(output):
        remedy = (
            "The image asks for a newer driver than the host has. Take an older version of the engine; or, where it is known to run on "
            'this driver, set NVIDIA_DISABLE_REQUIRE: "1" in the environment of its service or profile.'
        )
    variable = f"thor_services[{image['engine']} {image['version']}].image"
    raise ImageError(Problem("THOR-GPU-HIDDEN", variable, image["reference"], reason, remedy))


def _remove_container(docker: Docker) -> None:
    try:
        docker.request("DELETE", f"/containers/{PROOF}?force=1&v=1")
    except DockerError as error:
        if error.status != 404:
            raise


def garbage(record: images.Record, wanted: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Images of ours that no service wants: those to remove, and, by name, those to keep with what names them."""
    references = {image["reference"] for image in wanted}
    kept_digests = {record["images"][name]["digest"] for name in references if name in record["images"]}
    ours = [{"reference": name, "digest": entry["digest"]} for name, entry in record["images"].items()]
    texts = _naming_texts()
    remove, keep = [], {}
    for one in [image for image in ours if image["reference"] not in references] + record["superseded"]:
        if one["digest"] in kept_digests:
            continue
        tag = one["reference"] if one["reference"] not in references else one["digest"]
        named = next((path for path, text in texts.items() if one["digest"] in text or tag in text), None)
        if named:
            keep[images.by_digest(one["reference"], one["digest"])] = f"{named} names it"
        else:
            remove.append(one)
    return remove, keep


def _naming_texts() -> dict[str, str]:
    texts = {}
    for folder, pattern in NAMING:
        for path in sorted(folder.glob(pattern)):
            with contextlib.suppress(OSError):
                texts[str(path)] = path.read_text(encoding="utf-8", errors="replace")
    return texts


def collect(docker: Docker, record: images.Record, wanted: list[dict[str, Any]]) -> tuple[list[str], dict[str, str]]:
    """Remove what ``garbage`` found; names of what was removed, and of what was kept with the reason."""
    remove, keep = garbage(record, wanted)
    removed = []
    for one in remove:
        name = images.by_digest(one["reference"], one["digest"])
        local = images.Local.ask(docker)
        image = local.find(name)
        tagged = local.find(one["reference"])
        # Only our own names: an image that somebody gave another tag stays under that.
        names = [one["reference"]] if image is not None and tagged is image else []
        try:
            for each in [*names, *([name] if image is not None else [])]:
                derive.remove_image(docker, each)
        except DockerError as error:
            keep[name] = error.message
            continue
        if image is not None:
            removed.append(name)
        if record["images"].get(one["reference"], {}).get("digest") == one["digest"]:
            del record["images"][one["reference"]]
        record["superseded"] = [other for other in record["superseded"] if other != one]
        images.write_record(record)
    return removed, keep


def digest_for(image: Mapping[str, Any], record: images.Record, local: images.Local) -> str | None:
    """The digest that an image has to have: the lock's, the recorded one, that of the image which bears the tag here."""
    held = record["images"].get(image["reference"])
    return image["digest"] or (held["digest"] if held else None) or local.digest_of(image["reference"])


def plan(spec: Mapping[str, Any], record: images.Record, local: images.Local) -> dict[str, list[str]]:
    """What a run would do: references to pull, to record (they are there already), to prove and to look for Python packages in,
    and names to remove.
    """
    result: dict[str, list[str]] = {"pull": [], "record": [], "check": [], "derive": [], "prune": []}
    for image in spec["images"]:
        reference = image["reference"]
        digest = digest_for(image, record, local)
        held = record["images"].get(reference) or {}
        same = held.get("digest") == digest
        if digest is None or not local.has(reference, digest):
            result["pull"].append(reference)
        elif not same:
            result["record"].append(reference)
        proof = held.get("proof") if same else None
        if not images.proof_holds(proof, spec["require_gpu"], spec["l4t"], spec["toolkit"], environments_of(image)):
            result["check"].append(reference)
        known = held.get("extras", {}) if same else {}
        if images.lacking_extras(image, known, lambda one: one["id"] is None or local.has_id(one["id"])):
            result["derive"].append(reference)
    if spec["prune"]:
        after = {"images": dict(record["images"]), "superseded": list(record["superseded"])}
        for image in spec["images"]:
            if image["digest"]:
                images.note(after, image["reference"], image["digest"], None)
        remove = garbage(after, spec["images"])[0]
        result["prune"] = [images.by_digest(one["reference"], one["digest"]) for one in remove]
        result["prune"] += derive.unwanted(record["images"], spec["images"], _naming_texts().values())
    return result


def forecast(todo: Mapping[str, list[str]], record: images.Record) -> list[str]:
    """The images of a host, a line each, as they will be after ``todo``."""
    lines = {name: _line(name, entry["digest"]) for name, entry in record["images"].items()}
    gone = {
        name for name, entry in record["images"].items() if images.by_digest(name, entry["digest"]) in todo["prune"]
    }
    lines = {name: line for name, line in lines.items() if name not in gone}
    lines |= {name: f"{name} (pulled)" for name in todo["pull"]}
    return sorted(
        [*lines.values(), *(f"{name} with its Python packages (where it lacks them)" for name in todo["derive"])]
    )


def inventory(record: images.Record) -> list[str]:
    """The images of a host, a line each, derived ones too."""
    lines = [_line(name, entry["digest"]) for name, entry in record["images"].items()]
    derived = [
        (name, key, one["id"]) for name, entry in record["images"].items() for key, one in entry["extras"].items()
    ]
    return sorted(lines + [f"{name} with {key} {made}" for name, key, made in derived if made])


def _line(reference: str, digest: str) -> str:
    return f"{reference} {digest}"


def diff_of(before: list[str], after: list[str]) -> dict[str, str]:
    """Two lists of images as Ansible shows a difference."""
    texts = {"before": before, "after": after}
    return {
        "before_header": "images",
        "after_header": "images",
        **{key: "".join(f"{line}\n" for line in lines) for key, lines in texts.items()},
    }


def unlocked(spec: Mapping[str, Any], record: images.Record) -> tuple[list[dict[str, str]], list[str]]:
    """Images that the lock does not pin, with the digest that the registry gave, and a note of how to lock each."""
    entries, notes = [], []
    for image in spec["images"]:
        held = record["images"].get(image["reference"])
        if image["digest"] or not held:
            continue
        entry = {key: str(image[key]) for key in ("engine", "version")}
        entries.append({**entry, "image": image["reference"], "digest": held["digest"]})
        notes.append(
            f"THOR-IMAGE-UNLOCKED: {socket.gethostname()}: {image['reference']} is not in the lock; this host keeps to what "
            f"the registry gave. For all hosts: script/lock --digest {image['engine']}:{image['version']}={held['digest']}"
        )
    return entries, notes


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """The job: ``spec`` are the parameters of the module engine_image. Raises JobFailed with all problems."""
    docker = Docker(timeout=REQUEST_SECONDS)
    record = images.read_record()
    before = inventory(record)
    problems: list[Problem] = []
    result: dict[str, Any] = {"pulled": [], "checked": [], "derived": [], "pruned": [], "kept": {}}
    try:
        puller = Puller(docker, spec, report)
        for image in spec["images"]:
            try:
                _settle(docker, puller, image, spec, record, result)
            except ImageError as error:
                problems.append(error.problem)
                if error.problem.code in ENDING:
                    break
        if not problems:
            puller.store.release()
        if spec["prune"] and not problems:
            result["pruned"], result["kept"] = collect(docker, record, spec["images"])
            derived, kept = derive.remove_unused(docker, record, spec["images"], _naming_texts().values())
            images.write_record(record)
            result["pruned"] += derived
            result["kept"] |= kept
    except DockerError as error:
        problems.append(_docker_failed(error))
    entries, notes = unlocked(spec, record)
    result["unlocked"] = entries
    result["images"] = {name: entry["digest"] for name, entry in record["images"].items()}
    result["changed"] = bool(result["pulled"] or result["derived"] or result["pruned"])
    if result["changed"]:
        result["diff"] = diff_of(before, inventory(record))
    if problems:
        host = socket.gethostname()
        texts = [problem.text().replace(": ", f": {host}: ", 1) for problem in problems]
        dicts = [problem.as_dict() for problem in problems]
        raise JobFailed(_clean("\n".join(texts), spec), **_clean_data({**result, "problems": dicts}, spec))
    return {**_clean_data(result, spec), "warnings": notes}


def _settle(
    docker: Docker,
    puller: Puller,
    image: Mapping[str, Any],
    spec: Mapping[str, Any],
    record: images.Record,
    result: dict[str, Any],
) -> None:
    """Have one image: there, tagged, recorded and proven."""
    reference = image["reference"]
    local = images.Local.ask(docker)
    digest = digest_for(image, record, local)
    if digest is None or not local.has(reference, digest):
        tagged = digest is None
        digest = puller.bring(image, digest)
        try:
            architecture = puller.check(image, digest)
        except ImageError:
            # It was not here before: nobody else's.
            for name in [*([reference] if tagged else []), images.by_digest(reference, digest)]:
                with contextlib.suppress(DockerError):
                    derive.remove_image(docker, name)
            raise
        puller.tag(image, digest)
        result["pulled"].append(reference)
    else:
        architecture = puller.check(image, digest)
    before = json.dumps(record, sort_keys=True)
    images.note(record, reference, digest, architecture)
    entry = record["images"][reference]
    entry["architecture"] = architecture
    if json.dumps(record, sort_keys=True) != before:
        images.write_record(record)
    if not images.proof_holds(
        entry["proof"], spec["require_gpu"], spec["l4t"], spec["toolkit"], environments_of(image)
    ):
        puller.report.progress(0, 0, text=f"{reference}: a container of it is tried")
        entry["proof"] = prove(docker, image, digest, spec)
        images.write_record(record)
        result["checked"].append(reference)
    for packages in images.lacking_extras(
        image, entry["extras"], lambda one: one["id"] is None or local.has_id(one["id"])
    ):
        made = _extended(docker, puller, image, digest, packages, spec)
        entry["extras"][derive.key_of(packages)] = {"id": made}
        images.write_record(record)
        if made:
            result["derived"].append(f"{reference} with {', '.join(packages)}")


def _extended(
    docker: Docker, puller: Puller, image: Mapping[str, Any], digest: str, packages: list[str], spec: Mapping[str, Any]
) -> str | None:
    """The id of an image that has the packages, None where the image itself has them. Raises ImageError."""
    name = images.by_digest(image["reference"], digest)
    puller.report.progress(0, 0, text=f"{image['reference']}: looking for {', '.join(packages)}")
    missing: Mapping[str, str] = {}
    try:
        missing = derive.lacking(docker, name, packages)
        if not missing:
            return None
        if spec["derive"]:
            made = derive.add(docker, name, missing, spec["pip_arguments"], spec["environment"], puller.report)
            missing = derive.lacking(docker, made, packages)
            if not missing:
                return made
            derive.remove_image(docker, made)
        reason = "; ".join(f"{package} ({why})" for package, why in missing.items())
        reason = f"it lacks what its service needs: {reason}"
    except derive.CannotExtend as error:
        what = (
            f"{', '.join(missing)} cannot be added to it"
            if missing
            else "whether it has what its service needs is not known"
        )
        reason = f"{what}: {error}"
    remedy = (
        "engine_image_derive: true adds it in a derived image, for which pip needs an index that the host reaches (thor_pip_extra_args); "
        "or name an image that has it (thor_extra_engines), or take the service out of thor_profiles."
    )
    variable = f"thor_services[{image['engine']} {image['version']}].image"
    raise ImageError(Problem("THOR-IMAGE-EXTRAS", variable, image["reference"], reason, remedy))


def _clean(text: str, spec: Mapping[str, Any]) -> str:
    """A text without the key, whoever may have put it there."""
    return text.replace(spec["registry_key"], "********") if spec["registry_key"] else text


def _clean_data(data: dict[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    cleaned: dict[str, Any] = json.loads(_clean(json.dumps(data), spec))
    return cleaned
