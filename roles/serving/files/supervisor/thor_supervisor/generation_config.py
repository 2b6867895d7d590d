# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A model's generation_config.json with the profile's values laid over it, for engines that take sampling values from there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files

from thor_supervisor.endings import GiveUp

CODE = "THOR-GENERATION-CONFIG"


def overlay_generation_config(argv: list[str], settings: Mapping[str, Any] | None) -> list[str]:
    """Write the file, and return the engine's command. Raises GiveUp.

    ``settings``: ``path`` of the model's own file, and ``values``. For a container ``written`` is where to write; its command
    mounts that over the model's own file. Without one ``folder`` is a folder to make: links to all files of the model, and this
    one. The engine is then started with it in place of the model's folder.
    """
    if settings is None:
        return argv
    path = Path(settings["path"])
    content = _laid_over(path, settings["values"])
    folder = settings.get("folder")
    written = Path(folder) / path.name if folder else Path(settings["written"])
    try:
        if folder:
            _link_model(path.parent, Path(folder))
        # root in a container has no capabilities: it can only read what everybody can.
        files.write(written, content, 0o644)
    except OSError as error:
        raise GiveUp(CODE, f"{written} cannot be written: {error.strerror}") from None
    return [folder if folder and word == str(path.parent) else word for word in argv]


def _laid_over(path: Path, values: Mapping[str, Any]) -> str:
    """The model's own file with the values. Raises GiveUp."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise TypeError("it is not a JSON object")
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise GiveUp(
            CODE,
            f"{path} cannot be read: {reason}. This engine takes the sampling values of its chat API from there, and the "
            f"profile's ({json.dumps(values)}) are laid over it: a model without that file cannot have any",
        ) from None
    return json.dumps({**document, **values}, indent=2) + "\n"


def _link_model(model: Path, folder: Path) -> None:
    """Make ``folder`` anew, with a link to everything in the model's folder but for generation_config.json. Raises OSError."""
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir()
    for entry in model.iterdir():
        if entry.name != "generation_config.json":
            (folder / entry.name).symlink_to(entry)
