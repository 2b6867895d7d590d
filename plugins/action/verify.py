# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module verify: sends a recording from the controller along."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.plugin_utils import planned, sound
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import wanted
from ansible_collections.jetson.thor.plugins.plugin_utils.report.junit import junit_xml


class ActionModule(ActionBase):
    """Read the recording if a service needs one, run the module, and write its results for a CI."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        host, folder = (task_vars or {}).get("inventory_hostname", ""), args.pop("junit_dir", None)
        report = Path(folder).expanduser().absolute() / f"{host}.xml" if folder else None
        if report:  # a host that cannot be reached must not keep the answers of another day
            report.unlink(missing_ok=True)
        gateway = wanted.of_variables(planned.of_role("gateway", task_vars or {}, self._templar), datetime.now(UTC))
        if gateway:
            args["gateway"] = gateway.verify
        args = sound.carry(args, args.get("services") or [], "verify_audio_file")
        result.update(self._execute_module(module_args=args, task_vars=task_vars))
        if report and "results" in result:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.write_text(junit_xml(result["results"], host), encoding="utf-8")
        return result
