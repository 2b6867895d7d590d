# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The image of a service: its name as dockerd has it, its digest, what others recorded, and how its entrypoint is used."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.images import references
from ansible_collections.jetson.thor.plugins.module_utils.images.entrypoint import IS, RUNS, SET
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import NGC
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Entrypoint


def reference_of(draft: Draft) -> str | None:
    """The image of a version, from the registry that takes NVIDIA's place; a digest beside a tag is not part of it."""
    image = _named(draft)
    if image is None:
        return None
    if image.startswith(f"{NGC}/"):
        image = f"{draft.inputs.ngc_registry}{image.removeprefix(NGC)}"
    _repository, tag, _digest = references.parts(image)
    return references.familiar(image.partition("@")[0] if tag else image)


def digest_of(draft: Draft) -> str | None:
    """The digest that the image's name, the catalog or the lock gives; None where nobody has read it yet."""
    image = _named(draft)
    if image is None:
        return None
    images: Mapping[str, Any] = draft.catalog.lock.get("images") or {}
    locked = (images.get(draft.engine_name) or {}).get(draft.version) or {}
    digests = [
        references.parts(image)[2],
        draft.known.get("digest"),
        locked.get("digest") if locked.get("image") == image else None,
    ]
    return next((digest for digest in digests if digest and digest != "unpinned"), None)


def expected_of(draft: Draft) -> Mapping[str, str]:
    """The digests that others recorded for the image: of its ``index``, its ``manifest`` for arm64, or ``either`` of them."""
    return dict(draft.known.get("expected") or {}) if _named(draft) else {}


def entrypoint_of(draft: Draft, spec: Mapping[str, Any]) -> Entrypoint | None:
    """How the image's entrypoint and the command go together; ``spec`` is the engine's ``image``. None of other kinds.

    ``entrypoint`` of the version, or else of the engine: nothing at all means that the image's own runs the whole command, null that
    it is the beginning of the command, and a list is set in its place. An empty list is the engine's own command, as in Compose.
    """
    if not draft.is_container:
        return None
    own = own_words(draft.engine["command"])
    merged = {**spec, **draft.known}
    if "entrypoint" not in merged:
        return Entrypoint(how=RUNS, words=own, instead_of=0)
    given = merged["entrypoint"]
    how = IS if given is None else SET
    return Entrypoint(how=how, words=tuple(given or own), instead_of=len(own))


def own_words(command: Sequence[str]) -> tuple[str, ...]:
    """The words of an engine's command before its first option or placeholder: ``python -m sglang.launch_server``."""
    return tuple(itertools.takewhile(lambda word: not word.startswith("--") and "{" not in word, command))


def _named(draft: Draft) -> str | None:
    """The image as the catalog names it."""
    image: str | None = draft.known.get("image") if draft.is_version_known else None
    return image
