# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module host_facts: compares clocks, and has the host look for its secrets, its proxy and its local models."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils.proxy import Proxy, wanted
from ansible_collections.jetson.thor.plugins.module_utils.services import secret_files
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.wanted import digest_key
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.local_models import local_models
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.secrets import service_secrets


class ActionModule(ActionBase):
    """Run the module, and add what needs the controller."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = {
            **self._task.args,
            **self._digests(variables),
            **self._local_models(variables),
            **self._gateway(variables),
        }
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        clock = result.get("ansible_facts", {}).get("thor_host", {}).get("clock")
        if clock:
            clock["behind_s"] = round(time.time() - clock["time"])
        if result.get("ansible_facts", {}).get("thor_host", {}).get("package_work"):
            # As group_by does: playbooks/preflight.yml waits on these hosts.
            result.update(add_group="thor_packages_busy", parent_groups=[])
        return result

    def _proxy(self, key: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The argument ``proxies``, if there is a proxy."""
        proxy = Proxy.of(self._templar.template(variables.get("thor_proxy")))
        return {"proxies": wanted(key, proxy)} if proxy else {}

    def _local_models(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The argument ``local_models``. A mistake in the inventory is left to the action resolve, which explains it."""
        try:
            return {"local_models": local_models(self._templar.template(variables.get("thor_extra_models")) or {})}
        except (AnsibleError, TypeError, ValueError, AttributeError, KeyError):
            return {}

    def _gateway(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The argument ``gateway_key``. A mistake in the inventory is left to the action resolve, which explains it."""
        names = ("thor_gateway", "thor_gateway_keys", "thor_profiles", "thor_extra_profiles")
        try:
            on, keys, profiles, extra = self._templar.template([variables.get(name) for name in names])
            secrets_of_services = service_secrets(profiles or [], extra or {})
            return {"gateway_key": digest_key(keys or {}, secrets_of_services)} if on not in (None, False) else {}
        except (AnsibleError, TypeError, ValueError, AttributeError):
            return {}

    def _digests(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments ``secrets`` and ``secrets_key``. A mistake in the profiles is left to the action resolve, which explains it."""
        key = secrets.token_hex(16)
        given = [variables.get(name) for name in ("thor_profiles", "thor_extra_profiles")]
        try:
            profiles, extra = self._templar.template(given)
            found = service_secrets(profiles or [], extra or {})
            return {
                "secrets_key": key,
                "secrets": {name: secret_files.digest(key, values) for name, values in found.items()},
                **self._proxy(key, variables),
            }
        except (AnsibleError, TypeError, ValueError, AttributeError):
            return {}
