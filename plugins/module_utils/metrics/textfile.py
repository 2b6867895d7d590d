# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Write the metrics of a host where the node exporter finds them: what ``thor-metrics.service`` does every 30 seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, records
from ansible_collections.jetson.thor.plugins.module_utils.metrics import certificate, device, services
from ansible_collections.jetson.thor.plugins.module_utils.metrics.exposition import Sample, text

CONFIGURATION = Path("/etc/thor/metrics.json")
CERTIFICATE = Path("/etc/thor/gateway/tls.crt")
SHAPE = {
    "textfile": str,
    "facts_root": str,
    "services": [{"name": str, "unit": str, "on_demand": bool, "floor_share": (int, float)}],
}


def samples(configuration: Mapping[str, Any]) -> Iterator[Sample]:
    """All metrics of a host."""
    root = Path(configuration["facts_root"]) if configuration["facts_root"] else None
    yield from device.samples(root)
    yield from services.samples(configuration["services"])
    end = certificate.end_of(files.text(CERTIFICATE) or "")
    if end is not None:
        yield Sample("thor_gateway_certificate_end_seconds", end)


def main() -> int:
    """Write the file once; the exit status of the unit."""
    configuration = records.read(CONFIGURATION, SHAPE)
    if configuration is None:
        sys.stderr.write(("\n".join(records.warnings()) or f"{CONFIGURATION} does not exist.") + "\n")
        return 1
    files.write(Path(configuration["textfile"]), text(samples(configuration)), 0o644)
    return 0
