# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The checks of check mode and diff mode notice a module that breaks its promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import module_promises
import nvpmodel
import pytest
from ansible_collections.jetson.thor.plugins.modules import host_facts, power_mode


@pytest.fixture(name="device")
def _device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return nvpmodel.install(tmp_path, monkeypatch)


def broken(monkeypatch: pytest.MonkeyPatch, in_check_mode: bool, **changes: Any) -> None:
    """Let power_mode return something else in one of the modes; None takes a key away."""
    real = power_mode.run

    def run(name: str, timeout: int, check_mode: bool) -> Any:
        result, warning = real(name, timeout, check_mode)
        if check_mode is in_check_mode:
            result = {key: value for key, value in {**result, **changes}.items() if value is not None}
        return result, warning

    monkeypatch.setattr(power_mode, "run", run)


@pytest.mark.parametrize("in_check_mode", [True, False])
def test_a_missing_diff_is_noticed(device: Path, monkeypatch: pytest.MonkeyPatch, in_check_mode: bool) -> None:
    broken(monkeypatch, in_check_mode, diff=None)
    with pytest.raises(AssertionError, match="a documented diff is missing"):
        module_promises.keep("power_mode", {"name": "MAXN"}, device)


def test_a_wrong_forecast_is_noticed(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, True, changed=False)
    with pytest.raises(AssertionError):
        module_promises.keep("power_mode", {"name": "MAXN"}, device)


def test_a_change_in_check_mode_is_noticed(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = power_mode.run
    monkeypatch.setattr(power_mode, "run", lambda name, timeout, _check_mode: real(name, timeout, check_mode=False))
    with pytest.raises(AssertionError, match="check mode has changed something"):
        module_promises.keep("power_mode", {"name": "MAXN"}, device)


def test_a_second_run_that_changes_is_noticed(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, False, changed=True)
    with pytest.raises(AssertionError, match="a second run changes something"):
        module_promises.keep("power_mode", {"name": "MAXN"}, device)


def test_a_reading_module_that_writes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        host_facts, "observe", lambda root, *_more, **_named: {"written": Path(root, "x").write_text("y")}
    )
    with pytest.raises(AssertionError, match="it has changed something"):
        module_promises.keep_reading("host_facts", {"facts_root": str(tmp_path)}, tmp_path)
