# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Headers of GGUF files: written by the package gguf, and damaged in every way."""

from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import pytest
import tiny_gguf
from ansible_collections.jetson.thor.plugins.module_utils.models import gguf


class Source:
    """Bytes, and what was read of them."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.pieces: list[tuple[int, int]] = []

    def __call__(self, start: int, length: int) -> bytes:
        self.pieces.append((start, length))
        return self.content[start : start + length]


def words(count: int) -> list[str]:
    """A vocabulary of about 15 bytes a token, as those of today's models."""
    return [f"word-{index:010}" for index in range(count)]


def test_the_keys_of_the_architecture_cost_one_megabyte(tmp_path: Path) -> None:
    source = Source(tiny_gguf.write(tmp_path / "a.gguf", tokens=words(151_936)))
    header = gguf.read(source, whole=False)
    assert source.pieces == [(0, 1_000_000)]
    assert header.architecture == "qwen3"
    assert header.geometry_keys["qwen3.attention.head_count_kv"] == 8
    assert header.vocabulary == gguf.Vocabulary(151_936, None)
    assert (header.keys, header.tensors) == (None, None)


def test_the_whole_header_of_a_large_vocabulary_stays_below_its_limit(tmp_path: Path) -> None:
    content = tiny_gguf.write(tmp_path / "a.gguf", tokens=words(262_144), tensors=["cls.output.weight", "blk.0.w"])
    source = Source(content)
    header = gguf.read(source, whole=True)
    assert header.tensors == frozenset({"cls.output.weight", "blk.0.w"})
    assert header.keys is not None
    assert header.keys["tokenizer.chat_template"] == tiny_gguf.TEMPLATE
    assert len(source.pieces) <= 6
    assert source.pieces[0] == (0, 1_000_000)
    assert sum(length for _start, length in source.pieces) <= 32_000_000
    assert header.geometry_keys == gguf.read(Source(content), whole=False).geometry_keys


def test_keys_of_the_architecture_behind_the_vocabulary_are_found_at_either_depth(tmp_path: Path) -> None:
    content = tiny_gguf.write(
        tmp_path / "a.gguf", keys={}, first={"tokenizer.ggml.pre": "qwen2", "qwen3.block_count": 7}
    )
    near, whole = (gguf.read(Source(content), depth) for depth in (False, True))
    assert near.geometry_keys["qwen3.block_count"] == whole.geometry_keys["qwen3.block_count"] == 7
    assert near.vocabulary == gguf.Vocabulary(1000, None)


def test_the_digest_covers_what_a_draft_has_to_share(tmp_path: Path) -> None:
    def digest(tokens: list[str]) -> str | None:
        found = gguf.read(Source(tiny_gguf.write(tmp_path / "a.gguf", tokens=tokens)), whole=True).vocabulary
        assert found is not None
        return found.digest

    plain = words(2000)
    assert digest(plain) == digest(["other", *plain[1:]])
    assert digest(plain) != digest([*plain[:-1], "other"])
    many = words(gguf.LAST_COMPARED)
    assert digest([*many, "a"]) == digest([*many, "b", "c"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends after 0 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        (b"<html>no</html>", "does not begin with GGUF but with b'<htm'"),
        (b"GGUF" + struct.pack("<I", 1), "version 1"),
        (b"GGUF" + struct.pack(">I", 3), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 63), "announces 9,223,372,036,854,775,808 keys"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0), "1,099,511,627,776 tensors"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62), "text of 4,611,686,018,427,387,904 bytes"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<I", 99), "unknown type 99"),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 9, 1),
            "array of the unknown type 9",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 4, 1 << 60),
            "more than 32,000,000",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 8, 1 << 60),
            "976 texts in one array",
        ),
        (b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"a" + struct.pack("<I", 1 << 31), "2,147,483,648 dimensions"),
    ],
)
def test_what_is_no_header_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(gguf.Malformed) as caught:
        gguf.read(Source(content), whole=True)
    assert reason in str(caught.value)


class Endless(Source):
    """What begins as it is given and goes on with zeros."""

    def __call__(self, start: int, length: int) -> bytes:
        return super().__call__(start, length).ljust(length, b"\0")


def test_a_header_that_never_ends_is_read_to_its_limit_and_no_further() -> None:
    source = Endless(b"GGUF" + struct.pack("<IQQ", 3, 0, 100) + 3 * _texts(1_400_000))
    with pytest.raises(gguf.Malformed, match="more than 32,000,000 bytes"):
        gguf.read(source, whole=True)
    assert sum(length for _start, length in source.pieces) == 32_000_000


def _texts(count: int) -> bytes:
    """A key with an array of empty texts."""
    return struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", 9, 8, count) + bytes(8 * count)


def test_every_truncation_and_random_damage_is_an_answer_or_a_refusal(tmp_path: Path) -> None:
    content = tiny_gguf.write(tmp_path / "a.gguf", tokens=words(20))
    end = content.index(b"token_embd.weight") + 17 + 4 + 8 + 4 + 8
    for size in range(end):
        with pytest.raises(gguf.Malformed):
            gguf.read(Source(content[:size]), whole=True)
    rng = random.Random(1)
    for _round in range(500):
        damaged = bytearray(content)
        for _change in range(4):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(gguf.Malformed):
            gguf.read(Source(bytes(damaged)), whole=True)
