# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module bench: sends a recording along, follows the job, and writes the result on the controller."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.action import job_status
from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.clients import bench
from ansible_collections.jetson.thor.plugins.modules.bench import ARGUMENTS
from ansible_collections.jetson.thor.plugins.plugin_utils import sound
from ansible_collections.jetson.thor.plugins.plugin_utils.report import result_files


class ActionModule(job_status.ActionModule):
    """Measure on the host, write the result file on the controller."""

    def arguments(self) -> dict[str, Any]:
        """The module's arguments, with the recording, and without those for the controller."""
        args = {key: value for key, value in super().arguments().items() if key not in ("results", "run")}
        return sound.carry(args, args.get("services") or [], "bench_audio_file")

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result, and the path of its file."""
        begun = datetime.now(UTC)
        _checked, method = self.validate_argument_spec(argument_spec=ARGUMENTS)
        if wrong := bench.wrong(method):
            # Refused before connecting to the host.
            return {"failed": True, "msg": "\n".join(wrong)}
        result = super().run(tmp, task_vars)
        measured = result.pop("result", None)
        if result.get("failed") or measured is None:
            return result
        host = str((task_vars or {}).get("inventory_hostname", ""))
        document = {
            "schema": result_files.SCHEMA,
            "host": host,
            # The same for all hosts of a run, so that concurrent measurements are not compared with each other.
            "run": self._task.args.get("run") or f"{begun:%Y%m%dT%H%M%SZ}",
            "measured_at": begun.isoformat(timespec="seconds").replace("+00:00", "Z"),
            **measured,
        }
        folder = Path(self._task.args.get("results") or "bench-results").expanduser()
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{host}-{document['run']}")
        file = folder / f"{name}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files.write(file, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            result.update(
                failed=True,
                msg=f"THOR-RESULT-WRITE: {host}: {file} cannot be written on the controller: {error.strerror}. "
                "Name another folder in thor_bench_results; the measurements are in this task's result.",
            )
        return {**result, "document": document, "file": str(file)}
