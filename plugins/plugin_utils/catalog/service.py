# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A resolved service: what everything downstream of the catalog reads.

``to_facts`` makes plain JSON of it, one entry of the fact ``thor_services``, and ``from_facts`` reads that again. docs/catalog.md
explains the keys to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the profile says about this engine version: ``works``, ``broken`` or ``untested``, and why (or an empty text)."""

    state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """The sources that an engine is built from: ``git`` with ``commit``, or ``archive`` with ``sha256``."""

    git: str | None = None
    commit: str | None = None
    archive: str | None = None
    sha256: str | None = None
    subdirectory: str | None = None  # the folder of the archive that holds the sources

    @classmethod
    def of(cls, engine: Mapping[str, Any], known: Mapping[str, Any]) -> Source:
        """The sources of a version that is built; ``known`` is what the catalog says about that version."""
        source = dict(known.get("source") or engine.get("source") or {})
        if "commit" in known and "archive" not in source:
            source["commit"] = known["commit"]
        return cls(**source)

    @property
    def is_pinned(self) -> bool:
        """Whether the sources can only ever be the same."""
        return bool((self.archive and self.sha256) or (self.git and self.commit))


@dataclass(frozen=True, kw_only=True)
class LockSummary:
    """A lock file of Python packages, on the controller."""

    path: str
    sha256: str  # Lock.sha256: of what would be installed
    packages: int
    bytes: int  # what a device fetches
    command: str = ""  # what made it


@dataclass(frozen=True, kw_only=True)
class CudaCode:
    """Which libraries of an engine must hold code for the GPU, and what is lost where others hold none (patterns of paths)."""

    required: tuple[str, ...]
    lost: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Packages:
    """The Python packages that an engine is made of."""

    requirement: str  # what was locked: vllm[audio]==0.33.0
    locks: Mapping[str, LockSummary]  # by platform: cp312-aarch64
    apt: tuple[str, ...]  # Debian packages that the engine needs while it runs, such as a C compiler
    cuda_code: CudaCode | None


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to install the engine of a service. Sizes are None where nobody knows them."""

    kind: str
    version: str
    engine_version: str | None
    state: str  # as in Status
    origin: str  # the image, the requirement, or the address of the sources
    download_bytes: int | None = None
    estimated: bool = False  # whether download_bytes is an estimate
    disk_bytes: int | None = None  # an estimate
    packages: int | None = None


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Files of one catalog model that must be on disk before the service starts."""

    key: str  # the model's name in the catalog
    source: str  # the kind of source: hub, local or url
    path: str  # the folder on the device, below /models
    file: str | None  # the one file that the engine is started with, relative to path
    projector: str | None  # the file with which the engine reads images (llama.cpp's mmproj), relative to path
    bytes: int | None  # None where nobody has read it yet
    estimated: bool  # whether bytes is an estimate rather than the sum of a file listing
    precision: str | None
    active_bytes: int | None  # what one token of a mixture of experts reads


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """One hub that has the files of a model."""

    hub: str  # huggingface or modelscope
    id: str  # OWNER/NAME
    revision: str  # a branch, a tag or a commit

    def __str__(self) -> str:
        return f"{self.id} at {self.revision}"


@dataclass(frozen=True, kw_only=True)
class HubArtifact(Artifact):
    """Files from a model hub."""

    sources: tuple[HubSource, ...]  # at least one, in the order of thor_hubs: the first that answers is taken
    include: tuple[str, ...]  # patterns of file names
    exclude: tuple[str, ...]  # patterns of files that are left out although include names them
    sha256: Mapping[str, str]  # by file; empty until script/lock has read them

    @property
    def id(self) -> str:
        """OWNER/NAME on the first of its hubs."""
        return self.sources[0].id

    @property
    def revision(self) -> str:
        """The revision that is asked of the first of its hubs."""
        return self.sources[0].revision


@dataclass(frozen=True, kw_only=True)
class LocalArtifact(Artifact):
    """Files that somebody else has put on the device, which are read and neither changed nor removed.

    ``path`` is their folder, anywhere on the device. Where a file is named, only ``file`` and ``projector`` in it are meant.
    """


@dataclass(frozen=True, kw_only=True)
class UrlArtifact(Artifact):
    """One file from a plain web server."""

    url: str
    checksum: str | None  # sha256:HEX or sha1:HEX


AnyArtifact = HubArtifact | LocalArtifact | UrlArtifact


@dataclass(frozen=True, kw_only=True)
class Speculative:
    """How the engine guesses tokens before the model checks them."""

    method: str  # eagle3, mtp, dspark, dflash, draft or ngram
    tokens: int | None  # guesses a step; None: the engine's own default
    model: AnyArtifact | None  # the model that guesses; None where the model itself does, or n-grams do


@dataclass(frozen=True, kw_only=True)
class Lora:
    """An adapter that clients choose by its name."""

    name: str
    key: str  # the adapter's name in the catalog's models
    path: str  # the file or folder that the engine loads, on the device


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How an engine that claims a share of the device's memory is told its budget."""

    option: str  # with its dashes: --gpu-memory-utilization
    of: str  # what the share is taken of: total or free memory
    budget_bytes: int


@dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """Sampling values laid over the model's own generation_config.json."""

    path: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Vision:
    """How a client shows images to the service."""

    folder: str | None  # the folder on the device whose images the engine reads
    file_url: str | None  # the pattern of a file:// address, with {path} or {name}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What shows that the engine is working: matches on a page of its API, or in its output where there is no ``path``."""

    match: str
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class GpuRequest:
    """What the service's own options keep off the GPU, each as the option's text (module_utils/services/gpu_evidence.py)."""

    none: tuple[str, ...]
    part: tuple[str, ...]
    layers: Mapping[str, int]
    draft_layers: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """Regular expressions for the engine's log: what proves that it uses the GPU, and what disproves it."""

    evidence: tuple[str, ...]
    asked: GpuRequest
    revoked: tuple[str, ...] | None = None
    partial: tuple[str, ...] | None = None
    layers: str | None = None
    needs: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entrypoint:
    """How an image's entrypoint and the command go together (module_utils/images/entrypoint.py explains ``how``)."""

    how: str  # runs, is or set
    words: tuple[str, ...]  # the engine's own words, or those that are set
    instead_of: int  # so many words of argv are not passed to the container


# Where the engine of a service that starts on demand listens, whatever the address of the service is.
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class OnDemand:
    """A service that starts with its first request: after how long without one it stops, and the port of its engine meanwhile."""

    idle_seconds: int
    engine_port: int  # behind the service's own port, on which systemd listens


