# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model keeps of each token and of each sequence: the geometry that its memory is computed from.

``config_geometry.py`` reads it from a config.json, ``gguf_geometry.py`` from the header of a GGUF file; the catalog holds it for its own
models, in the same shape (docs/catalog.md). What cannot be read is reported with a reason, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

# The widths of the types that states are stored in; `auto` is the type of the model, which engines keep in 16 bits.
STATE_BYTES: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}
# Somebody else's numbers are bounded: a list is made with an entry for each layer.
LAYERS = ("num_hidden_layers", "decoder_layers", "block_count")
MOST_LAYERS = 4096
MOST = 1 << 40


class UnreadableGeometry(ValueError):
    """A geometry that cannot be read; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Layers that keep keys and values of the same size for each token."""

    layers: int
    kv_heads: int
    key_dim: int
    value_dim: int  # 0 where one latent vector stands for keys and values (MLA)
    window: int | None = None  # how many tokens a sliding layer looks back; None: all
    encoder: int | None = None  # cross-attention: the encoder's positions, which do not grow with the sequence


@dataclass(frozen=True, kw_only=True)
class State:
    """Recurrent layers (Mamba2, gated delta net): what each keeps of a sequence, whatever its length."""

    layers: int
    values: int  # numbers in the state of one layer
    channels: int  # of the convolution in front of it
    width: int  # positions that the convolution remembers: its kernel minus one
    dtype: str = "float32"  # the type that the model asks for; a key of STATE_BYTES

    @property
    def bytes(self) -> int:
        """Bytes of one sequence, with the convolution in 16 bits, as vLLM and SGLang store it."""
        return self.layers * (self.values * STATE_BYTES[self.dtype] + self.channels * self.width * 2)


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The layers of a model by what they keep. A model that keeps nothing (an encoder such as BERT) has no attention groups."""

    attention: tuple[Attention, ...]
    layers: int
    hidden: int
    state: State | None = None
    vocabulary: int | None = None
    context: int | None = None  # the longest sequence, in tokens
    draft_layers: int = (
        0  # attention layers of its own for predicting several tokens (MTP), like those of its first group
    )
    is_bound: bool = (
        False  # an upper bound: the architecture is not known, and every layer is counted as full attention
    )
    looks_back: int = 0  # of an upper bound: the window that some of its layers may have

    def to_facts(self) -> dict[str, Any]:
        """Plain JSON, without what is not set; the shape of the catalog's key ``geometry``."""
        facts = asdict(self)
        facts["attention"] = [_without_none(group) for group in facts["attention"]]
        for key in ("draft_layers", "is_bound", "looks_back"):
            if not facts[key]:
                del facts[key]
        return _without_none(facts)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Geometry:
        """Read ``to_facts`` again, or a checked ``geometry`` of the catalog."""
        state = facts.get("state")
        return cls(
            **{
                **facts,
                "attention": tuple(Attention(**group) for group in facts["attention"]),
                "state": State(**state) if state else None,
            }
        )


def grouped(layers: Iterable[Attention]) -> tuple[Attention, ...]:
    """Layers that keep the same, counted: full attention first, then windows, largest first."""
    counts: Counter[Attention] = Counter()
    for layer in layers:
        counts[layer] += layer.layers
    groups = [Attention(**{**asdict(layer), "layers": count}) for layer, count in counts.items()]
    return tuple(
        sorted(groups, key=lambda group: (group.encoder is not None, group.window is not None, -(group.window or 0)))
    )


def whole(mapping: Mapping[str, Any], *keys: str, default: int | None = None, least: int = 0) -> int:
    """The first of some keys that is set, as a whole number.

    Raises UnreadableGeometry where it is something else, or where no key is set and there is no default.
    """
    for key in keys:
        value = mapping.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UnreadableGeometry(f"{key} is {repr(value)[:80]}, not a whole number of {least} or more")
        if value > (MOST_LAYERS if key in LAYERS else MOST):
            raise UnreadableGeometry(f"{key} is larger than in any model")
        return value
    if default is None:
        raise UnreadableGeometry(f"{' or '.join(keys)} is missing")
    return default


def _without_none(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}
