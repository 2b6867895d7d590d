# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Compare all observed hosts with the inventory, in one process (documented in plugins/modules/status_report.py)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.plugin_utils import planned
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.files import ROLES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import role_settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import plan
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.resolution import resolve_host
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.status import table, words
from ansible_collections.jetson.thor.plugins.plugin_utils.status.host_status import SCHEMA, host_status, unread
from ansible_collections.jetson.thor.plugins.plugin_utils.status.same_variables import fingerprint

ARGUMENTS: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "str", "required": True},
    "observed": {"type": "str", "required": True},
    "file": {"type": "str", "default": ""},
}
UNSEEN = "unreadable: nobody has looked: the play ended for this host before"


class ActionModule(ActionBase):
    """Runs on the controller; a catalog that was read once serves all hosts."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the status of all hosts as data and as text, and write the data to a file."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        # The task of the role catalog, whose arguments say how services come from variables.
        tasks = self._loader.load_from_file(str(ROLES / "catalog/tasks/main.yml"), trusted_as_template=True)
        self._resolve_arguments = tasks[0]["jetson.thor.resolve"]
        self._known: dict[tuple[str, str], tuple[Resolution, Settings]] = {}
        every = (task_vars or {})["hostvars"]
        hosts = [self._host(name, every.raw_get(name), args["observed"]) for name in args["hosts"]]
        now = time.time()
        result.update(changed=False, hosts=hosts, lines=table.lines(hosts, now))
        if args["file"]:
            result.update(self._write(Path(args["file"]).expanduser().absolute(), hosts, now))
        return result

    def _host(self, name: str, variables: Mapping[str, Any], key: str) -> dict[str, Any]:
        answer = variables.get(key) or {"reason": UNSEEN}
        if answer.get("reason"):
            return unread(name, answer["reason"])
        host, observed = answer["host"], answer["status"]
        resolution, settings = self._wanted(name, variables, host, key)
        services = resolution.facts
        decided = plan(name, services, host, settings, resolution.problems)
        return host_status(name, services, decided, host, observed)

    def _wanted(
        self, name: str, variables: Mapping[str, Any], host: Mapping[str, Any], key: str
    ) -> tuple[Resolution, Settings]:
        """What the inventory says of a host; hosts with the same variables, memory and models share it."""
        seen = json.dumps([host["memory"]["total_bytes"], host["models"]], sort_keys=True)
        same = fingerprint(name, variables, without=[key]), seen
        if same not in self._known:
            given = {**variables, "ansible_facts": {"thor_host": host}}
            arguments = planned.value("catalog", self._resolve_arguments, given, self._templar)
            template = self._templar.copy_with_new_env(available_variables=given).template
            self._known[same] = (
                resolve_host(arguments, variables, template).resolution,
                role_settings.shared(given, self._templar),
            )
        resolution, settings = self._known[same]
        return resolution, role_settings.with_gateway(settings, variables, self._templar)

    def _write(self, file: Path, hosts: list[dict[str, Any]], now: float) -> dict[str, Any]:
        """Write the status as JSON."""
        document = {"schema": SCHEMA, "written_at": words.moment(int(now)), "hosts": hosts}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, json.dumps(document, indent=1, ensure_ascii=False) + "\n", 0o600)
        except OSError as error:
            reason = f"THOR-STATUS-WRITE: thor_status_file = {file}: it cannot be written on the controller: {error.strerror}."
            return {"failed": True, "msg": f"{reason} Name another file."}
        return {"file": str(file)}
