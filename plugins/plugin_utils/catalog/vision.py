# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Images: how clients show them to a vision model, and whether the engine may fetch them from elsewhere."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import MODELS_ROOT, has_file
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.named_files import is_hidden
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Vision


def vision_of(draft: Draft) -> Vision | None:
    """How clients show images to the service; None where its model sees none."""
    if not draft.sees:
        return None
    ways = _ways(draft)
    folder = draft.filled_option(ways.get("folder") or "")
    return Vision(folder=posixpath.normpath(folder) if isinstance(folder, str) else None, file_url=ways.get("file_url"))


def _ways(draft: Draft) -> Mapping[str, Any]:
    ways: Mapping[str, Any] = draft.engine.get("vision") or {}
    return ways


def folder_problems(draft: Draft) -> list[Problem]:
    """A folder of images that the service cannot see."""
    vision = vision_of(draft)
    if vision is None or vision.folder is None or not is_hidden(vision.folder, draft.is_container):
        return []
    option = _ways(draft)["folder"]
    reason = "The service cannot see this folder: a container sees only /models, and a unit neither home folders nor relative paths."
    remedy = "Name a folder below /models."
    return [Problem("THOR-MEDIA-FOLDER", draft.where("options", option), draft.option(option), reason, remedy)]


def projector_problems(draft: Draft) -> list[Problem]:
    """A vision model without the file of its projector, where the engine needs one."""
    option = _ways(draft).get("projector")
    if not option or not draft.sees:
        return []
    value = draft.option(option)
    reason = _wrong_projector(draft, option, value)
    remedy = (
        f"Name the file as the model's projector (thor_extra_models[{draft.profile['model']!r}].projector, and in include), "
        f"or write {option}: '{{path}}/FILE' in the options."
    )
    return [Problem("THOR-PROJECTOR-MISSING", draft.where("options", option), value, reason, remedy)] if reason else []


def _wrong_projector(draft: Draft, option: str, value: Any) -> str:
    if not isinstance(value, str):
        return (
            f"The model sees images, but --{option} does not name its projector: the engine would refuse every image."
        )
    path = posixpath.normpath(draft.fill(value))
    if not path.startswith("/"):
        return "The engine would look for the projector in its own working directory, which is empty."
    if path.startswith(f"{MODELS_ROOT}/") and not has_file(draft.artifact, path):
        return "Nothing fetches this file: it is not one of the model's files."
    return ""


def remote_media_of(draft: Draft) -> bool | None:
    """Whether the engine may fetch images that a client names; None where it sees none, or where that cannot be chosen."""
    is_asked = "remote_media" in draft.entry or draft.sees
    return _wants_remote_media(draft) if is_asked and not remote_media_problems(draft) else None


def _wants_remote_media(draft: Draft) -> bool:
    return bool(draft.setting("remote_media", True))


def remote_media_problems(draft: Draft) -> list[Problem]:
    """A choice about remote images that the service cannot keep."""
    wanted, sees = _wants_remote_media(draft), draft.sees
    reason, remedy = "", "Leave the key out, or block it in the network."
    if not sees and "remote_media" in draft.entry and not draft.is_unread("vision"):
        reason = f"The model {draft.profile['model']} sees no images."
    elif sees and not wanted and "block_remote_media" not in _ways(draft):
        reason = f"No way is known to keep {draft.engine_name} from fetching images (vision.block_remote_media of the engine)."
    elif sees and not wanted and not draft.is_container and draft.is_local is False:
        reason = f"Its unit would be cut off from the whole network, including the clients at {draft.address}."
        remedy = (
            "Leave the service on its loopback (address: 127.0.0.1), or leave the key out and block it in the network."
        )
    if not reason:
        return []
    return [Problem("THOR-MEDIA-FIXED", draft.where("remote_media"), wanted, reason, remedy)]


def blocking_environment(draft: Draft) -> Mapping[str, Any]:
    """Variables that keep the engine from fetching images, where it must not. The unit does that for a native engine."""
    if remote_media_of(draft) is not False:
        return {}
    environment: Mapping[str, Any] = _ways(draft)["block_remote_media"].get("environment") or {}
    return environment
