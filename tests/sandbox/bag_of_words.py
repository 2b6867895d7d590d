# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Two tiny models of the sandbox that really compare texts, by the words in them: an embedder and a reranker.

Both are a Qwen3 of one layer, whose tokens are bytes and a few words. Each token's embedding is a dimension of its own. The one layer's
attention looks at all tokens equally, because its queries and keys are zero; so the state of the last token holds how often each
token occurs in the text, divided by the length of that vector. That state is the embedding: texts with the same words are near
each other.

The reranker reads a query and a document in one text. The more tokens occur twice, the smaller is the sum of the counts of all
tokens when their vector has length one; its head is that sum, negated. llama.cpp applies a softmax over the labels
(src/llama-graph.cpp, build_pooling), so the score is between 0 and 1.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy

WIDTH = 512
FEED_FORWARD = 32
CONTEXT = 2048
CONTROL = ["<|endoftext|>", "<|query|>", "<|document|>", "<|end|>"]
# What llama.cpp makes of a query and a document (tools/server/server-common.cpp, format_prompt_rerank).
RERANK_TEMPLATE = "<|query|>{query}<|document|>{document}<|end|>"
EOS = "<|end|>"


def make_model(path: Path, alphabet: list[str], rerank: bool) -> None:
    """Write a GGUF file of about 3 MB: a reranker, or else an embedder. ``alphabet``: the printable stand-in for each byte."""
    newline = alphabet[ord("\n")]
    tokens = [*alphabet, 2 * newline, *CONTROL]
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("tiny bag of words of the sandbox")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_key_length(WIDTH)
    writer.add_value_length(WIDTH)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_pooling_type(gguf.PoolingType.RANK if rerank else gguf.PoolingType.LAST)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in CONTROL else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([f"{newline} {newline}"])  # there has to be one
    writer.add_eos_token_id(tokens.index(EOS))
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(True)
    if rerank:
        writer.add_classifier_output_labels(["yes", "no"])
        writer.add_chat_template([{"name": "rerank", "template": RERANK_TEMPLATE}])

    same, nothing = numpy.eye(WIDTH, dtype=numpy.float32), numpy.zeros((WIDTH, WIDTH), dtype=numpy.float32)
    ones = numpy.ones(WIDTH, dtype=numpy.float32)
    writer.add_tensor("token_embd.weight", numpy.eye(len(tokens), WIDTH, dtype=numpy.float32))
    for name, values in {
        "attn_norm": ones,
        "ffn_norm": ones,
        "attn_q_norm": ones,
        "attn_k_norm": ones,
        "attn_q": nothing,
        "attn_k": nothing,
        "attn_v": same,
        # Far above the last token's own embedding, which would otherwise be half of the state.
        "attn_output": 100 * same,
        "ffn_gate": numpy.zeros((FEED_FORWARD, WIDTH), dtype=numpy.float32),
        "ffn_up": numpy.zeros((FEED_FORWARD, WIDTH), dtype=numpy.float32),
        "ffn_down": numpy.zeros((WIDTH, FEED_FORWARD), dtype=numpy.float32),
    }.items():
        writer.add_tensor(f"blk.0.{name}.weight", values)
    writer.add_tensor("output_norm.weight", ones)
    if rerank:
        head = numpy.zeros((2, WIDTH), dtype=numpy.float32)
        head[0, : len(alphabet)] = -0.02
        writer.add_tensor("cls.output.weight", head)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
