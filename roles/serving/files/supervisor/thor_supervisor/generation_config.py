# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A model's generation_config.json with the profile's values laid over it, for engines that take sampling values from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files

from thor_supervisor.endings import GiveUp

CODE = "THOR-GENERATION-CONFIG"


def overlay_generation_config(settings: Mapping[str, Any]) -> None:
    """Write the file that the container sees in place of the model's own. Raises GiveUp.

    ``settings``: ``path`` of the model's own file, ``values``, and ``written``, the file that is mounted over it.
    """
    path, written = Path(settings["path"]), Path(settings["written"])
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise TypeError("it is not a JSON object")
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise GiveUp(
            CODE,
            f"{path} cannot be read: {reason}. This engine takes the sampling values of its chat API from there, and the "
            f"profile's ({json.dumps(settings['values'])}) are laid over it: a model without that file cannot have any",
        ) from None
    content = json.dumps({**document, **settings["values"]}, indent=2) + "\n"
    try:
        files.write(
            written, content, 0o644
        )  # root in the container has no capabilities: it can only read what everybody can
    except OSError as error:
        raise GiveUp(CODE, f"{written} cannot be written: {error.strerror}") from None
