# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Metrics as text. promtool judges the whole in tests/unit/roles/test_monitoring.py."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.metrics.exposition import FAMILIES, Sample, text


def test_each_family_has_its_type_once() -> None:
    found = text(
        [
            Sample("thor_throttled", True, {"device": "a"}),
            Sample("thor_clock_hertz", 1386000000, {"device": "gpu"}),
            Sample("thor_throttled", False, {"device": "b"}),
        ]
    )
    assert [line for line in found.splitlines() if "HELP" not in line] == [
        "# TYPE thor_clock_hertz gauge",
        'thor_clock_hertz{device="gpu"} 1386000000',
        "# TYPE thor_throttled gauge",
        'thor_throttled{device="a"} 1',
        'thor_throttled{device="b"} 0',
    ]


def test_nothing_is_an_empty_file() -> None:
    assert text([]) == ""


def test_labels_are_escaped() -> None:
    assert text([Sample("thor_throttled", 1, {"device": 'a"\\\n'})]).splitlines()[-1] == (
        r'thor_throttled{device="a\"\\\n"} 1'
    )


def test_a_name_that_is_not_documented_is_refused() -> None:
    with pytest.raises(KeyError):
        text([Sample("thor_other", 1)])


def test_counters_are_called_total_and_nothing_else_is() -> None:
    assert all(name.endswith("_total") == (kind == "counter") for name, (kind, _help) in FAMILIES.items())
