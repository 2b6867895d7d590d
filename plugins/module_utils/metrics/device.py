# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a device's metrics are: load, clocks, power, heat, memory. What it does not offer is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.metrics.exposition import Sample
from ansible_collections.jetson.thor.plugins.module_utils.observe import nvidia_smi, power, sensors

# The name of the GPU's clock on a Thor (facts: devfreq gpu-gpc-0). It is absent while nothing uses the GPU.
GPU = "gpu"
MEMORY = {
    "thor_memory_total_bytes": "MemTotal",
    "thor_memory_gpu_free_bytes": "MemFree",  # if the GPU shares the memory, this is what CUDA calls free
    "thor_memory_available_bytes": "MemAvailable",
    "thor_memory_page_cache_bytes": "Cached",
}


def samples(root: Path | None) -> Iterator[Sample]:
    """Everything, at one moment. ``root``: see observe/host.py."""
    yield from _heat(root)
    clocks = sensors.clocks(root)
    for clock in clocks:
        labels = {"device": clock.name}
        yield Sample("thor_clock_hertz", clock.hertz, labels)
        yield Sample("thor_clock_limit_hertz", clock.highest, labels)
    locked = sensors.clocks_locked(root)
    if locked is not None:
        yield Sample("thor_clocks_locked", locked)
    # Asking the driver would wake a GPU that is switched off.
    load = nvidia_smi.load() if any(clock.name.startswith(GPU) for clock in clocks) else None
    if load is not None:
        yield Sample("thor_gpu_load_ratio", load)
    for rail, watts in sensors.watts(root).items():
        yield Sample("thor_power_watts", watts, {"rail": rail})
    for counter, events in sensors.over_current(root).items():
        yield Sample("thor_over_current_events_total", events, {"counter": counter})
    yield from _mode()
    memory = files.meminfo(root)
    for name, line in MEMORY.items():
        if line in memory:
            yield Sample(name, memory[line])


def _heat(root: Path | None) -> Iterator[Sample]:
    for zone in sensors.zones(root):
        yield Sample("thor_temperature_celsius", zone.celsius, {"zone": zone.name})
        if zone.slow_from is not None:
            yield Sample("thor_slowdown_margin_celsius", zone.slow_from - zone.celsius, {"zone": zone.name})
    for one in sensors.cooling(root):
        yield Sample("thor_throttled", one.step > 0, {"device": one.name})


def _mode() -> Iterator[Sample]:
    program = power.find("nvpmodel")
    mode = power.read_current(program) if program else None
    if mode is not None:
        yield Sample("thor_power_mode_info", 1, {"mode": mode["name"]})
