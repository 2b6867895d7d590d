# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a set of results says of a fleet."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.report import results
from lean_results import Q5, embedder, result, service, spread

ROOT = Path(__file__).resolve().parents[4]
REFERENCE = yaml.safe_load((ROOT / "roles/catalog/files/reference.yml").read_text(encoding="utf-8"))["reference"]
FLOOR = 0.9


def fleet(*documents: dict[str, Any]) -> dict[str, results.Entry]:
    """Entries by host and service."""
    whole = results.fleet(documents, REFERENCE, FLOOR)
    return {f"{entry.host} {entry.service['name']}": entry for entry in whole.entries}


def verdict(entry: results.Entry) -> tuple[str, str, float | None]:
    return entry.verdict.state, entry.verdict.basis, entry.verdict.baseline


# Figures


def test_the_figure_is_that_of_one_client() -> None:
    assert results.figure(service(37.0)) == 37.0
    assert results.figure(service(None)) is None
    assert results.figure({**service(), "loads": []}) is None
    ear = {
        **service(),
        "api": "transcription",
        "loads": [{"concurrency": 1, "requests": 1, "failed": 0, "audio_s_per_s": 8.2}],
    }
    assert results.figure(ear) == 8.2
    assert (results.unit("transcription"), results.unit("chat")) == ("x real time", "tok/s")


def test_bounds_of_the_reference_are_those_of_the_models() -> None:
    models = yaml.safe_load((ROOT / "roles/catalog/files/models.yml").read_text(encoding="utf-8"))["models"]
    compared = 0
    for row in REFERENCE["bounds"]:
        if row["model"] and row["bound"]:
            bound = results.bound(models[row["model"]])
            assert bound is not None and round(bound) == row["bound"], row["model"]
            compared += 1
    assert compared == 5
    assert results.bound({}) is None


def test_the_share_of_the_bound() -> None:
    entry = fleet(result("thor01", 1, service(37.4)))["thor01 chat"]
    assert entry.share == pytest.approx(37.4 / (273 / 5.45))


# Verdicts


def test_without_earlier_results_the_reference_table_is_the_baseline() -> None:
    good = fleet(result("thor01", 1, service(34.0)))["thor01 chat"]
    assert verdict(good) == ("good", "reference", 37.4)
    slow = fleet(result("thor01", 1, service(33.0)))["thor01 chat"]
    assert verdict(slow) == ("slow", "reference", 37.4)
    (problem,) = results.problems([slow])
    assert (problem.code, problem.variable, problem.value) == ("THOR-BENCH-SLOW", "thor_services[chat]", 33.0)
    assert "0.88 of the 37.4 tok/s" in problem.reason and "none visible" in problem.reason


def test_the_reference_table_is_for_its_module_and_without_speculation() -> None:
    other = result("thor01", 1, service(30.0))
    other["device"]["model"] = "NVIDIA Jetson T4000"
    assert verdict(fleet(other)["thor01 chat"]) == ("unknown", "", None)
    other["device"]["model"] = None
    assert verdict(fleet(other)["thor01 chat"])[1] == ""
    draft = {"method": "mtp", "tokens": None, "model": None}
    assert verdict(fleet(result("thor01", 1, service(30.0, speculative=draft)))["thor01 chat"])[1] == ""


@pytest.mark.parametrize(
    ("model", "module"),
    [
        ("NVIDIA Jetson AGX Thor Developer Kit", "T5000"),
        ("NVIDIA Jetson T5000", "T5000"),
        ("NVIDIA Jetson T4000", "T4000"),
        ("NVIDIA Jetson AGX Orin", None),
        (None, None),
    ],
)
def test_the_module_of_a_device(model: str | None, module: str | None) -> None:
    assert results.module_of({"device": {"model": model}}) == module


def test_the_baseline_of_a_new_fleet_is_the_reference_and_not_itself() -> None:
    entries = fleet(*(result(f"thor0{number}", 1, service(20.0)) for number in range(1, 4)))
    assert {verdict(entry) for entry in entries.values()} == {("slow", "reference", 37.4)}


def test_a_hosts_own_earlier_speed_is_its_first_baseline() -> None:
    entries = fleet(
        result("thor01", 1, service(50.0)),
        result("thor02", 1, service(40.0)),
        result("thor01", 2, service(44.0)),
        result("thor02", 2, service(44.0)),
    )
    assert verdict(entries["thor01 chat"]) == ("slow", "own", 50.0)
    assert verdict(entries["thor02 chat"]) == ("good", "own", 40.0)


