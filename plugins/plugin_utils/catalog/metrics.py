# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The engines' own metrics pages: which engine has one, and the options that switch it on (``metrics`` of an engine)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def options(engine: Mapping[str, Any], is_wanted: bool) -> dict[str, Any]:
    """The options that switch the page on; empty where nobody wants it, or the engine has none or always has it."""
    return dict((engine.get("metrics") or {}).get("options") or {}) if is_wanted else {}


def path_of(engine: Mapping[str, Any], is_wanted: bool, option: Callable[[str], Any]) -> str | None:
    """Where the page is; None where nobody wants it, the engine has none, or an option of the service switches it off.

    ``option``: the value of one of the service's options.
    """
    spec = engine.get("metrics")
    if not spec or not is_wanted or any(option(name) != value for name, value in options(engine, True).items()):
        return None
    path: str = spec["path"]
    return path
