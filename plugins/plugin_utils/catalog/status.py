# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a profile says about the version of its engine: whether it works there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Status


def status_of(draft: Draft) -> Status:
    """The first statement of the profile that covers the version; nobody has tried a person's own version."""
    is_own = (draft.engine_name, draft.version) in draft.catalog.foreign
    if draft.is_version_known and (not is_own or draft.profile_name in draft.catalog.own_status):
        for statement in draft.profile.get("status") or []:
            if _covers(statement, draft.version):
                return Status(state=statement["state"], reason=statement.get("reason", ""))
    return Status(state="untested", reason="")


def _covers(statement: Mapping[str, Any], version: str) -> bool:
    if version in statement.get("versions", ()):
        return True
    start, end = statement.get("from"), statement.get("before")
    if start is None and end is None:
        return "versions" not in statement
    if not re.match(r"v?\d+\.\d", version):
        return False  # a name is neither before nor after a number
    return (start is None or number(version) >= number(start)) and (end is None or number(version) < number(end))


def number(version: str) -> tuple[int, ...]:
    """A dotted version as numbers, for comparison; letters end a part (``25.10-py3`` is 25, 10)."""
    return tuple(int(match) for match in re.findall(r"(?:^|\.)(\d+)", version))
