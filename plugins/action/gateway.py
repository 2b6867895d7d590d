# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module gateway: makes the files, and the certificate, on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, fail_text
from ansible_collections.jetson.thor.plugins.plugin_utils import planned
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.certificates import Unusable
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.wanted import Wanted, of_variables


class ActionModule(ActionBase):
    """Make the files and run the module. Nothing secret is among the arguments of the task."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, arguments = task_vars or {}, dict(self._task.args)
        host = variables.get("inventory_hostname", "")
        if arguments.get("state", "present") == "present":
            now = datetime.now(UTC)
            wanted = of_variables(planned.of_role("gateway", variables, self._templar), now)
            if wanted and wanted.problems:
                return {**result, "failed": True, "msg": fail_text(host, wanted.problems)}
            try:
                arguments |= self._files(wanted, host, variables, now)
            except (Unusable, OSError) as error:
                problem = Problem(
                    "THOR-GATEWAY-CA",
                    "thor_gateway",
                    None,
                    f"No certificate can be made on the control machine: {error}.",
                    "Correct thor_gateway or its folder (ca_dir), then run the play again.",
                )
                return {**result, "failed": True, "msg": f"{host}: {problem.text()}"}
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _files(self, wanted: Wanted | None, host: str, variables: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """The arguments ``files`` and ``secrets``. Raises Unusable and OSError."""
        if wanted is None:
            raise Unusable("thor_gateway is not set, or not valid")
        wanted = self._with_certificate(wanted, host, now)
        files = wanted.files(variables["ansible_facts"]["thor_services"])
        return {
            "files": [{"path": one.path, "mode": one.mode, "content": one.content} for one in files if not one.secret],
            "secrets": {one.path: one.content for one in files if one.secret},
        }

    def _with_certificate(self, wanted: Wanted, host: str, now: datetime) -> Wanted:
        """In check mode a certificate that has still to be made is one that nobody keeps."""
        if wanted.renewal and self._task.check_mode:
            pair = certificates.make_certificate(certificates.make_authority(now), wanted.gateway.names, now)
            return replace(wanted, pair=pair, renewal=None)
        return wanted.renewed(host, now)
