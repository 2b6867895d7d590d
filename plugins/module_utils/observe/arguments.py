# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The arguments of modules that observe a host (documented in plugins/doc_fragments/observation.py)."""

from __future__ import annotations

from typing import Any

ARGUMENTS: dict[str, Any] = {
    "facts_root": {"type": "str", "default": ""},
    "secrets_key": {"type": "str", "default": "", "no_log": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "gateway_key": {"type": "str", "default": "", "no_log": True},
    "proxies": {"type": "dict", "default": {}, "no_log": True},
    "local_models": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "place": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
        },
    },
}
