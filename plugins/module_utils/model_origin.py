# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the model of a service comes from, in words: of an artifact in ``thor_services``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# A revision that cannot move, as the hubs write it: the SHA-1 of a commit.
COMMIT = re.compile(r"[0-9a-f]{40}")


def identity(model: Mapping[str, Any]) -> str | None:
    """OWNER/NAME on the hub that is asked first; None of a model that comes from no hub."""
    return next((str(one["id"]) for one in model.get("sources") or ()), None)


def revision(model: Mapping[str, Any]) -> str | None:
    """The revision that is asked of that hub; None of a model that comes from no hub."""
    return next((str(one["revision"]) for one in model.get("sources") or ()), None)
