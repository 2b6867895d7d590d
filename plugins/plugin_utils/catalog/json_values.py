# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON that somebody has written as the value of an option."""

from __future__ import annotations

import json
from typing import Any


def decoded(value: Any) -> Any:
    """What the JSON of a value says. Any other value stays as it is, also text that is no JSON (options.check refuses it)."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def fault(text: str) -> str | None:
    """Why a text is no JSON, in the parser's words; None if it is JSON."""
    try:
        json.loads(text)
    except ValueError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return None
