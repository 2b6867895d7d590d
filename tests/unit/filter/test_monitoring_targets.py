# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The filter monitoring_targets; tests/unit/roles/test_monitoring.py runs it in its playbook."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.filter.monitoring_targets import FilterModule

TARGETS = FilterModule().filters()["monitoring_targets"]
ON = {"thor_gateway": True, "thor_metrics": True}


def test_a_host_without_an_address_of_its_own_is_called_by_its_name() -> None:
    found = TARGETS(["thor01"], {"thor01": ON})
    assert [one["targets"] for one in found] == [["thor01:443"], ["thor01:443"]]


@pytest.mark.parametrize("lacking", ["thor_gateway", "thor_metrics"])
def test_a_host_that_cannot_be_reached_or_is_not_measured_is_left_out(lacking: str) -> None:
    with pytest.raises(AnsibleFilterError, match="THOR-MONITORING-NONE"):
        TARGETS(["thor01"], {"thor01": {**ON, lacking: False}})


def test_a_gateway_on_its_own_loopback_is_left_out() -> None:
    variables = {**ON, "thor_gateway": {"tls": False, "address": "127.0.0.1", "port": 8080}}
    found = TARGETS(["thor01", "thor02"], {"thor01": variables, "thor02": ON})
    assert {one["labels"]["instance"] for one in found} == {"thor02"}
