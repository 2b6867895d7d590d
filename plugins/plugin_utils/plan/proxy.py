# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The proxy of a site: what apt is told of it. Pure. (dockerd: container_runtime.py; everything else gets it with each task.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.module_utils.proxy import APT, Proxy
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Share, Step

ROLE = "proxy"
_SUBJECT = "proxy of apt"


def share(host: Mapping[str, Any], settings: Mapping[str, Any]) -> Share:
    """Whether apt's file has to be written or removed, and with which environment apt is to be called.

    ``settings``: ``given`` (whether thor_proxy is set), ``used`` (whether it names a proxy), ``no_proxy``. Neither holds an address.
    """
    if settings.get("given") and not settings["used"]:
        reason = "It names neither a proxy for http nor one for https, so nothing would go through one."
        problem = Problem("THOR-PROXY-NONE", "thor_proxy", None, reason, "Add http and https, or remove the variable.")
        return Share(ROLE, problems=(problem,))
    seen = host.get("proxy") or {"there": False, "apt": False}
    if not settings.get("used"):
        steps = (Step(Kind.REMOVE, ROLE, _SUBJECT, "thor_proxy is not set"),) if seen["there"] else ()
        return Share(ROLE, steps, {"apt": {}})
    current = seen["there"] and seen["apt"]
    steps = () if current else (Step(Kind.WRITE, ROLE, _SUBJECT, "new, or differs from thor_proxy"),)
    # Neither is a secret: a task's environment is written on a command line.
    environment = {"APT_CONFIG": str(APT), "no_proxy": Proxy(no_proxy=tuple(settings["no_proxy"])).direct}
    return Share(ROLE, steps, {"apt": environment})
