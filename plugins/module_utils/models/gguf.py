# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The header of a GGUF file: its keys, the names of its tensors, and a digest of its vocabulary, read in a few bounded pieces.

The format is that of ggml's docs/gguf.md (versions 2 and 3): magic, version, number of tensors, number of keys; the keys; the tensors'
names, dimensions, types and offsets. llama.cpp's converter writes the keys of the architecture before those of the tokenizer, so the
first megabyte has the geometry. The vocabulary (tens of megabytes at most) comes before chat template and tensors.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import lfs

MAGIC = b"GGUF"
VERSIONS = (2, 3)
# Bytes of each piece; 32 MB in all.
PIECES = (1_000_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000)
MOST_KEYS = 65_536
MOST_TENSORS = 262_144
MOST_TEXTS = 2_000_000  # of one array; the largest vocabularies have 262,144 tokens
LONGEST_KEY = 65_535  # bytes, by the specification
MOST_DIMENSIONS = 8  # GGML_MAX_DIMS is 4
# Longer values are counted, not kept.
LONGEST_TEXT = 1_000_000  # bytes
LONGEST_ARRAY = 4096
LONGEST_TEXTS = 64
TOKENS = "tokenizer.ggml.tokens"
# llama.cpp compares the tokens of a draft from the fifth on (SPEC_VOCAB_CHECK_START_TOKEN_ID in common/speculative.cpp).
FIRST_COMPARED, LAST_COMPARED = 5, 100_000
_NUMBERS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_TEXT, _ARRAY = 8, 9
Value = Any


class Malformed(ValueError):
    """Why the bytes are not a GGUF file that can be read; the message continues the file's name."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a file. ``digest`` covers those that a draft has to share; None where only their number was read."""

    size: int
    digest: str | None


@dataclass(frozen=True)
class Header:
    """What a header says.

    ``front``: the keys before those of the tokenizer, by their names in the file. ``keys``: all of them, and ``tensors``: the tensors'
    names; both are None if only the front was read. Arrays that are too long to keep are their length.
    """

    front: Mapping[str, Value]
    keys: Mapping[str, Value] | None
    tensors: frozenset[str] | None
    vocabulary: Vocabulary | None
    read_bytes: int

    @property
    def architecture(self) -> str:
        """What llama.cpp calls the architecture; empty if the file does not say."""
        found = {**(self.keys or {}), **self.front}.get("general.architecture")
        return found if isinstance(found, str) else ""

    @property
    def geometry_keys(self) -> Mapping[str, Value]:
        """The keys of the architecture, the same however much of the file was read."""
        keys = self.front if is_enough(self.front) else self.keys or self.front
        return {**keys, TOKENS: self.vocabulary.size} if self.vocabulary else keys


def is_enough(keys: Mapping[str, Value]) -> bool:
    """Whether the keys hold those of the architecture."""
    return f"{keys.get('general.architecture')}.block_count" in keys


def read(source: Callable[[int, int], bytes], whole: bool) -> Header:
    """Read a header. ``source`` returns up to so many bytes from a place of the file on, fewer only at its end.

    ``whole``: to the names of the tensors; otherwise no further than the keys of the architecture and the number of tokens. Raises
    Malformed, also for a header beyond 32 MB.
    """
    cursor = _Cursor(source)
    magic = cursor.take(4)
    if magic != MAGIC:
        pointer = magic + cursor.rest(40)
        if lfs.is_pointer(pointer):
            raise Malformed("is a Git LFS pointer, not the file itself")
        raise Malformed(f"does not begin with GGUF but with {magic!r}")
    version = cursor.number("<I")
    if version not in VERSIONS:
        swapped = version in [one << 24 for one in VERSIONS]
        raise Malformed("is big-endian" if swapped else f"has the GGUF version {version}, and only 2 and 3 can be read")
    tensors, keys = cursor.number("<Q"), cursor.number("<Q")
    if keys > MOST_KEYS or tensors > MOST_TENSORS:
        raise Malformed(f"announces {keys:,} keys and {tensors:,} tensors")
    return _read(cursor, keys, tensors, whole)


