# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The metrics of a host: their names, and their text for the node exporter.

The format is Prometheus' text exposition format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), names and units
follow prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# By name: its type and what it is. What a device does not offer has no sample, never a 0.
FAMILIES: Mapping[str, tuple[str, str]] = {
    "thor_clock_hertz": ("gauge", "Clock of a device, such as the GPU; absent while it is switched off."),
    "thor_clock_limit_hertz": ("gauge", "Highest clock that the device is currently allowed."),
    "thor_clocks_locked": ("gauge", "1 if the processors keep the highest clock of the power mode."),
    "thor_gateway_certificate_end_seconds": ("gauge", "End of the gateway's certificate, in seconds since 1970."),
    "thor_gpu_load_ratio": ("gauge", "How busy the GPU is; absent while it is switched off."),
    "thor_memory_available_bytes": ("gauge", "Memory that processes can get, the page cache included."),
    "thor_memory_gpu_free_bytes": ("gauge", "Memory that CUDA calls free: the page cache counts as used."),
    "thor_memory_page_cache_bytes": ("gauge", "Memory in the page cache."),
    "thor_memory_total_bytes": ("gauge", "Memory that CPU and GPU share."),
    "thor_over_current_events_total": ("counter", "How often over-current throttled the device since it was started."),
    "thor_power_mode_info": ("gauge", "1 for the current power mode."),
    "thor_power_watts": ("gauge", "Power of a rail."),
    "thor_service_answer_seconds": ("gauge", "How long the service's last answer to a check took."),
    "thor_service_answered_seconds": ("gauge", "When that was, in seconds since 1970."),
    "thor_service_floor_tokens_per_second": ("gauge", "Below this decode rate for one client the service is too slow."),
    "thor_service_restarts_total": (
        "counter",
        "How often systemd has restarted the service since it was started by hand.",
    ),
    "thor_service_start_seconds": ("gauge", "When the running service was started, in seconds since 1970."),
    "thor_service_state": ("gauge", "1 for the state that the service is in."),
    "thor_service_tokens_per_second": ("gauge", "Decode rate that verify or bench saw last, for one client."),
    "thor_service_up": ("gauge", "1 if the service runs, or is asleep and starts on demand."),
    "thor_slowdown_margin_celsius": ("gauge", "Degrees left before the kernel slows something down."),
    "thor_temperature_celsius": ("gauge", "Temperature of a zone."),
    "thor_throttled": ("gauge", "1 if the kernel slows this down against heat."),
}


@dataclass(frozen=True)
class Sample:
    """One value of a family."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def text(samples: Iterable[Sample]) -> str:
    """The samples as the node exporter reads them, each family with its type and help. Raises KeyError for an unknown name."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, members in sorted(by_name.items()):
        kind, what = FAMILIES[name]
        lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}", *map(_line, members)]
    return "".join(f"{line}\n" for line in lines)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}} {sample.value:.15g}" if labels else f"{sample.name} {sample.value:.15g}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
