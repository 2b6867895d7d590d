# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The controller's side of long work: start the module, ask how far its job is, show it, return its result."""

from __future__ import annotations

import itertools
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

# One question waits this long on the host: few round trips, and the end is seen at once. The first ones come sooner, so
# that a person sees that it works; a build of an hour need not fill the screen.
POLL_SECONDS = (10, 10, 10, 10, 20, 30)
# The job goes on without a connection: it is asked for again and again for so long.
PATIENCE_SECONDS = 120
RETRY_SECONDS = 5


class LongRunning(ActionBase):  # type: ignore[misc]
    """Action of every module whose work may run as a job (module_utils/jobs.py)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; where it started a job, wait for the end of it and return the job's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        started = self._execute_module(module_args=self.arguments(), task_vars=task_vars)
        job = started.get("job")
        if not job or started.get("failed"):
            result.update(started)
            return result
        result.update(self._follow(job["name"], job.get("digest"), task_vars))
        if started.get("warnings"):
            result["warnings"] = [*started["warnings"], *result.get("warnings", [])]
        if "diff" in started:
            result.setdefault("diff", started["diff"])
        return result

    def arguments(self) -> dict[str, Any]:
        """What the module is given: the task's arguments, unless an action makes something else of them."""
        return dict(self._task.args)

    def _follow(self, name: str, digest: str | None, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        host = (task_vars or {}).get("inventory_hostname", "")
        begun = time.monotonic()
        heard = begun
        for question in itertools.count():
            wait = POLL_SECONDS[min(question, len(POLL_SECONDS) - 1)]
            try:
                status = self._execute_module(
                    module_name="jetson.thor.job_status",
                    module_args={"name": name, "wait": wait, "digest": digest},
                    task_vars=task_vars,
                )
            except AnsibleConnectionFailure:
                if time.monotonic() - heard > PATIENCE_SECONDS:
                    raise
                display.display(f"{host}: {name}: no connection; it is tried again, and the work on the host goes on")
                time.sleep(RETRY_SECONDS)
                continue
            heard = time.monotonic()
            if status.get("failed") or status.get("unreachable"):
                return dict(status)
            if status["state"] == "ended":
                return dict(status["result"])
            if status["state"] == "replaced":
                return {
                    "failed": True,
                    "changed": True,
                    "msg": f"THOR-JOB-REPLACED: {host}: another play has started thor-job-{name}.service anew with other arguments, and "
                    "the result of this one is gone. Run one play at a time for a host, then this one again.",
                }
            if status["state"] == "lost":
                return {
                    "failed": True,
                    "changed": True,  # nobody knows how far it has come
                    "msg": f"THOR-JOB-LOST: {host}: thor-job-{name}.service ended without a result "
                    f"(killed, or out of time). Run the play again: it goes on from there. Last lines of /var/lib/thor/jobs/{name}/log:\n"
                    + "\n".join(status.get("log", [])),
                }
            display.display(f"{host}: {name}: {progress_text(status.get('progress', {}), time.monotonic() - begun)}")
        raise AssertionError("unreachable: the questions end with the job")


def progress_text(progress: dict[str, Any], seconds: float) -> str:
    """One line of progress: how much, how far, for how long."""
    elapsed = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    done, total, unit = progress.get("done", 0), progress.get("total", 0), progress.get("unit", "")
    if not total:
        return " ".join(filter(None, ["at work,", progress.get("text", ""), elapsed]))
    amount = f"{done / 1e9:.2f}/{total / 1e9:.2f} GB" if unit == "B" else f"{done:g}/{total:g} {unit}"
    return f"{amount} ({100 * done / total:.0f} %) {elapsed} {progress.get('text', '')}".rstrip()
