# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model says of itself, read from folders and from GGUF files, whole, damaged and hostile."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny_gguf
from ansible_collections.jetson.thor.plugins.module_utils.models import about, safetensors
from tiny_folder import CONFIG, FOLDER, weights


def read(files: Mapping[str, bytes], file: str | None = None, whole: bool = True) -> about.About:
    """What these files say, in a form that survives its facts."""
    sizes = {name: len(content) for name, content in files.items()}
    got = about.about_of(about.Files(sizes, lambda name, at, size: files[name][at : at + size]), file, whole)
    facts = json.loads(json.dumps(got.to_facts()))
    assert about.About.from_facts(facts) == got
    return got


def changed(**config: Any) -> dict[str, bytes]:
    """The folder with other values in config.json."""
    return {**FOLDER, "config.json": json.dumps({**CONFIG, **config}).encode()}


def test_a_folder_says_what_it_is() -> None:
    got = read(FOLDER)
    assert (got.format, got.architectures, got.model_type) == ("safetensors", ("Qwen3ForCausalLM",), "qwen3")
    assert got.geometry is not None
    assert (got.geometry.attention[0].kv_heads, got.geometry.layers) == (8, 36)
    assert (got.context, got.thinking, got.vision, got.code) == (40960, "switchable", False, False)
    assert got.vocabulary == {"size": 151936, "digest": None}
    assert (got.weights_bytes, got.precision, got.rank_head, got.fault) == (1000, "bfloat16", False, "")
    assert got.generation == {"temperature": 0.6, "top_k": 20}


def test_a_template_of_its_own_comes_before_the_tokenizers() -> None:
    assert read({**FOLDER, "chat_template.jinja": b"{{ messages }}"}).thinking == "never"
    assert read({name: one for name, one in FOLDER.items() if "tokenizer" not in name}).thinking is None


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}, "nvfp4"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "compressed-tensors"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "awq", "bits": 4}, "awq_int4"),
        (["nonsense"], "bfloat16"),
    ],
)
def test_precision(quantization: Any, expected: str) -> None:
    assert read(changed(quantization_config=quantization)).precision == expected


def test_the_quantization_of_an_older_modelopt_is_in_a_file_of_its_own() -> None:
    assert read({**FOLDER, "hf_quant_config.json": b'{"quantization": {"quant_algo": "NVFP4"}}'}).precision == "nvfp4"


def test_what_sees_ranks_embeds_or_brings_code() -> None:
    seeing = changed(vision_config={"depth": 27})
    assert not read(seeing).vision  # without a processor no engine takes images
    assert read({**seeing, "preprocessor_config.json": b"{}"}).vision
    assert read(changed(architectures=["Qwen3ForSequenceClassification"])).rank_head
    assert read(changed(architectures=["Qwen3ForSequenceClassification"])).pooling == "rank"
    embedder = {
        **FOLDER,
        "1_Pooling/config.json": b'{"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false}',
    }
    assert read(embedder).pooling == "last"
    assert read(changed(auto_map={"AutoModel": "modeling.Own"})).code
    assert read({**FOLDER, "modeling.py": b"x"}).code


def test_weights_are_what_the_index_names() -> None:
    parts = {f"model-0000{number}-of-00002.safetensors": weights(100 * number) for number in (1, 2)}
    others = {"consolidated.safetensors": weights(5000), "original/model.safetensors": weights(5000)}
    plain = {name: one for name, one in FOLDER.items() if name != "model.safetensors"} | parts | others
    assert read(plain).weights_bytes == 300
    index = json.dumps(
        {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "consolidated.safetensors"}}
    ).encode()
    assert read({**plain, safetensors.INDEX: index}).weights_bytes == 5100
    long = index + b" " * safetensors.LONGEST_INDEX  # by the names of the parts
    assert read({**plain, safetensors.INDEX: long}).weights_bytes == 300


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"config.json": b"<html>moved</html>"}, "config.json is not JSON"),
        ({"config.json": b'{"a": '}, "config.json is not JSON"),
        ({"config.json": b"\xff\xfe"}, "config.json is not JSON"),
        ({"config.json": b"[" * 100_000}, "nested too deeply"),
        ({"config.json": b'{"a": ' + b"9" * 10_000 + b"}"}, "config.json is not JSON"),
        ({"config.json": b"[]"}, "config.json holds a list, not an object"),
        ({"config.json": b""}, "config.json has 0 bytes"),
        ({"config.json": b" " * 1_400_001}, "config.json has 1,400,001 bytes"),
        ({"config.json": b"version https://git-lfs.github.com/spec/v1"}, "): it is a Git LFS pointer."),
        ({"config.json": b'{"architectures": "Qwen3"}'}, "architectures that are not a list"),
        ({"generation_config.json": b"no"}, "generation_config.json is not JSON"),
        ({"tokenizer_config.json": b"no"}, "tokenizer_config.json is not JSON"),
        (
            {"model.safetensors": b"version https://git-lfs.github.com/spec/v1"},
            "model.safetensors is a Git LFS pointer",
        ),
        ({"model.safetensors": b"\xff" * 100}, "model.safetensors is not a safetensors file"),
        ({safetensors.INDEX: b"{}"}, "has no weight_map"),
        ({safetensors.INDEX: b'{"weight_map": {"a": 1}}'}, "has no weight_map"),
        ({safetensors.INDEX: b'{"weight_map": {"a": "gone.safetensors"}}'}, "names gone.safetensors, which is missing"),
    ],
)
def test_bad_files_are_named_with_the_reason(files: dict[str, bytes], reason: str) -> None:
    assert reason in read({**FOLDER, **files}).fault


