# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Write a report from result files, on the controller (documented in plugins/modules/bench_report.py)."""

from __future__ import annotations

import errno
import importlib.util
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils.files import write
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.report import page as report
from ansible_collections.jetson.thor.plugins.plugin_utils.report import result_files, results

NO_PLOTTER = (
    "THOR-REPORT-PLOTTER: the charts of the page need matplotlib, which is missing in the Python that runs Ansible. Install it there: "
    "pip install -r requirements/controller.txt. playbooks/report.yml writes the page from existing results."
)
ARGUMENTS: dict[str, Any] = {
    "results": {"type": "list", "elements": "path", "required": True},
    "floor": {"type": "float", "default": 0.9},
    "floors": {"type": "dict", "default": {}},
    "run": {"type": "str"},
    "template": {"type": "path", "required": True},
    "html": {"type": "path"},
    "markdown": {"type": "path"},
    "strict": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Read the results, compare them, and write the report; needs no connection."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the requested files; return the tables and the problems of each host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        if refusal := _refusal(args, task_vars or {}):
            return {**result, "failed": True, "msg": refusal}
        places = [Path(place).expanduser() for place in args["results"]]
        documents, unusable = result_files.read_all(places)
        if places and not documents and not unusable:
            msg = (
                f"THOR-RESULT-INVALID: thor_bench_results = {', '.join(map(str, places))}: it contains no result. "
                "Measure first (playbooks/bench.yml), or name another folder."
            )
            return {**result, "failed": True, "msg": msg}
        told = [problem.text() for problem in unusable]
        if unusable and (args["strict"] or not documents):
            problems = [problem.as_dict() for problem in unusable]
            return {**result, "failed": True, "msg": "\n".join(told), "problems": problems}
        reference = files.reference()
        of_hosts = {host: float(floor) for host, floor in args["floors"].items()}
        fleet = results.fleet(documents, reference, args["floor"], of_hosts)
        messages: dict[str, list[str]] = {}
        for entry in fleet.entries:
            # Results of earlier runs got their verdict then.
            if not args["run"] or entry.result["run"] == args["run"]:
                messages.setdefault(entry.host, []).extend(one.text() for one in results.problems([entry]))
        result |= {
            "warnings": told,
            "messages": {host: texts for host, texts in messages.items() if texts},
            "text": report.terminal(fleet, reference, args["floor"]),
            "changed": False,
        }
        if args["html"]:
            result["html"] = str(Path(args["html"]).expanduser().absolute())
        if args["html"] and importlib.util.find_spec("matplotlib") is None:
            return {**result, "failed": True, "msg": NO_PLOTTER}
        try:
            result["changed"] = _write_all(fleet, reference, args, told, dry=self._task.check_mode)
        except report.PlotterMissing as error:
            return {**result, "failed": True, "msg": f"{NO_PLOTTER} ({error})"}
        except OSError as error:
            reason = f"{error.filename} cannot be written on the controller: {error.strerror}."
            msg = f"THOR-RESULT-WRITE: thor_bench_results: {reason} Name a folder that can be written."
            return {**result, "failed": True, "msg": msg}
        return result


def _refusal(args: dict[str, Any], task_vars: dict[str, Any]) -> str | None:
    """Why nothing is read at all, or None."""
    if unread := files.unknown_variables(task_vars).problems:
        return "\n".join(problem.text() for problem in unread)
    floors = {"": args["floor"], **args["floors"]}
    wrong = [f"{host or 'bench_floor'} = {floor!r}" for host, floor in floors.items() if not _is_part(floor)]
    if wrong:
        return f"THOR-BENCH-METHOD: thor_bench_floor of {', '.join(wrong)}: write a number above 0 and at most 1 (0.9)."
    return None


def _write_all(
    fleet: results.Fleet, reference: dict[str, Any], args: dict[str, Any], left_out: list[str], *, dry: bool
) -> bool:
    """Write the requested files, unless ``dry``; returns whether any of them changes. Raises OSError and PlotterMissing."""
    targets = {name: Path(args[name]).expanduser() for name in ("markdown", "html") if args[name]}
    for target in targets.values():
        _writable(target)
    changed = False
    if "markdown" in targets:
        changed |= _write(targets["markdown"], report.markdown(fleet, reference, args["floor"]), dry=dry)
    if "html" in targets:
        written = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
        template = Path(args["template"]).read_text(encoding="utf-8")
        page = report.page(fleet, reference, args["floor"], template=template, written=written, left_out=left_out)
        changed |= _write(targets["html"], page, dry=dry)
    return changed


def _is_part(floor: Any) -> bool:
    try:
        return 0 < float(floor) <= 1
    except (TypeError, ValueError):
        return False


def _writable(path: Path) -> None:
    """Raise OSError if the file, or a folder for it, could not be created."""
    folder = next(one for one in path.absolute().parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        number = errno.EACCES if folder.is_dir() else errno.ENOTDIR
        raise OSError(number, os.strerror(number), str(folder))


def _write(path: Path, text: str, *, dry: bool) -> bool:
    """Write a file in one rename, unless ``dry``; returns whether its content changes."""
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if not dry:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, text)
    return before != text
