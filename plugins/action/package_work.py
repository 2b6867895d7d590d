# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Wait until no other process installs packages, and show which do (documented in plugins/modules/package_work.py)."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

# How long each query waits on the host. The first does not wait, so that the display shows at once who is at work.
POLL_SECONDS = 15
ARGUMENTS: dict[str, Any] = {
    "timeout": {"type": "int", "default": 1800},
    "variable": {"type": "str", "default": "timeout"},
}


class ActionModule(ActionBase):
    """Query the host until no other process installs packages, or the time is over."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait; fail if another process still installs packages at the end."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        host = (task_vars or {}).get("inventory_hostname", "")
        begun = time.monotonic()
        piece = 0
        while True:
            answer = self._execute_module(module_args={**args, "timeout": piece}, task_vars=task_vars)
            if answer.get("failed") or answer.get("unreachable") or not answer["work"]:
                result.update(answer)
                return result
            who, waited = ", ".join(answer["work"]), int(time.monotonic() - begun)
            if waited >= args["timeout"]:
                reason = f"after that many seconds other processes still install packages: {who}."
                remedy = "Check what they do (ps, journalctl), and run the play again when they have finished."
                text = f"THOR-PACKAGES-BUSY: {host}: {args['variable']} = {args['timeout']}: {reason} Nothing was changed. {remedy}"
                result.update(failed=True, work=answer["work"], msg=text)
                return result
            piece = min(POLL_SECONDS, args["timeout"] - waited)
            display.display(f"{host}: waiting until packages are installed: {who} {waited // 60}:{waited % 60:02d}")
