# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What an exact plan costs before a byte of the weights is fetched: requests, bytes and seconds, from hubs on loopback.

Models: a repository of 60 files in safetensors, with 40 parts and an index of 0.8 MB, and a GGUF file with the vocabulary of Gemma
(262,144 tokens, merges, template). Each is looked at on the test hubs (tests/support), and the profiles are resolved with what was
seen. Prints JSON. Targets: 10 requests and 3 s; 2 MB for safetensors; for GGUF 1 MB for the geometry, 32 MB for the whole header.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import hub_server
import huggingface_server
import tiny_gguf
from ansible_collections.jetson.thor.plugins.module_utils.models.look import look
from ansible_collections.jetson.thor.plugins.module_utils.models.safetensors import INDEX
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import abouts
from real_catalog import load
from tiny_folder import FOLDER, weights

ID = "bench/model"
FILE = "model-Q4_K_M.gguf"
HUBS: dict[str, Any] = {"huggingface": huggingface_server, "modelscope": hub_server}
MOST_REQUESTS, MOST_SECONDS = 10, 3.0


def repository() -> dict[str, bytes]:
    """60 files in safetensors."""
    parts = {f"model-{number:05}-of-00040.safetensors": weights(200_000) for number in range(1, 41)}
    names = {
        f"model.layers.{number // 128}.mlp.experts.{number % 128}.down_proj.weight": number for number in range(8000)
    }
    index = {"weight_map": {name: list(parts)[number % 40] for name, number in names.items()}}
    others = {f"docs/{number}.md": b"x" * 100_000 for number in range(15)}
    plain = {name: content for name, content in FOLDER.items() if name != "model.safetensors"}
    return {**plain, **parts, **others, "tokenizer.json": b"t" * 11_000_000, INDEX: json.dumps(index).encode()}


def gguf_file(folder: Path) -> dict[str, bytes]:
    """A GGUF file with a large vocabulary, of which 20 MB of weights are there."""
    tokens = [f"word-{index:010}" for index in range(262_144)]
    merges = {"tokenizer.ggml.merges": [f"wo rd{index:09}" for index in range(250_000)]}
    return {FILE: tiny_gguf.write(folder / FILE, tokens=tokens, last=merges) + bytes(20_000_000)}


def measure(hub: str, files: dict[str, bytes], file: str | None, engine: str, geometry: bool = False) -> dict[str, Any]:
    """Look at the model on a hub, and resolve a service with what was seen."""
    written: dict[str, Any] = {hub: ID} | ({"file": file} if file else {})
    if geometry:  # then only the size is unknown
        group = {"layers": 36, "kv_heads": 8, "key_dim": 128, "value_dim": 128}
        written["geometry"] = {"attention": [group], "layers": 36, "hidden": 4096, "context": 40960}
    with HUBS[hub].running() as server:
        getattr(server, "push" if hub == "huggingface" else "put")(ID, files)
        begin = time.monotonic()
        catalog, _problems = load({"models": {"mine": written}})
        inputs = Inputs([{"model": "mine", "engine": engine}])
        (wanted,) = abouts.looks(resolve(inputs, catalog).services, catalog, {}, {})
        reached = {"hubs": {hub: {"endpoint": server.url, "token": None}}, "retries": 0, "idle_timeout": 30}
        seen = {"mine": {"identity": wanted["identity"], **look(wanted, reached)}}
        said = abouts.known(catalog, (hub,), {}, seen)
        about = {key: one["about"] for key, one in said.items()}
        service = resolve(Inputs([{"model": "mine", "engine": engine}], about=about), catalog).services[0]
        return {
            "hub": hub,
            "files": len(files),
            "format": service.about["format"] if service.about else None,
            "requests": len(server.requests),
            "bytes": sum(one.sent for one in server.transfers),
            "seconds": round(time.monotonic() - begin, 2),
            "memory_gib": service.memory_gib,
            "context": service.context,
        }


def main() -> int:
    """Measure; the exit status says whether the targets are met."""
    with tempfile.TemporaryDirectory() as folder:
        files, large = gguf_file(Path(folder)), repository()
    rows = []
    for hub in HUBS:
        rows += [
            {**measure(hub, large, None, "vllm"), "most_bytes": 2_000_000},
            {**measure(hub, files, FILE, "llama.cpp", geometry=True), "most_bytes": 1_000_000},
            {**measure(hub, files, FILE, "llama.cpp"), "most_bytes": 32_000_000},
        ]
    missed = [
        row
        for row in rows
        if row["requests"] > MOST_REQUESTS or row["seconds"] > MOST_SECONDS or row["bytes"] > row["most_bytes"]
    ]
    print(json.dumps({"rows": rows, "missed": missed}, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
