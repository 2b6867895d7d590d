# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the role serving has to do on a host. Pure.

``work`` is what the plan calls. Its result is false when the module ``services`` would change nothing, so that the role need not run:
the comparison is the module's own (module_utils/services/compare.py), over what ``host_facts`` observed (``thor_host.serving``). A plan
that builds or pulls an engine for one of the services runs the role in any case: the path of the build, or the image, is not known
before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.services.compare import Difference, Observation, compare
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import definitions
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

# The account whose group all services share (roles/serving/tasks/main.yml), as in thor_host.account.
ACCOUNT = {"comment": "jetson.thor inference services", "home": "/nonexistent", "shell": "/usr/sbin/nologin"}


@dataclass(frozen=True)
class ServingWork:
    """What is to be done; false when nothing is."""

    difference: Difference  # files, units, services that are switched, started or removed, drift
    secrets: list[str]  # services whose secrets are new or have changed
    unused_secrets: bool  # files of secrets that no service uses any more must be removed
    account: bool  # the account must be created or changed

    def __bool__(self) -> bool:
        """Whether the role has anything to do."""
        return bool(self.difference) or bool(self.secrets) or self.unused_secrets or self.account


def unpinned(services: Iterable[Service], host: Mapping[str, Any]) -> list[str]:
    """Images of services whose digest is neither in the lock nor recorded on the host: what they would start is not known."""
    recorded = {reference for reference, image in (host.get("images") or {}).items() if image.get("digest")}
    found = (str(one.image) for one in services if one.kind == "image" and not one.image_digest)
    return sorted(set(found) - recorded)


def work(
    services: Sequence[Service], host: Mapping[str, Any], settings: Settings, models: Sequence[Mapping[str, str]] = ()
) -> ServingWork:
    """What the role serving has to do for these services. ``host`` is ``thor_host``; the services have no problems.

    ``models``: the trees that get their model's directory (plan/models.py).
    """
    secrets = host["secrets"]
    wanted = definitions.wanted(services, host, settings, secrets["tags"], models)
    return ServingWork(
        difference=compare(wanted, Observation.from_facts(host["serving"])),
        secrets=[service.name for service in services if service.secrets and service.name not in secrets["tags"]],
        unused_secrets=secrets["unused"],
        account=host["account"] != ACCOUNT,
    )