def test_loads_of_different_sizes_are_not_compared() -> None:
    def only(clients: int, rate: float) -> dict[str, Any]:
        load = {"concurrency": clients, "requests": 8, "failed": 0, "errors": [], "decode_tokens_per_s": spread(rate)}
        return service(loads=[load])

    entry = fleet(result("thor01", 1, only(1, 40.0)), result("thor01", 2, only(8, 15.0)))["thor01 chat"]
    assert verdict(entry) == ("unknown", "", None), (
        "neither its own figure nor the reference table's is of eight clients"
    )
    entry = fleet(result("thor01", 1, only(8, 15.0)), result("thor01", 2, only(8, 12.0)))["thor01 chat"]
    assert verdict(entry) == ("slow", "own", 15.0)


def test_different_recordings_are_not_compared() -> None:
    def heard(day: int, sound: str, speed: float) -> dict[str, Any]:
        load = {"concurrency": 1, "requests": 1, "failed": 0, "errors": [], "audio_s_per_s": speed}
        document = result("thor01", day, service(api="transcription", loads=[load]))
        document["method"]["audio_sha256"] = sound
        return document

    assert fleet(heard(1, "a", 40.0), heard(2, "b", 20.0))["thor01 chat"].verdict.state == "unknown"
    assert fleet(heard(1, "a", 40.0), heard(2, "a", 20.0))["thor01 chat"].verdict.state == "slow"


@pytest.mark.parametrize("api", ["embedding", "rerank"])
def test_embedders_and_rerankers_are_compared_by_documents(api: str) -> None:
    first, second = (result("thor01", day, embedder(rate, api=api)) for day, rate in ((1, 90.0), (2, 50.0)))
    for one in (first, second):
        one["method"] |= {"documents": 16, "document_tokens": 256}
    entry = fleet(first, second)["thor01 embed"]
    assert entry.figure == 50.0 and entry.share is None
    assert verdict(entry) == ("slow", "own", 90.0)
    assert "50.0 documents/s are 0.56 of the 90.0 documents/s" in results.problems([entry])[0].text()
    second["method"]["document_tokens"] = 512
    assert verdict(fleet(first, second)["thor01 embed"]) == ("unknown", "", None)
    second["method"] |= {"document_tokens": 256, "input_tokens": 99}
    assert verdict(fleet(first, second)["thor01 embed"])[0] == "slow", "prompts have nothing to do with it"


def test_each_host_may_have_a_floor_of_its_own() -> None:
    documents = [
        result(host, day, service(rate)) for host in ("thor01", "thor02") for day, rate in ((1, 40.0), (2, 30.0))
    ]
    entries = {one.host: one for one in results.fleet(documents, REFERENCE, FLOOR, {"thor02": 0.5}).entries}
    assert {host: entry.verdict.state for host, entry in entries.items()} == {"thor01": "slow", "thor02": "good"}
    (problem,) = results.problems(entries.values())
    assert "less than 0.9 of them (thor_bench_floor)" in problem.reason


def test_the_baseline_of_a_new_host_is_the_other_hosts() -> None:
    entries = fleet(
        result("thor01", 1, service(50.0)), result("thor02", 1, service(52.0)), result("thor03", 2, service(40.0))
    )
    assert verdict(entries["thor03 chat"]) == ("slow", "fleet", 51.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"power_mode": "30W"}),
        ({"version": "1"}, {}),
        ({"profile": "other"}, {}),
    ],
)
def test_only_comparable_figures_are_compared(before: dict[str, Any], after: dict[str, Any]) -> None:
    earlier = result("thor01", 1, service(90.0, **before))
    later = result("thor01", 2, service(36.0), **after)
    assert verdict(fleet(earlier, later)["thor01 chat"]) == ("good", "reference", 37.4)


def test_slow_runs_never_become_a_baseline() -> None:
    entries = fleet(*(result("thor01", day, service(rate)) for day, rate in ((1, 40.0), (2, 20.0), (3, 21.0))))
    assert verdict(entries["thor01 chat"]) == ("slow", "own", 40.0)


def test_without_a_baseline_there_is_no_verdict() -> None:
    own = service(9.0, profile="mine", model={**Q5, "key": "mine"})
    assert verdict(fleet(result("thor01", 1, own))["thor01 chat"]) == ("unknown", "", None)
    both = fleet(
        result("thor01", 1, own), result("thor02", 1, service(3.0, profile="mine", model={**Q5, "key": "mine"}))
    )
    assert verdict(both["thor02 chat"]) == ("slow", "fleet", 9.0), "the one beside it is better than nothing"


