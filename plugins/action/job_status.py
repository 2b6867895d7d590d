# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a module whose work becomes a job, follow the job with the module job_status, and return its result.

meta/runtime.yml makes this the action plugin of every module that starts a job (module_utils/jobs.py).
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

# How long each query waits on the host: this keeps round trips few, and the end of the job is noticed at once. The first
# queries are short, so that a person soon sees progress; a build of an hour need not fill the screen.
POLL_SECONDS = (10, 10, 10, 10, 20, 30)
# A job goes on without a connection, so its action keeps trying to reconnect for this long.
PATIENCE_SECONDS = 120
RETRY_SECONDS = 5


class ActionModule(ActionBase):
    """Start the job, show its progress, return its result."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module. If it started a job, wait for its end and return the job's result."""
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
        """The arguments of the module: those of the task, unless a subclass changes them."""
        return dict(self._task.args)

    def _follow(self, name: str, digest: str | None, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        host = (task_vars or {}).get("inventory_hostname", "")
        begun = time.monotonic()
        heard = begun
        for query in itertools.count():
            wait = POLL_SECONDS[min(query, len(POLL_SECONDS) - 1)]
            try:
                status = self._execute_module(
                    module_name="jetson.thor.job_status",
                    module_args={"name": name, "wait": wait, "digest": digest},
                    task_vars=task_vars,
                )
            except AnsibleConnectionFailure:
                if time.monotonic() - heard > PATIENCE_SECONDS:
                    raise
                display.display(f"{host}: {name}: no connection; retrying, while the work on the host goes on")
                time.sleep(RETRY_SECONDS)
                continue
            heard = time.monotonic()
            if (outcome := _outcome(host, name, status)) is not None:
                return outcome
            display.display(f"{host}: {name}: {progress_text(status.get('progress', {}), time.monotonic() - begun)}")
        raise AssertionError("unreachable: the queries end with the job")


def _outcome(host: str, name: str, status: dict[str, Any]) -> dict[str, Any] | None:
    """The result of the task; None while the job runs."""
    if status.get("failed") or status.get("unreachable"):
        return dict(status)
    if status["state"] == "ended":
        return dict(status["result"])
    if status["state"] == "replaced":
        reason = (
            f"another play has restarted thor-job-{name}.service with other arguments, and the result of this one is gone. "
            "Run one play at a time for a host, then run this one again."
        )
        return {"failed": True, "changed": True, "msg": f"THOR-JOB-REPLACED: {host}: {reason}"}
    if status["state"] == "lost":
        reason = (
            f"thor-job-{name}.service ended without a result (it was killed, or ran out of time). Run the play again: it "
            f"continues from there. Last lines of /var/lib/thor/jobs/{name}/log:\n"
        )
        # Changed, because nobody knows how far it came.
        msg = f"THOR-JOB-LOST: {host}: {reason}" + "\n".join(status.get("log", []))
        return {"failed": True, "changed": True, "msg": msg}
    return None


def progress_text(progress: dict[str, Any], seconds: float) -> str:
    """One line of progress: how much, how far, for how long."""
    elapsed = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    done, total, unit = progress.get("done", 0), progress.get("total", 0), progress.get("unit", "")
    if not total:
        return " ".join(filter(None, ["working,", progress.get("text", ""), elapsed]))
    amount = f"{done / 1e9:.2f}/{total / 1e9:.2f} GB" if unit == "B" else f"{done:g}/{total:g} {unit}"
    return f"{amount} ({100 * done / total:.0f} %) {elapsed} {progress.get('text', '')}".rstrip()
