# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module support_bundle: writes the archive on the controller."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.plugin_utils.status.secret_digests import secret_digests


class ActionModule(ActionBase):
    """Run the module with the digests of the inventory's secrets, and keep its archive."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return where the archive is, and not its content."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", ""))
        name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', host)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        digests = secret_digests(variables, self._templar.template)
        arguments = {**self._task.args, "name": name, "digests": digests}
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        archive = result.pop("archive", None)
        if result.get("failed") or archive is None:
            return result
        folder = Path(str(self._task.args.get("dest"))).expanduser().absolute()
        file = folder / f"{name}.tar.gz"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write(file, base64.b64decode(archive), 0o600)
        except OSError as error:
            reason = f"THOR-SUPPORT-WRITE: {host}: thor_support_dir = {folder}: {file.name} cannot be written on the controller"
            return {**result, "failed": True, "msg": f"{reason}: {error.strerror}. Name another folder."}
        return {**result, "file": str(file)}
