# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The computed memory is what the real llama-server allocates: its own lines about each buffer."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_geometries
from ansible_collections.jetson.thor.plugins.module_utils.models import about
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import llama_cpp_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import MIB, Load

SERVER = "/opt/thor/engines/llama.cpp/0c1e570/bin/llama-server"
FOLDER = "/tmp/thor-test-memory"
# Options of llama-server, and how it speculates.
CASES: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "types": {"ctx-size": 4096, "parallel": 3, "cache-type-k": "q8_0", "cache-type-v": "q4_0"},
    "slots": {"ctx-size": 5000, "parallel": 2, "ubatch-size": 256},
    "full windows": {"ctx-size": 4096, "swa-full": True, "kv-unified": True, "parallel": 2},
    "no flash attention": {"ctx-size": 1024, "flash-attn": "off", "parallel": 1},
    "drafts": {
        "ctx-size": 2048,
        "parallel": 2,
        "spec-type": "draft-mtp",
        "spec-draft-n-max": 4,
        "spec-draft-type-k": "f32",
    },
}
# Only one kind has layers for drafting.
PAIRS = [(kind, case) for kind in tiny_geometries.KINDS for case in CASES if case != "drafts" or kind == "delta-net"]
DRAFTING: Mapping[str, Any] = {"method": "mtp", "draft_tokens": 4}


@pytest.fixture
def model(host: Any, kind: str, tmp_path: Path) -> Iterator[Path]:
    """A tiny model here and, under the same name, on the host."""
    path = tiny_geometries.make(tmp_path, kind)
    packed = base64.b64encode(gzip.compress(path.read_bytes())).decode()
    host.check_output(f"mkdir -p {FOLDER} && echo {packed} | base64 -d | gunzip > {FOLDER}/{path.name}")
    yield path
    host.check_output(f"rm -rf {FOLDER}")


def log_of(host: Any, name: str, options: Mapping[str, Any]) -> str:
    """What the server says until it has allocated everything; it is ended after that, or after 20 seconds."""
    words = " ".join(f"--{key}" if value is True else f"--{key} {value}" for key, value in options.items())
    log = f"{FOLDER}/log"
    said: str = host.check_output(
        f"timeout 20 {SERVER} --model {FOLDER}/{name} --host 127.0.0.1 --port 18099 --no-warmup --log-verbosity 4 {words} >{log} 2>&1 & "
        f"for try in $(seq 100); do grep -q 'initializing, n_slots' {log} && break; kill -0 $! || break; sleep 0.2; done; "
        f"kill $!; wait $!; cat {log}"
    )
    return said


def allocated(log: str, memory: str) -> float:
    """The sum of one kind of memory, in MiB with two digits, as the server says it."""
    return sum(float(size) for size in re.findall(rf"{memory}: size =\s+([\d.]+) MiB", log))


@pytest.mark.parametrize(("kind", "case"), PAIRS)
def test_buffers(host: Any, model: Path, case: str) -> None:
    geometry = about.about_of(about.on_disk(model.parent, {model.name: model.stat().st_size}), model.name).geometry
    assert geometry is not None
    options = CASES[case]
    log = log_of(host, model.name, options)
    load = Load(like="llama.cpp", device_bytes=0, overhead_bytes=0, weights=0, geometry=geometry, options=options)
    if case == "drafts":
        load = replace(load, **DRAFTING)
    parts = llama_cpp_memory.caches(load, llama_cpp_memory.context(load) or 0)
    # Each line has two digits, and there are up to three lines of a kind.
    assert allocated(log, "llama_kv_cache") == pytest.approx(
        (parts["kv_cache"] + parts["draft_cache"]) / MIB, abs=0.015
    ), log
    assert allocated(log, "llama_memory_recurrent") == pytest.approx(parts["state"] / MIB, abs=0.005), log
    if options.get("flash-attn") != "off":
        sizes = [float(size) for size in re.findall(r"compute buffer size =\s+([\d.]+) MiB", log)]
        assert 0.9 * max(sizes) < parts["overhead"] / MIB < 2.5 * max(sizes), "what is not exact is at least near"
