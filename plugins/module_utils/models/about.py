# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model says of itself, without a byte of its weights: from a hub before it is fetched, and from disk afterwards, the same.

``Files`` is where it is read: ranges.py makes one of a hub, ``on_disk`` of a folder. Which files are read, and how much of them,
depends on their names and sizes only, so that both give the same About.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import (
    chat_template,
    gguf,
    model_config,
    safetensors,
    split,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.config_geometry import geometry_of_config
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Geometry
from ansible_collections.jetson.thor.plugins.module_utils.models.gguf_geometry import geometry_of_gguf

# config.json and the index of the weights: where the first is long, as with a line for every expert, there is less for the second, which
# is not needed (safetensors.weight_files).
CONFIG_AND_INDEX = 1_400_000
# The longest files that are read, in bytes. With the index they stay below 2 MB.
LONGEST = {
    "config.json": CONFIG_AND_INDEX,
    "generation_config.json": 20_000,
    "chat_template.jinja": 400_000,
    "chat_template.json": 400_000,
    "tokenizer_config.json": 400_000,
    "hf_quant_config.json": 100_000,
    "1_Pooling/config.json": 10_000,
}
# What vLLM reads where there is no config.json (get_config in transformers_utils/config.py).
MISTRAL = "params.json"
TEMPLATES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")
POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}  # llama.h, enum llama_pooling_type
# The head of a reranker, which llama.cpp applies if the pooling is rank: either tensor, or both (build_pooling in src/llama-graph.cpp).
RANK_HEADS = frozenset(["cls.output.weight", "cls.weight"])
_QUANTIZATION = re.compile(
    r"(?:^|[-_.])((?:UD-)?(?:IQ|Q|TQ)\d\w*|BF16|F16|F32|MXFP4\w*|NVFP4)(?:-\d{5}-of-\d{5})?\.gguf$", re.IGNORECASE
)


@dataclass(frozen=True)
class Files:
    """The files of a model: their sizes by name, and a function that reads up to so many bytes from a place in one of them."""

    sizes: Mapping[str, int]
    read: Callable[[str, int, int], bytes]

    def content(self, name: str, longest: int) -> bytes | None:
        """A whole file; None if there is none, or a longer one."""
        size = self.sizes.get(name)
        return self.read(name, 0, size) if size is not None and 0 < size <= longest else None


@dataclass(frozen=True, kw_only=True)
class About:
    """What a model says of itself.

    ``thinking`` is written as in the catalog; ``projectors`` are the GGUF files that make a model see, with their bytes;
    ``geometry_fault`` says why ``geometry`` is None, ``fault`` why an engine could not read the model. ``thinking``, ``rank_head`` and
    ``vocabulary["digest"]`` of a GGUF file are None until its whole header has been read (``depth`` of about_of).
    """

    format: str = "other"  # safetensors, gguf, mistral (params.json instead of config.json) or other
    architectures: tuple[str, ...] = ()
    model_type: str | None = None
    weights_bytes: int = 0
    geometry: Geometry | None = None
    geometry_fault: str = ""
    context: int | None = None
    thinking: Any = None
    vision: bool = False
    projectors: Mapping[str, int] = field(default_factory=dict)
    projector_bytes: int | None = None
    pooling: str | None = None
    rank_head: bool | None = None
    code: bool = False
    vocabulary: Mapping[str, Any] | None = None  # {"size": tokens, "digest": hex or None}
    precision: str | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""

    def to_facts(self) -> dict[str, Any]:
        """Plain JSON."""
        facts = asdict(self)
        facts["architectures"] = list(self.architectures)
        facts["geometry"] = self.geometry.to_facts() if self.geometry else None
        return facts

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> About:
        """Read ``to_facts`` again."""
        values = {one.name: facts[one.name] for one in fields(cls)}
        values["architectures"] = tuple(values["architectures"])
        values["geometry"] = Geometry.from_facts(values["geometry"]) if values["geometry"] else None
        return cls(**values)

    def as_far_as(self, whole: bool) -> About:
        """The same without what needs the whole header of a GGUF file, unless that was read."""
        if whole or self.format != "gguf":
            return self
        vocabulary = {**self.vocabulary, "digest": None} if self.vocabulary else None
        return replace(self, thinking=None, rank_head=None, vocabulary=vocabulary)

    def with_projector(self, name: str | None) -> About:
        """The same with the projector that a service uses."""
        if name is None or self.format != "gguf":
            return self
        return replace(self, vision=True, projector_bytes=self.projectors.get(name))


def about_of(files: Files, file: str | None, whole: bool = True) -> About:
    """Read what a model says. ``file``: what the engine is started with, None for the whole folder.

    ``whole`` matters for GGUF files only: False reads no further than the keys of the architecture (1 MB), True as far as the names of
    the tensors (at most 32 MB). What is unreadable ends up in ``fault``; only ``files.read`` raises.
    """
    if file and file.endswith(".gguf"):
        return _of_gguf(files, file, whole).as_far_as(whole)
    return _of_folder(files) if "config.json" in files.sizes else _other(files, file)


def main_files(sizes: Mapping[str, int]) -> list[str | None]:
    """What an engine could be started with: None for a folder with a configuration, and each GGUF file that is no later part."""
    found: list[str | None] = [None] if {"config.json", MISTRAL} & set(sizes) else []
    for name in sorted(sizes):
        part = split.PART.fullmatch(name)
        if name.endswith(".gguf") and not is_projector(name) and (part is None or part["number"] == "00001"):
            found.append(name)
    return found


