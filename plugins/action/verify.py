# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module verify: sends a recording from the controller along."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.plugin_utils import sound


class ActionModule(ActionBase):  # type: ignore[misc]
    """Read the recording if a service needs one, and run the module."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self._task.args
        args = sound.carry(args, args.get("services") or [], "verify_audio_file")
        result.update(self._execute_module(module_args=args, task_vars=task_vars))
        return result
