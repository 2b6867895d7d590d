# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that the role serving puts on a host: support files, support units, and the definition of each service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.services.compare import SUPPORT_UNITS, Wanted
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import ModelTree, ServiceFiles
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import configuration, on_demand, unit
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.support_files import support_files


def wanted(
    services: Iterable[Service],
    host: Mapping[str, Any],
    settings: Settings,
    secret_tags: Mapping[str, str],
    models: Iterable[Mapping[str, str]] = (),
) -> Wanted:
    """What should be on a host. ``host`` is ``thor_host``; ``secret_tags`` names the file of each service's secrets.

    ``models``: the trees that get their model's directory, as ``path`` and ``identity``.

    Raises ValueError for a text that no unit can hold; the catalog refuses those before.
    """
    return Wanted(
        files=list(support_files()),
        units=list(SUPPORT_UNITS),
        services=[
            ServiceFiles(
                service.name,
                unit.text(service, host, settings, secret_tags.get(service.name)),
                configuration.text(service, settings),
                on_demand.parts_of(service),
            )
            for service in services
        ],
        models=[ModelTree(**one) for one in models],
    )
