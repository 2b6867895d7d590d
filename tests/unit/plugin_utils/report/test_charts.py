# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the charts of the report say to people who cannot see them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import made_up_results as made_up
import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.report import charts, results
from made_up_results import FLOOR, REFERENCE, result, service

FP4, WHISPER = "qwen3-8b-fp4-vllm", "whisper-small-vllm"
BEFORE, NOW = "2026-04-06T09:00:00Z", "2026-05-04T09:00:00Z"


def fleet(before: Mapping[str, float | None], now: Mapping[str, float | None], *more: Any) -> results.Fleet:
    """Hosts with one service of one profile, measured twice; ``more`` are further results."""
    documents = [
        result(host, [service(FP4, speed)], measured_at=moment)
        for moment, speeds in ((BEFORE, before), (NOW, now))
        for host, speed in speeds.items()
    ]
    return results.fleet([*documents, *more], REFERENCE, FLOOR)


def spoken(picture: charts.Picture) -> tuple[str, str]:
    """The name and the description of a chart, by the ids that its role as an image refers to."""
    root = ET.fromstring(picture.svg)
    assert root.attrib["role"] == "img"
    texts = {element.attrib.get("id"): element.text or "" for element in root.iter()}
    name, description = (texts[key] for key in root.attrib["aria-labelledby"].split())
    return name, description


MANY = {f"thor{number:02}": 33.0 for number in range(1, 6)}


def test_a_profiles_chart_says_what_its_marks_and_lines_show() -> None:
    whole = fleet(MANY, {**MANY, "thor05": 20.0, "thor04": None})
    name, description = spoken(charts.profiles(whole, REFERENCE)[0])
    assert name == f"Speed of {FP4} by host"
    assert description == (
        "4 hosts: median 33.0 tok/s, from 20.0 to 33.0; at best 62 % of the bound. Failed on thor04. "
        "Reference: 33.3 tok/s. Bound: 53.0 tok/s. Too slow: thor05 20.0. Outliers: thor05 20.0. "
        "All clients together, median: 33.0 tok/s with 1 request at once, 163.7 tok/s with 8 requests at once."
    )


def test_a_profiles_chart_says_nothing_of_lines_that_it_lacks() -> None:
    whole = results.fleet([result("thor01", [service(WHISPER, 41.0)])], REFERENCE, FLOOR)
    _name, description = spoken(charts.profiles(whole, REFERENCE)[0])
    assert description.startswith("1 host: median 41.0 x real time. All clients together, ")
    assert "Reference" not in description and "Bound" not in description and "Too slow" not in description


def test_two_services_of_a_host_are_told_apart() -> None:
    slow = result("thor01", [service(FP4, 33.0, name="fast"), service(FP4, 20.0, name="twin")], measured_at=NOW)
    whole = fleet(MANY, MANY, slow)
    _name, description = spoken(charts.profiles(whole, REFERENCE)[0])
    assert "Too slow: thor01 twin 20.0." in description


def test_a_devices_chart_says_each_service_with_its_marks() -> None:
    whole = fleet(MANY, {**MANY, "thor05": 20.0, "thor04": None})
    pictures = {picture.title: spoken(picture) for picture in charts.devices(whole, REFERENCE)}
    assert list(pictures) == list(MANY)
    marks = "(reference 33.3, bound 53.0, median of the fleet 33.0)"
    assert pictures["thor01"] == ("Services of thor01", f"{FP4}: 33.0 tok/s {marks}.")
    assert pictures["thor05"][1] == f"{FP4}: 20.0 tok/s, too slow, outlier {marks}."
    assert pictures["thor04"][1] == f"{FP4}: failed {marks}."


def test_a_long_name_is_said_in_full_where_the_chart_shortens_it() -> None:
    profile = "long" * 30
    whole = results.fleet([result("thor01", [service(FP4, 33.0, profile=profile)])], REFERENCE, FLOOR)
    (picture,) = charts.devices(whole, REFERENCE)
    assert f"{profile}: 33.0 tok/s" in spoken(picture)[1]
    assert f">{profile}<" not in picture.svg and "…" in picture.svg


def test_the_overview_says_the_share_and_the_marks_of_the_devices_that_it_names() -> None:
    hosts = {f"thor{number:02}": 33.0 for number in range(1, 15)}
    whole = fleet(hosts, {**hosts, "thor07": 20.0, "thor08": None})
    picture = charts.overview(whole, FLOOR)
    assert picture is not None
    name, description = spoken(picture)
    assert name == "Speed of every device relative to the fleet"
    assert description.startswith("14 devices, among them thor01 100 %, ")
    assert description.endswith("thor07 61 % (too slow, outlier), thor08 failed.")


def test_a_device_with_a_failed_service_beside_others_is_said_to_have_failed() -> None:
    hosts = {f"thor{number:02}": 33.0 for number in range(1, 15)}
    both = result("thor03", [service(FP4, 33.0), service(WHISPER, None)], measured_at=NOW)
    picture = charts.overview(fleet(hosts, hosts, both), FLOOR)
    assert picture is not None
    assert "thor03 100 % (failed)" in spoken(picture)[1]


@pytest.mark.parametrize("hosts", [1, 5, 14, 40])
def test_no_chart_reads_out_names_from_the_code(hosts: int) -> None:
    whole = results.fleet(list(made_up.many(hosts)), REFERENCE, FLOOR)
    one = charts.overview(whole, FLOOR)
    pictures = [*charts.profiles(whole, REFERENCE), *charts.devices(whole, REFERENCE), *([one] if one else [])]
    assert pictures
    for picture in pictures:
        for text in (picture.title, picture.lead, *picture.notes, *(spoken(picture) if picture.svg else ())):
            for word in ("None", "facts.", "results.", "drawing.", "nan"):
                assert word not in text, text