def _read(cursor: _Cursor, count: int, tensors: int, whole: bool) -> Header:
    front: dict[str, Value] = {}
    keys: dict[str, Value] = {}
    vocabulary: Vocabulary | None = None
    is_front = True
    for _index in range(count):
        name = cursor.text(LONGEST_KEY)
        is_front = is_front and not name.startswith("tokenizer.")
        kind = cursor.number("<I")
        if name == TOKENS and kind == _ARRAY:
            vocabulary = cursor.tokens(digest=whole)
            if not whole and is_enough(front):
                return Header(front, None, None, vocabulary, cursor.fetched)
            if vocabulary.digest is None:
                vocabulary = cursor.tokens_of(vocabulary.size)
            keys[name] = vocabulary.size
            continue
        keys[name] = cursor.value(kind)
        if is_front:
            front[name] = keys[name]
    names = frozenset(cursor.tensor() for _index in range(tensors))
    if not whole and vocabulary:
        vocabulary = Vocabulary(vocabulary.size, None)
    return Header(front, keys, names, vocabulary, cursor.fetched)


class _Cursor:
    """A place in the file, whose bytes are fetched as they are needed."""

    def __init__(self, source: Callable[[int, int], bytes]) -> None:
        self._source = source
        self._pieces = iter(PIECES)
        self._data = bytearray()
        self._at = 0
        self._is_end = False

    @property
    def fetched(self) -> int:
        """Bytes read so far."""
        return len(self._data)

    def _need(self, size: int) -> int:
        """Have ``size`` bytes from here on; the place after them."""
        end = self._at + size
        if end > sum(PIECES):
            raise Malformed(f"has a header of more than {sum(PIECES):,} bytes")
        while end > len(self._data):
            if self._is_end:
                raise Malformed(f"ends after {len(self._data):,} bytes, in the middle of its header")
            piece = next(self._pieces)
            got = self._source(len(self._data), piece)
            self._is_end = len(got) < piece
            self._data += got
        return end

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self._need(size)
        found = bytes(self._data[self._at : end])
        self._at = end
        return found

    def rest(self, most: int) -> bytes:
        """What is already here of the next bytes."""
        return bytes(self._data[self._at : self._at + most])

    def number(self, form: str) -> Any:
        """The next number."""
        end = self._need(struct.calcsize(form))
        (found,) = struct.unpack_from(form, self._data, self._at)
        self._at = end
        return found

    def text(self, longest: int) -> str:
        """The next text. Raises Malformed if it is longer."""
        size = self.number("<Q")
        if size > longest:
            raise Malformed(f"has a text of {size:,} bytes in its header")
        return self.take(size).decode(errors="replace")

    def value(self, kind: int) -> Value:
        """The next value; an array that is too long to keep is its length."""
        if kind == _ARRAY:
            return self._array()
        if kind == _TEXT:
            return self.text(LONGEST_TEXT)
        if kind not in _NUMBERS:
            raise Malformed(f"has a value of the unknown type {kind} in its header")
        return self.number(_NUMBERS[kind])

    def _array(self) -> Value:
        kind, count = self.number("<I"), self.number("<Q")
        if kind == _TEXT:
            if count <= LONGEST_TEXTS:
                return [self.text(LONGEST_TEXT) for _index in range(count)]
            self._skip_texts(count, None)
            return count
        if kind not in _NUMBERS:
            raise Malformed(f"has an array of the unknown type {kind} in its header")
        size = struct.calcsize(_NUMBERS[kind]) * count
        end = self._need(size)
        if count > LONGEST_ARRAY:
            self._at = end
            return count
        return [self.number(_NUMBERS[kind]) for _index in range(count)]

    def tokens(self, digest: bool) -> Vocabulary:
        """The vocabulary, of which only the number of tokens is read without ``digest``."""
        kind, count = self.number("<I"), self.number("<Q")
        if kind != _TEXT:
            raise Malformed("has a vocabulary that is not a list of texts")
        return self.tokens_of(count) if digest else Vocabulary(count, None)

    def tokens_of(self, count: int) -> Vocabulary:
        """The next tokens."""
        found = hashlib.sha256()
        self._skip_texts(count, found)
        return Vocabulary(count, found.hexdigest())

    def _skip_texts(self, count: int, digest: Any) -> None:
        if count > MOST_TEXTS:
            raise Malformed(f"announces {count:,} texts in one array")
        size_of, data = struct.Struct("<Q").unpack_from, self._data
        for index in range(count):
            start = self._at
            if start + 8 > len(data):
                self._need(8)
            self._at = start + 8
            self._at = self._need(size_of(data, start)[0])
            if digest is not None and FIRST_COMPARED <= index < LAST_COMPARED:
                digest.update(data[start : self._at])

    def tensor(self) -> str:
        """The name of the next tensor."""
        name = self.text(LONGEST_KEY)
        dimensions = self.number("<I")
        if dimensions > MOST_DIMENSIONS:
            raise Malformed(f"has a tensor of {dimensions:,} dimensions")
        self.take(8 * dimensions + 4 + 8)
        return name
