# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands of NVIDIA's model cards, as entries of thor_profiles with a model of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution
from real_catalog import run

CARDS: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("model_cards.yml").read_text(encoding="utf-8")
)
COMMANDS = [(engine, card) for engine, cards in CARDS.items() for card in cards]
# What a key says in place of an option, by the option's names in the cards.
KEYS = {"host": "address", "port": "port", "served-model-name": "served_name", "alias": "served_name"}
SOURCES = ("hf", "hf-repo", "hff", "hf-file", "model")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def flags_of(card: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The flags of a command with their dashes, and their values as the shell hands them over."""
    found: list[tuple[str, str | None]] = []
    for word in shlex.split(card.get("flags", "")):
        is_name = word.startswith("-") and not word.removeprefix("-")[:1].isdigit()
        if is_name:
            found.append((word, None))
        else:
            found[-1] = (found[-1][0], word)
    return found


def said(
    engine: str, card: dict[str, Any], in_yaml: bool, with_keys: bool = True
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A command as an entry of thor_profiles, and its model.

    ``in_yaml``: values as YAML reads them, where on is true and JSON a mapping; otherwise every value in quotes.
    ``with_keys``: address, port and name as keys, and the model only by its own; otherwise every flag is an option, as in the command.
    """
    model: dict[str, Any] = {"huggingface": card.get("model"), "revision": COMMIT}
    if str(card.get("model")).startswith("/"):
        model = {"local": card["model"]}
    entry: dict[str, Any] = {"model": "mine", "engine": engine, "options": {}, **card.get("more", {})}
    if "version" in card:
        entry["version"] = card["version"]
    if "image" in card:
        entry["version"] = "card"
    for flag, value in flags_of(card):
        name = flag.lstrip("-")
        if not with_keys:
            entry["options"][name] = True if value is None else yaml.safe_load(value) if in_yaml else value
        if name in ("hf", "hf-repo"):
            model["huggingface"], _colon, quantization = str(value).partition(":")
            model.setdefault("file", f"{quantization}.gguf")
        elif name in ("hff", "hf-file"):
            model["file"] = value
        elif not with_keys:
            continue
        elif name in KEYS:
            entry[KEYS[name]] = int(str(value)) if name == "port" else value
        elif name not in SOURCES:
            entry["options"][name] = True if value is None else yaml.safe_load(value) if in_yaml else value
    return entry, model


def resolved(engine: str, card: dict[str, Any], in_yaml: bool, with_keys: bool = True) -> Resolution:
    """A command, resolved."""
    entry, model = said(engine, card, in_yaml, with_keys)
    engines = {"vllm": {"versions": {"card": {"image": card["image"]}}}} if "image" in card else {}
    # Code beside the weights runs where a commit pins it; a local folder has none, nor a draft that an image fetches by itself.
    is_loose = "local" in model or (
        entry.get("version") == "v0.27.1" and "speculative_config.model" in entry["options"]
    )
    unsafe = {"reasoning-parser-plugin", *(["trust-remote-code"] if is_loose else [])}
    allowed = unsafe & set(entry["options"])
    return run(
        entry,
        extra={"models": {"mine": model}, "engines": engines},
        allow_unsafe_options=sorted(allowed),
        allow_unauthenticated=True,
    )