def is_projector(name: str) -> bool:
    """Whether a GGUF file is a projector, by the name that llama.cpp's converter gives it."""
    return name.endswith(".gguf") and "mmproj" in name.rpartition("/")[2].lower()


def on_disk(folder: Path, sizes: Mapping[str, int]) -> Files:
    """The files of a folder, of which ``sizes`` tells those that belong to the model."""

    def read(name: str, start: int, length: int) -> bytes:
        with (folder / name).open("rb") as stream:
            stream.seek(start)
            return stream.read(length)

    return Files(sizes, read)


def _other(files: Files, file: str | None) -> About:
    size = files.sizes.get(file) if file else None
    size = sum(files.sizes.values()) if size is None else size
    kind = "mistral" if file is None and MISTRAL in files.sizes else "other"
    return About(format=kind, weights_bytes=size, code=_has_code(files))


def _has_code(files: Files) -> bool:
    return any(name.endswith(".py") for name in files.sizes)


def _of_gguf(files: Files, file: str, whole: bool) -> About:
    projectors = {name: size for name, size in sorted(files.sizes.items()) if is_projector(name)}
    try:
        parts = _parts(files, file)
        size = sum(files.sizes[part] for part in parts)
        common = About(format="gguf", weights_bytes=size, projectors=projectors, precision=_quantization(file))
        header = gguf.read(lambda start, length: files.read(file, start, length), whole)
    except gguf.Malformed as error:
        return About(format="gguf", projectors=projectors, fault=f"{file} {error}.")
    keys = header.geometry_keys
    geometry, fault = geometry_of_gguf(keys)
    pooling = keys.get(f"{header.architecture}.pooling_type")
    rank_head = None if header.tensors is None or len(parts) > 1 else bool(header.tensors & RANK_HEADS)
    template = (header.keys or {}).get("tokenizer.chat_template")
    vocabulary = {"size": header.vocabulary.size, "digest": header.vocabulary.digest} if header.vocabulary else None
    context = keys.get(f"{header.architecture}.context_length")
    return replace(
        common,
        architectures=(header.architecture,) if header.architecture else (),
        geometry=geometry,
        geometry_fault=fault,
        context=context if isinstance(context, int) and context > 0 else None,
        thinking=chat_template.thinking(template if isinstance(template, str) else None),
        pooling=POOLING.get(pooling) if isinstance(pooling, int) else None,
        rank_head=rank_head,
        vocabulary=vocabulary,
    )


def _parts(files: Files, file: str) -> list[str]:
    """All parts of a GGUF file. Raises gguf.Malformed if one is missing, or if it is not the first."""
    names = split.parts_of(file)
    if not names:
        if file not in files.sizes:
            raise gguf.Malformed("is missing")
        return [file]
    if file != names[0]:
        raise gguf.Malformed(f"is a later part of {len(names)}: name the first one, {names[0]}")
    missing = [name for name in names if name not in files.sizes]
    if missing:
        raise gguf.Malformed(f"is in {len(names)} parts, of which {missing[0]} is missing")
    return names


def _quantization(file: str) -> str | None:
    found = _QUANTIZATION.search(file)
    return found[1] if found else None


def _of_folder(files: Files) -> About:
    sizes, said = files.sizes, About(format="safetensors", code=_has_code(files))
    name = "config.json"
    try:
        content = files.content(name, LONGEST[name])
        if content is None:
            raise model_config.Malformed(f"has {sizes[name]:,} bytes, and must have 1 to {LONGEST[name]:,}")
        config = model_config.parsed(content)
        said = _with_config(said, config, files)
        name = "generation_config.json"
        said = replace(said, generation=model_config.generation(files.content(name, LONGEST[name])))
        name = next((one for one in TEMPLATES if one in sizes), "")
        said = replace(said, thinking=chat_template.thinking(_template(files, name)))
        name = "1_Pooling/config.json"
        pooling = files.content(name, LONGEST[name])
        said = replace(said, pooling=model_config.pooling(pooling) if pooling else said.pooling)
        name = safetensors.INDEX
        left = CONFIG_AND_INDEX - sizes["config.json"]
        index = files.content(name, min(safetensors.LONGEST_INDEX, left))
        weights = safetensors.weight_files(sizes, index)
        said = replace(said, weights_bytes=sum(sizes[one] for one in weights))
        for name in weights[:1]:
            safetensors.check_start(files.read(name, 0, min(sizes[name], safetensors.START)), sizes[name])
    except (model_config.Malformed, safetensors.Malformed) as error:
        return replace(said, fault=f"{name} {error}.")
    return said


def _with_config(said: About, config: Mapping[str, Any], files: Files) -> About:
    architectures = model_config.architectures(config)
    geometry, fault = geometry_of_config(config)
    tokens = model_config.vocabulary(config)
    ranks = model_config.ranks(config)
    name = "hf_quant_config.json"
    other = None if config.get("quantization_config") else files.content(name, LONGEST[name])
    return replace(
        said,
        architectures=architectures,
        model_type=config["model_type"] if isinstance(config.get("model_type"), str) else None,
        geometry=geometry,
        geometry_fault=fault,
        context=geometry.context if geometry and geometry.context else model_config.context(config),
        vision=model_config.sees(config, list(files.sizes)),
        pooling="rank" if ranks else None,
        rank_head=ranks,
        code=said.code or model_config.needs_code(config),
        vocabulary={"size": tokens, "digest": None} if tokens else None,
        precision=model_config.precision(config, model_config.parsed(other) if other else {}),
    )


def _template(files: Files, name: str) -> str | None:
    content = files.content(name, LONGEST[name]) if name else None
    if content is None:
        return None
    return content.decode(errors="replace") if name.endswith(".jinja") else model_config.template(content)
