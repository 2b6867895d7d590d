# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The metrics of a device: what it offers, and nothing that it does not."""

from __future__ import annotations

from pathlib import Path

import nvpmodel
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.metrics import device
from ansible_collections.jetson.thor.plugins.module_utils.observe import nvidia_smi, power, sensors
from sensor_files import THOR, write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(nvidia_smi, "load", lambda: 0.37)
    monkeypatch.setattr(power, "find", lambda _name: None)
    write(tmp_path, THOR)
    return tmp_path


def values(root: Path) -> dict[str, float]:
    return {" ".join([one.name, *one.labels.values()]): one.value for one in device.samples(root)}


def test_a_thor_tells_all(root: Path) -> None:
    assert values(root) == {
        "thor_temperature_celsius gpu-thermal": 61.5,
        "thor_slowdown_margin_celsius gpu-thermal": 37.5,
        "thor_temperature_celsius soc012-thermal": 50.0,
        "thor_throttled cpufreq-cpu0": 0,
        "thor_clock_hertz bwmgr": 4266000000,
        "thor_clock_limit_hertz bwmgr": 4266000000,
        "thor_clock_hertz gpu-gpc-0": 1386000000,
        "thor_clock_limit_hertz gpu-gpc-0": 1575000000,
        "thor_clocks_locked": 1,
        "thor_gpu_load_ratio": 0.37,
        "thor_power_watts VDD_GPU": 15.25,
        "thor_power_watts VIN": pytest.approx(20.0),
        "thor_power_watts ina238 hwmon2": 3.5,
        "thor_over_current_events_total oc1": 0,
        "thor_over_current_events_total oc3": 7,
        "thor_memory_total_bytes": 1024000,
        "thor_memory_gpu_free_bytes": 716800,
        "thor_memory_available_bytes": 921600,
        "thor_memory_page_cache_bytes": 204800,
    }


def test_a_gpu_that_is_off_is_neither_asked_nor_at_0(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wake() -> float:
        raise AssertionError("the driver was asked: that wakes the GPU")

    monkeypatch.setattr(nvidia_smi, "load", wake)
    write(root, {"sys/class/devfreq/gpu-gpc-0/cur_freq": 0})
    assert not [name for name in values(root) if "gpu-gpc" in name or "load" in name]


def test_the_mode_is_a_label(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(nvidia_smi, "load", lambda: None)
    nvpmodel.install(tmp_path, monkeypatch)
    (tmp_path / "mode").write_text("MAXN")
    assert values(root)["thor_power_mode_info MAXN"] == 1


def test_a_machine_that_offers_nothing_has_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "folders", lambda *_: [])
    monkeypatch.setattr(power, "find", lambda _name: None)
    write(tmp_path, {"proc/meminfo": ""})
    assert values(tmp_path) == {}