def test_broken_and_unsupported_rows_of_the_table_have_no_figure() -> None:
    fp8 = service(20.0, engine="vllm", model={**Q5, "key": "qwen3-8b-fp8"})
    assert results.reference_figure(fp8, REFERENCE) is None
    assert results.reference_figure(service(api="transcription"), REFERENCE) is None
    assert results.reference_figure(service(), REFERENCE) == 37.4


def test_causes_are_those_observed() -> None:
    hot = {"hot": ["tj at 99 °C, slowed down from 95 °C on"], "throttled": []}
    entry = fleet(result("thor01", 1, service(10.0, slowed_by=hot), power_mode="30W", clocks_locked=False))[
        "thor01 chat"
    ]
    (problem,) = results.problems([entry])
    for words in (
        "the power mode is 30W, and the figure is one of MAXN",
        "clocks are not locked",
        "too hot: tj at 99 °C",
    ):
        assert words in problem.reason


def test_a_service_that_was_not_measured_has_its_reason() -> None:
    dead = service(state="failed", reason="3 of 8 requests failed.")
    entry = fleet(result("thor01", 1, dead))["thor01 chat"]
    (problem,) = results.problems([entry])
    assert problem.code == "THOR-BENCH-FAILED" and problem.reason == "3 of 8 requests failed."
    after = fleet(result("thor01", 1, dead), result("thor01", 2, service(36.0)))["thor01 chat"]
    assert verdict(after) == ("good", "reference", 37.4)


# The fleet


def test_the_newest_of_each_service_is_kept_with_the_one_before_it() -> None:
    entries = fleet(
        result("thor01", 1, service(40.0), service(30.0, name="old")),
        result("thor01", 2, service(42.0)),
        result("thor01", 3, service(50.4)),
    )
    assert set(entries) == {"thor01 chat", "thor01 old"}
    chat = entries["thor01 chat"]
    assert chat.figure == 50.4 and chat.before is not None and chat.before.figure == 42.0
    assert chat.change == pytest.approx(0.2)
    assert chat.before.before is None


def test_another_profile_under_the_same_name_is_not_compared() -> None:
    entries = fleet(result("thor01", 1, service(40.0)), result("thor01", 2, service(20.0, profile="other")))
    assert entries["thor01 chat"].change is None


@pytest.mark.parametrize("failed", [1, 2])
def test_a_failed_service_has_no_change_of_speed(failed: int) -> None:
    runs = [
        result("thor01", day, service(40.0, state="failed" if day == failed else "measured", reason="It died."))
        for day in (1, 2)
    ]
    assert fleet(*runs)["thor01 chat"].change is None


def test_outliers_are_marked_on_both_sides_in_groups_of_three() -> None:
    rates = {"thor01": 40.0, "thor02": 41.0, "thor03": 30.0, "thor04": 55.0, "thor05": 40.5}
    entries = fleet(*(result(host, 1, service(rate)) for host, rate in rates.items()))
    assert [name for name, entry in entries.items() if entry.outlier] == ["thor03 chat", "thor04 chat"]
    broken = {**rates, "thor06": 4.0, "thor07": 4.0, "thor08": 4.0, "thor09": 4.0, "thor10": 4.0}
    entries = fleet(
        *(
            result(host, 1, service(rate, state="failed" if rate == 4.0 else "measured"))
            for host, rate in broken.items()
        )
    )
    assert [name for name, entry in entries.items() if entry.outlier] == ["thor03 chat", "thor04 chat"], (
        "what failed has no say"
    )
    two = fleet(result("thor01", 1, service(40.0)), result("thor02", 1, service(20.0)))
    assert not any(entry.outlier for entry in two.values())


def test_groups_are_by_profile_and_by_host() -> None:
    documents = [
        result("thor02", 1, service(40.0)),
        result("thor01", 1, service(40.0), service(9.0, name="b", profile="a")),
    ]
    whole = results.fleet(copy.deepcopy(documents), REFERENCE, FLOOR)
    assert list(whole.by_host()) == ["thor01", "thor02"]
    assert {name: len(group) for name, group in whole.by_profile().items()} == {"a": 1, "qwen3-8b-q5-k-m-llama-cpp": 2}
