# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options as published commands have them: some name the model once more, and some are gone from the engine's version."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import option_names, options
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import AnyArtifact, HubArtifact


def as_rendered(draft: Draft) -> Draft:
    """The draft with the options that its engine is given: what the version calls otherwise today is renamed (``replaced``), and
    what only repeats the model of an entry without a profile is left out."""
    written = draft.entry.get("options") or {}
    kept = {name: value for name, value in written.items() if not (draft.is_inline and _is_model(draft, name, value))}
    own, replaced = _today(draft, kept)
    inherited, more = _today(draft, draft.profile.get("options") or {})
    if own == written and not more:
        return draft
    entry = {**draft.entry, "options": own} if written else draft.entry
    profile = {**draft.profile, "options": inherited} if more else draft.profile
    return replace(draft, entry=entry, profile=profile, replaced={**more, **replaced})


def _today(draft: Draft, written: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Options with switches of earlier versions replaced by what they mean today, and the replaced ones.

    One whose successor is set by another option stays, and is refused.
    """
    today: Mapping[str, Mapping[str, Any]] = draft.engine.get("successors") or {}
    found, replaced = dict(written), {}
    for name, value in written.items():
        bare = _option(draft, name).lstrip("-")
        if value is not True or bare not in today or draft.flags is None or _option(draft, name) in draft.flags:
            continue
        others = {_option(draft, one) for one in found}
        if any(_option(draft, one) in others for one in today[bare]):
            continue
        found = {
            key: one
            for old, kept in found.items()
            for key, one in (today[bare].items() if old == name else [(old, kept)])
        }
        words = options.render(today[bare], draft.list_style, draft.flags, draft.accepts)
        replaced[options.shown(name)] = " ".join(words)
    return found, replaced


def _option(draft: Draft, name: str) -> str:
    return option_names.identity(name, draft.known_flags, draft.accepts)[0]


def _is_model(draft: Draft, name: str, value: Any) -> bool:
    """Whether an option names the model that the entry has already."""
    naming = [one for one, _value in options.words(draft.engine["command"])]
    naming += draft.engine.get("reserved_options") or {}
    if _option(draft, name) not in {_option(draft, one) for one in naming}:
        return False
    return isinstance(value, str) and value in _names(draft.artifact, value)


def _names(artifact: AnyArtifact, value: str) -> Iterable[str]:
    """What a model may be called: by its hub, with a quantization that its file has in its name (llama.cpp), and by its path."""
    found = {artifact.path}
    if artifact.file:
        found |= {artifact.file, posixpath.join(artifact.path, artifact.file)}
    if isinstance(artifact, HubArtifact):
        found |= {source.id for source in artifact.sources}
        head, _colon, quantization = value.partition(":")
        if head in found and quantization and quantization.casefold() in (artifact.file or "").casefold():
            found.add(value)
    return found