@dataclass(frozen=True, kw_only=True)
class Service:
    """One inference endpoint of a host. ``version``, ``port`` and ``memory_gib`` are None where the inventory's value is invalid."""

    name: str
    unit: str
    unclear: tuple[str, ...]  # keys whose intended value is unknown because what was written is refused
    profile: str
    engine: str
    version: str | None
    engine_version: str | None  # the version that the engine itself reports; None where no source gives it
    kind: str  # build (from source), image or packages
    role: str | None  # the role that installs the engine; None where there is none yet
    status: Status
    image: str | None  # with its tag; None of other kinds
    image_digest: str | None  # sha256:HEX; None until script/lock has read it
    image_expected: Mapping[str, str]  # digests that others recorded, by what they are of: index, manifest, either
    image_bytes: int | None  # an estimate of the size on disk
    image_cuda_code: CudaCode | None  # None of other kinds than image
    source: Source | None  # None of other kinds than build
    flags_checked: bool  # whether a stored list has the options of this version
    # Whose parser the device asks, where stored lists do not tell all; None where it need not, or cannot.
    parser: str | None
    # The model's architectures, where no stored list says that the engine has one of them itself.
    unlisted: tuple[str, ...]
    packages: Packages | None  # None of other kinds than packages
    ways: tuple[Way, ...]  # how the engine can be installed, one for each kind; empty where there is only one kind
    entrypoint: Entrypoint | None  # None of other kinds than image
    argv: tuple[str, ...]  # the whole command, beginning with the engine's own
    replaced: Mapping[str, str]  # options that this version no longer has, each with what argv has in their place
    environment: Mapping[str, str]
    working_directory: str | None  # None: one of the service's own
    secrets: tuple[str, ...]  # names of variables only: the values are in no fact
    api_key: str | None  # the one of these that holds the key which clients must send
    model: AnyArtifact
    files: tuple[AnyArtifact, ...]  # what the service needs beside its model: chat templates, the draft, adapters
    about: Mapping[str, Any] | None  # what the model's own files say of it (models/about.py); None while unknown
    derived: Mapping[str, str]  # what nobody has written about the model, and where it was read instead
    api: str  # chat, transcription, embedding or rerank
    api_path: str
    served_name: str
    address: str
    port: int | None  # for clients; the engine's own is engine_port
    on_demand: OnDemand | None  # None: the service always runs
    exclusive: str | None  # the group of services that take turns in memory
    memory_gib: float | None  # None where nothing says yet what it needs
    memory: Memory | None  # None where the engine takes no share, or memory_gib is not known
    memory_parts: Mapping[str, int] | None  # computed bytes by part (budget.PARTS); None while they are not known
    # What they are computed from (memory_load.Load), to ask for another context or device.
    memory_load: Mapping[str, Any] | None
    context: int | None  # tokens of the longest sequence; of llama.cpp, what all slots share
    sequences: int | None  # for how many of these there is room; of llama.cpp, how many slots share it
    generation_config: GenerationConfig | None
    thinking: bool | str | None  # a word is an effort, such as low; None where the model cannot switch
    tools: bool | None  # whether clients may have it call tools; None where nobody has said so
    speculative: Speculative | None
    # The command without speculation, which bench compares with; None where there is none.
    plain_argv: tuple[str, ...] | None
    loras: tuple[Lora, ...]
    vision: Vision | None  # None where the model sees no images
    remote_media: bool | None  # whether the engine may fetch images that a client names; None where it sees none
    trained: bool  # False for a model of random weights
    programs: tuple[str, ...]  # what the engine starts, such as ffmpeg
    python_packages: tuple[str, ...]  # what its image must have in addition, NAME==VERSION
    bench_argv: tuple[str, ...]  # the engine's own benchmark; empty where there is none
    start_timeout: int  # seconds
    health: str | None
    metrics_path: str | None  # the engine's own page of metrics; None where it has none, or thor_metrics is off
    progress: Progress | None
    gpu: Gpu | None

    @property
    def engine_port(self) -> int | None:
        """The port that the engine itself listens on. A request to it neither wakes the service nor keeps it up."""
        return self.on_demand.engine_port if self.on_demand else self.port

    @property
    def engine_address(self) -> str:
        """The address that the engine itself listens on."""
        return LOOPBACK if self.on_demand else self.address

    def to_facts(self) -> dict[str, Any]:
        """The service as plain JSON, an entry of ``thor_services``."""
        facts: dict[str, Any] = _plain(self)
        return facts

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Service:
        """Read an entry of ``thor_services``."""
        values = {field.name: _frozen(facts[field.name]) for field in fields(cls)}
        for key, nested in NESTED.items():
            values[key] = _read(nested, facts[key])
        values["model"] = _artifact(facts["model"])
        values["files"] = tuple(_artifact(one) for one in facts["files"])
        values["loras"] = tuple(_read(Lora, one) for one in facts["loras"])
        if facts["speculative"] is not None:
            draft = facts["speculative"]["model"]
            values["speculative"] = _read(
                Speculative, {**facts["speculative"], "model": None if draft is None else _artifact(draft)}
            )
        values["ways"] = tuple(_read(Way, one) for one in facts["ways"])
        if facts["gpu"] is not None:
            values["gpu"] = _read(Gpu, {**facts["gpu"], "asked": _read(GpuRequest, facts["gpu"]["asked"])})
        if facts["packages"] is not None:
            packages = facts["packages"]
            locks = {tag: _read(LockSummary, lock) for tag, lock in packages["locks"].items()}
            values["packages"] = _read(
                Packages, {**packages, "locks": locks, "cuda_code": _read(CudaCode, packages["cuda_code"])}
            )
        return cls(**values)


NESTED: Mapping[str, type] = {
    "image_cuda_code": CudaCode,
    "entrypoint": Entrypoint,
    "status": Status,
    "on_demand": OnDemand,
    "source": Source,
    "memory": Memory,
    "generation_config": GenerationConfig,
    "vision": Vision,
    "progress": Progress,
}
KINDS: Mapping[str, type] = {"hub": HubArtifact, "local": LocalArtifact, "url": UrlArtifact}


def _artifact(facts: Mapping[str, Any]) -> Any:
    if facts["source"] == "hub":
        facts = {**facts, "sources": [_read(HubSource, one) for one in facts["sources"]]}
    return _read(KINDS[facts["source"]], facts)


def _read(kind: type, facts: Mapping[str, Any] | None) -> Any:
    return None if facts is None else kind(**{key: _frozen(value) for key, value in facts.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Dataclasses as mappings and tuples as lists. A key that defaults to None is there only where it is set."""
    if is_dataclass(value):
        named = [(field, getattr(value, field.name)) for field in fields(value)]
        return {field.name: _plain(one) for field, one in named if one is not None or field.default is not None}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
