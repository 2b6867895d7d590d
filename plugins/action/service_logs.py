# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module service_logs: tells the host by digests what is secret."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.plugin_utils.status.secret_digests import secret_digests


class ActionModule(ActionBase):
    """Run the module with the digests of the inventory's secrets."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        digests = secret_digests(task_vars or {}, self._templar.template)
        result.update(self._execute_module(module_args={**self._task.args, "digests": digests}, task_vars=task_vars))
        return result