def test_whatever_stands_in_a_config_there_is_an_answer() -> None:
    rng = random.Random(1)
    values: list[Any] = [None, True, -1, 0, 2.5, "x", [], [1], {}, {"a": 1}, 10**30, float("nan")]
    for _round in range(300):
        wrong = {key: rng.choice(values) for key in rng.sample(sorted(CONFIG), 3)}
        read({**changed(**wrong), "1_Pooling/config.json": json.dumps(rng.choice(values)).encode()})


def test_a_gguf_file_says_what_it_is_and_less_in_its_first_megabyte(tmp_path: Path) -> None:
    content = tiny_gguf.write(tmp_path / "a.gguf", first={"general.name": "x"})
    files = {"m-Q4_K_M.gguf": content, "mmproj-F16.gguf": b"x" * 77}
    whole, near = read(files, "m-Q4_K_M.gguf"), read(files, "m-Q4_K_M.gguf", whole=False)
    assert (whole.format, whole.architectures, whole.context, whole.precision) == ("gguf", ("qwen3",), 40960, "Q4_K_M")
    assert (whole.thinking, whole.rank_head, whole.vision) == ("switchable", False, False)
    assert whole.vocabulary is not None
    assert whole.vocabulary["digest"]
    assert (near.thinking, near.rank_head, near.vocabulary) == (None, None, {"size": 1000, "digest": None})
    assert near == whole.as_far_as(whole=False)
    assert (whole.weights_bytes, whole.projectors) == (len(content), {"mmproj-F16.gguf": 77})
    seeing = whole.with_projector("mmproj-F16.gguf")
    assert (seeing.vision, seeing.projector_bytes) == (True, 77)


def test_a_reranker_is_known_by_its_head(tmp_path: Path) -> None:
    keys = {**tiny_gguf.QWEN3, "pooling_type": 4}
    content = tiny_gguf.write(tmp_path / "a.gguf", keys, tensors=["token_embd.weight", "cls.output.weight"])
    got = read({"r.gguf": content}, "r.gguf")
    assert (got.rank_head, got.pooling) == (True, "rank")
    assert read({"r.gguf": tiny_gguf.write(tmp_path / "b.gguf", keys)}, "r.gguf").rank_head is False


def test_parts_of_a_gguf_file_belong_together(tmp_path: Path) -> None:
    content = tiny_gguf.write(tmp_path / "a.gguf")
    parts = {f"big-0000{number}-of-00003.gguf": content if number == 1 else b"GGUF" * 10 for number in (1, 2, 3)}
    first = "big-00001-of-00003.gguf"
    assert read(parts, first).weights_bytes == len(content) + 80
    assert read(parts, first).rank_head is None
    assert about.main_files(dict.fromkeys(parts, 1) | {"mmproj-x.gguf": 1, "config.json": 2}) == [None, first]
    assert "name the first one, big-00001-of-00003.gguf" in read(parts, "big-00002-of-00003.gguf").fault
    del parts["big-00003-of-00003.gguf"]
    assert "of which big-00003-of-00003.gguf is missing" in read(parts, first).fault
    assert "gone.gguf is missing" in read(parts, "gone.gguf").fault


def test_other_files_have_their_size_only() -> None:
    assert read({"ggml-tiny.bin": b"x" * 9, "b": b"y"}, "ggml-tiny.bin").weights_bytes == 9
    assert read({"a": b"x", "b": b"y"}).format == "other"


def test_a_model_in_mistrals_format_is_one() -> None:
    files = {"params.json": b"{}", "consolidated.safetensors": b"x" * 5}
    assert (read(files).format, about.main_files(dict.fromkeys(files, 1))) == ("mistral", [None])


@pytest.mark.parametrize("experts", [0, 26_000])
def test_a_long_config_leaves_less_for_the_index(experts: int) -> None:
    parts = {f"model-0000{number}-of-00002.safetensors": weights(100) for number in (1, 2)}
    one_part = json.dumps({"weight_map": {f"layer.{number}": min(parts) for number in range(10_000)}}).encode()
    extra = {f"layer.{number}.mlp.experts.0": {"bits": 16} for number in range(experts)}
    plain = {name: content for name, content in FOLDER.items() if name != "model.safetensors"}
    found = read(
        {**plain, **parts, "config.json": changed(extra_config=extra)["config.json"], safetensors.INDEX: one_part}
    )
    assert (found.fault, found.geometry, found.context) == ("", read(FOLDER).geometry, 40960)
    # Without the index, by the names of the parts.
    assert found.weights_bytes == (200 if experts else 100)


def test_a_folder_on_disk_is_read_in_places(tmp_path: Path) -> None:
    for name, content in FOLDER.items():
        (tmp_path / name).write_bytes(content)
    sizes = {name: len(content) for name, content in FOLDER.items()}
    assert about.about_of(about.on_disk(tmp_path, sizes), None) == read(FOLDER)
