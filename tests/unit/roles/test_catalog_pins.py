# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Every version of the catalog's engines is pinned or marked, and no hash stands there without a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files, kinds
from real_catalog import BUILT_IN as CATALOG

FILES = Path(__file__).resolve().parents[3] / "roles" / "catalog" / "files"
DATA = files.files(str(FILES))

# Every hash and fingerprint allowed in the catalog, with its source. A new one belongs here too.
PINS = {
    "0c1e57098bba43ac29e6e3b677cdceebdd22334f": "git metadata in the PyPI sdist llama-cpp-python 0.3.36",
    "49bfddeca18e62fa3d39114a23e9fcbdf8a22388": "git metadata in the PyPI sdist llama-cpp-python 0.3.17",
    "4227c9be4268ac844921b90f31595f81236bd317": "git metadata in the PyPI sdist llama-cpp-python 0.3.16",
    "f24588a272ae8e23280d9c220536437164e6ed28": "tag v1.8.5 of whisper.cpp",
    "371b5a7561823ab2bb32142d2751e35e7534727b": "tag v1.9.3 of whisper.cpp",
    "4af2b29d7ec73d781377bfd1758ca957a807e941": "whisper.cpp models/README.md (sha1)",
    "c95b321b61e88c1809c4f759ddcae044f796ecb0": "ten independent public repositories",
    "9dc858229fc7dd38854ae2d88d81803c0ebfcd88": "ten independent public repositories",
    # Digests of images that other public projects recorded: third-party readings, which the first pull confirms or refuses.
    "fe21f1b1f3a53886515a191ba6309065a54b3e026fe8a43573e75e4ecdfd530d": "nvcr.io/nvidia/vllm:26.03.post1-py3, index",
    "447995cbb57e6c7cf792cab95e9852e5f62b5fb6d2f39e030fa4eda9a54eadb4": "nvcr.io/nvidia/vllm:26.03.post1-py3, arm64 manifest",
    "9204569b17ee4c0eff75194b8e6e458479c8aee18953b5ab9cf359fcdac659e2": "nvcr.io/nvidia/vllm:26.05.post1-py3, arm64 manifest",
    "95c498a475142c20c989c65e5d223348c09fed83ba17ddf44f117610c0bd3268": "nvcr.io/nvidia/vllm:26.07-py3, index",
    "1de8e6bfdb4c81c1f31a806cc9b13b5c6352714a7cec87f4d24964bcc91159b2": "nvcr.io/nvidia/vllm:26.07-py3, arm64 manifest",
    "d049bead397430803ac5b705d50094492f23782716677d746ab721e43f054cf6": "nvcr.io/nvidia/vllm:26.08-py3, arm64 manifest",
    "557747337846eecf34486866f3d992383c6f8af869fdb0e365b5093fcaee02c2": "nvcr.io/nvidia/vllm:26.09-py3, index",
    "fa68ef92f906e1b3770621625c5af539d15297fea15dacfc1466b853a567c5b6": "nvcr.io/nvidia/vllm:26.09-py3, arm64 manifest",
    "3f7dd5b777d34d1724456ce71f87385dca288c3bb23029ab27dee358f5d2b971": "vllm/vllm-openai:v0.31.0-aarch64, arm64 manifest",
    "edb36119c3c7568692cff32e8c1240cabea9810be2664671c6f88d1ae654b514": "nvcr.io/nvidia/sglang:26.09-py3, index",
    "b1259f3ea3275f66237c498ea388919729018bc9f01c3d638391e06e2cf3f469": "lmsysorg/sglang:v0.5.21, index",
    # Commits on Hugging Face that other public projects recorded: third-party readings, which the first fetch confirms or refuses.
    "bee7596271d1495f6992ae224aefde4410e816b8": "NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4, by aa-agentperf-local",
    "3051796f1bcf60ac44a27c2f79c52a2a2b3e2b37": "NVIDIA-Nemotron-3.5-Lightning-30B-A3B-DFlash-GGUF, by aa-agentperf-local",
    "f1bfb127c64f7072bdd2cad55f258b9c8b2910fe": "unsloth/Qwen3.8-27B-GGUF, by aa-agentperf-local",
    "16993199e436da4ba75ddc410855f87e0d996ee6": "Nemotron-3-Nano-Omni-30B-A3B-Reasoning-NVFP4, by a public project",
    "29d097773436b69ff9feafd636ab4cf873786537": "google/gemma-4-12B-it-qat-q4_0-gguf, by aa-agentperf-local",
    "6cee5e81ee83917806bbde320786a8fb61efebee": "openai/gpt-oss-20b, by several public projects",
    "b5c939de8f754692c1647ca79fbf85e8c1e70f8a": "openai/gpt-oss-120b, by aa-agentperf-local",
    "ff433f5493e25d631c9f12b5d55c674229923d02": "NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4, by aa-agentperf-local",
    "370f27d7550e0def9b39c1f16d3fbaa13aa67728": "Qwen/Qwen3-Embedding-0.6B-GGUF, by several public projects",
    # Checksums in the package tiktoken 0.14.0 (tiktoken_ext/openai_public.py).
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": "o200k_base.tiktoken",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": "cl100k_base.tiktoken",
}


def test_every_version_of_an_engine_is_pinned_or_marked_as_unpinned() -> None:
    for name, engine in CATALOG.engines.items():
        for version, known in engine["versions"].items():
            assert known["origin"], f"{name} {version}"
            kind = kinds.kind_of(engine, version)
            if kind == "build":
                assert re.fullmatch(r"[0-9a-f]{40}", known["commit"])
                assert known["commit"].startswith(version) or re.fullmatch(r"\d+(\.\d+)+", version)
            elif kind == "packages":
                assert known["packages"].partition("==")[2] == known["engine_version"] == version
            else:
                assert known["digest"] == "unpinned" or re.fullmatch(r"sha256:[0-9a-f]{64}", known["digest"])
    for name, model in CATALOG.models.items():
        assert model.get("checksum") or model.get("unpinned"), name
        assert not model.get("checksum") or model["origin"], name


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def test_no_hash_without_a_source() -> None:
    locked = {key: value for key, value in DATA["lock"].items() if key != "models"}
    # Hashes that script/lock read from the hub itself need no other source; all others do.
    locked["files"] = {
        key: value for key, value in DATA["lock"]["files"].items() if value.get("origin") != "script/lock"
    }
    texts = [text for text in _texts([DATA["engines"], DATA["models"], DATA["profiles"], locked]) if "://" not in text]
    found = {match.lower() for text in texts for match in re.findall(r"[0-9A-Fa-f]{32,}", text)}
    assert found == set(PINS)


def test_an_expected_digest_is_what_its_source_says_it_is() -> None:
    said = {"index": "index", "manifest": "arm64 manifest"}
    versions = [known for engine in CATALOG.engines.values() for known in engine["versions"].values()]
    recorded = [
        (known["image"], what, digest) for known in versions for what, digest in known.get("expected", {}).items()
    ]
    assert len(recorded) >= 10
    for image, what, digest in recorded:
        assert PINS[digest.removeprefix("sha256:")] == f"{image}, {said[what]}"
