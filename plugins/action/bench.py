# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Action of the module bench: it takes a sound along, waits for the job, and keeps the result on the controller."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.action import job_status
from ansible_collections.jetson.thor.plugins.module_utils.clients import bench
from ansible_collections.jetson.thor.plugins.modules.bench import ARGUMENTS
from ansible_collections.jetson.thor.plugins.plugin_utils import sound
from ansible_collections.jetson.thor.plugins.plugin_utils.report import result_files


class ActionModule(job_status.ActionModule):
    """Measure on the host, write the result file here."""

    def arguments(self) -> dict[str, Any]:
        """The module's own, with the sound, and without what is this side's business."""
        args = {key: value for key, value in super().arguments().items() if key not in ("results", "run")}
        return sound.carry(args, args.get("services") or [], "bench_audio_file")

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result, and the file that it was written to."""
        begun = datetime.now(UTC)
        _checked, method = self.validate_argument_spec(argument_spec=ARGUMENTS)
        if wrong := bench.wrong(method):
            # Before anything is connected to.
            return {"failed": True, "msg": "\n".join(wrong)}
        result = super().run(tmp, task_vars)
        measured = result.pop("result", None)
        if result.get("failed") or measured is None:
            return result
        host = str((task_vars or {}).get("inventory_hostname", ""))
        document = {
            "schema": result_files.SCHEMA,
            "host": host,
            # Hosts of one run are named alike: what was measured side by side is no measure for itself.
            "run": self._task.args.get("run") or f"{begun:%Y%m%dT%H%M%SZ}",
            "measured_at": begun.isoformat(timespec="seconds").replace("+00:00", "Z"),
            **measured,
        }
        folder = Path(self._task.args.get("results") or "bench-results").expanduser()
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{host}-{document['run']}")
        file = folder / f"{name}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            partial.replace(file)
        except OSError as error:
            result.update(
                failed=True,
                msg=f"THOR-RESULT-WRITE: {host}: {file} cannot be written on the controller: {error.strerror}. "
                "Name another folder in thor_bench_results; what was measured is in this task's result.",
            )
        return {**result, "document": document, "file": str(file)}
