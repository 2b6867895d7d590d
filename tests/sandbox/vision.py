# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A tiny vision encoder for the sandbox's language model: what llama.cpp calls a multimodal projector.

It is a real vision transformer of 0.7 MB with random weights. llama-server scales an image to one size, cuts it into
patches, encodes them and puts one embedding per patch into the prompt. The language model still says its sentence,
because its answer depends on the last token (see hub.py), which in a chat is never part of an image.

The kind is Janus-Pro's, as simple as LLaVA's but with every layer in use: one size of image and no special tokens
around it, so any language model of the right width will do. llama.cpp has its graph in tools/mtmd/models/siglip.cpp
and the names of its keys and tensors in tools/mtmd/clip-impl.h.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy
import numpy.typing

Matrix = numpy.typing.NDArray[numpy.float32]

IMAGE = 56
PATCH = 14
TOKENS = (IMAGE // PATCH) ** 2
EMBEDDING = 64
LAYERS = 2
HEADS = 4
FEED_FORWARD = 256


def make_projector(path: Path, width: int, seed: int) -> None:
    """Write a GGUF file that makes `TOKENS` embeddings of `width` numbers, the language model's, from each image."""
    random = numpy.random.default_rng(seed)

    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name("tiny vision encoder of the sandbox")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.JANUS_PRO)
    writer.add_vision_image_size(IMAGE)
    writer.add_vision_patch_size(PATCH)
    # SigLIP's: a colour's 0 to 1 becomes -1 to 1.
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_embedding_length(EMBEDDING)
    writer.add_vision_block_count(LAYERS)
    writer.add_vision_feed_forward_length(FEED_FORWARD)
    writer.add_vision_head_count(HEADS)
    writer.add_vision_projection_dim(width)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_use_gelu(True)

    def noise(name: str, *shape: int) -> None:
        values: Matrix = random.normal(0, 0.02, shape).astype(numpy.float32)
        writer.add_tensor(f"{name}.weight", values)

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", numpy.ones(EMBEDDING, dtype=numpy.float32))

    def bias(name: str, size: int) -> None:
        writer.add_tensor(f"{name}.bias", numpy.zeros(size, dtype=numpy.float32))

    noise("v.patch_embd", EMBEDDING, 3, PATCH, PATCH)
    noise("v.position_embd", TOKENS, EMBEDDING)
    for layer in range(LAYERS):
        block = f"v.blk.{layer}"
        norm(f"{block}.ln1")
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            noise(f"{block}.{name}", EMBEDDING, EMBEDDING)
        norm(f"{block}.ln2")
        noise(f"{block}.ffn_up", FEED_FORWARD, EMBEDDING)
        noise(f"{block}.ffn_down", EMBEDDING, FEED_FORWARD)
    norm("v.post_ln")
    noise("mm.0", EMBEDDING, EMBEDDING)
    bias("mm.0", EMBEDDING)
    noise("mm.1", width, EMBEDDING)
    bias("mm.1", width)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
