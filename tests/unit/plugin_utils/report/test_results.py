# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Result files: what is refused, and what a set of them says of a fleet."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.report import results

ROOT = Path(__file__).resolve().parents[4]
REFERENCE = yaml.safe_load((ROOT / "roles/catalog/files/reference.yml").read_text(encoding="utf-8"))["reference"]
FLOOR = 0.9
Q5 = {"key": "qwen3-8b-q5-k-m", "id": "Qwen/Qwen3-8B-GGUF", "revision": "master", "active_bytes": 5450000000}


def spread(value: float) -> dict[str, float]:
    return dict.fromkeys(("mean", "median", "min", "max"), value)


def service(rate: float | None = 37.0, **more: Any) -> dict[str, Any]:
    load = {"concurrency": 1, "requests": 8, "failed": 0, "errors": [], "decode_tokens_per_s": rate and spread(rate)}
    wide = {**load, "concurrency": 8, "decode_tokens_per_s": spread(5.0)}
    return {
        "name": "chat",
        "profile": "qwen3-8b-q5-k-m-llama-cpp",
        "engine": "llama.cpp",
        "version": "0c1e570",
        "api": "chat",
        "state": "measured",
        "reason": None,
        "model": dict(Q5),
        # The one with a single client is what counts, wherever it stands.
        "loads": [wide, load],
        **more,
    }


def result(host: str, day: int, *services: dict[str, Any], **conditions: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "host": host,
        "run": f"202611{day:02d}T200000Z",
        "measured_at": f"2026-11-{day:02d}T20:00:00Z",
        "method": {
            "input_tokens": 2048,
            "output_tokens": 128,
            "requests": 8,
            "warmups": 1,
            "concurrency": [1, 8],
            "audio_seconds": 30.0,
            "seed": 1,
        },
        "device": {"model": "Thor", "l4t": "38.2.0", "jetpack": "7.0", "cuda": "13.0", "architecture": "aarch64"},
        "conditions": {
            "power_mode": "MAXN",
            "clocks_locked": True,
            "mig": False,
            "memory": {"total": 1000, "free": 900, "available": 950, "page_cache": 10},
            "hot": [],
            "throttled": [],
            "slow_clocks": [],
            **conditions,
        },
        "services": list(services),
    }


def fleet(*documents: dict[str, Any]) -> dict[str, results.Entry]:
    """Entries by host and service."""
    whole = results.fleet(documents, REFERENCE, FLOOR)
    return {f"{entry.host} {entry.service['name']}": entry for entry in whole.entries}


def verdict(entry: results.Entry) -> tuple[str, str, float | None]:
    return entry.verdict.state, entry.verdict.basis, entry.verdict.baseline


# Files


def write(folder: Path, name: str, document: Any) -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_results_are_read_from_files_and_folders_the_oldest_first(tmp_path: Path) -> None:
    write(tmp_path, "b.json", result("thor02", 2))
    write(tmp_path, "a.json", result("thor01", 3))
    write(tmp_path, "report.html", "<html>")
    extra = write(tmp_path, "one.json", result("thor03", 1))
    documents, problems = results.read_all([tmp_path, extra])
    assert [one["host"] for one in documents] == ["thor03", "thor02", "thor01"], "each once"
    assert problems == []


def test_another_version_of_the_schema_is_refused_by_file_and_version(tmp_path: Path) -> None:
    path = write(tmp_path, "old.json", {**result("thor01", 1), "schema": 2})
    document, (problem,) = results.read(path)
    assert document is None
    assert (problem.code, problem.variable, problem.value) == ("THOR-RESULT-SCHEMA", str(path), 2)
    assert "reads version 1" in problem.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no JSON"),
        ("[]", "names no schema"),
        ({"models": []}, "names no schema"),
        ({**result("thor01", 1), "host": 7}, "text belongs here"),
        ({key: value for key, value in result("thor01", 1).items() if key != "conditions"}, "required"),
        (result("thor01", 1, {**service(), "state": "perhaps"}), "not a value of this key"),
        (result("thor01", 1, hot=None), "belongs here"),
        (result("thor01", 1, service(loads=[{"concurrency": 1}])), "required"),
        (result("thor01", 1, service(float("nan"))), "NaN is no number"),
    ],
)
def test_what_is_no_result_is_refused_with_its_place(tmp_path: Path, content: Any, words: str) -> None:
    path = write(tmp_path, "x.json", content)
    document, problems = results.read(path)
    assert document is None and problems
    assert all(one.code == "THOR-RESULT-INVALID" and one.variable.startswith(str(path)) for one in problems)
    assert any(words in one.reason for one in problems), problems


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    documents, (problem,) = results.read_all([tmp_path / "gone"])
    assert documents == [] and problem.variable == str(tmp_path / "gone")


def test_a_key_more_is_no_other_version(tmp_path: Path) -> None:
    document, problems = results.read(write(tmp_path, "x.json", {**result("thor01", 1), "weather": "fine"}))
    assert problems == [] and document is not None


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


def test_where_nothing_is_recorded_the_reference_table_counts() -> None:
    good = fleet(result("thor01", 1, service(34.0)))["thor01 chat"]
    assert verdict(good) == ("good", "reference", 37.4)
    slow = fleet(result("thor01", 1, service(33.0)))["thor01 chat"]
    assert verdict(slow) == ("slow", "reference", 37.4)
    (problem,) = results.problems([slow])
    assert (problem.code, problem.variable, problem.value) == ("THOR-BENCH-SLOW", "thor_services[chat]", 33.0)
    assert "0.88 of the 37.4 tok/s" in problem.reason and "none that can be seen" in problem.reason


def test_a_new_fleet_is_held_against_the_reference_and_not_against_itself() -> None:
    entries = fleet(*(result(f"thor0{number}", 1, service(20.0)) for number in range(1, 4)))
    assert {verdict(entry) for entry in entries.values()} == {("slow", "reference", 37.4)}


def test_what_a_host_had_before_counts_first() -> None:
    entries = fleet(
        result("thor01", 1, service(50.0)),
        result("thor02", 1, service(40.0)),
        result("thor01", 2, service(44.0)),
        result("thor02", 2, service(44.0)),
    )
    assert verdict(entries["thor01 chat"]) == ("slow", "own", 50.0)
    assert verdict(entries["thor02 chat"]) == ("good", "own", 40.0)


def test_a_load_of_another_size_is_not_held_against_that_of_one_client() -> None:
    def only(clients: int, rate: float) -> dict[str, Any]:
        load = {"concurrency": clients, "requests": 8, "failed": 0, "errors": [], "decode_tokens_per_s": spread(rate)}
        return service(loads=[load])

    entry = fleet(result("thor01", 1, only(1, 40.0)), result("thor01", 2, only(8, 15.0)))["thor01 chat"]
    assert verdict(entry) == ("unknown", "", None), (
        "neither its own figure nor the reference table's is of eight clients"
    )
    entry = fleet(result("thor01", 1, only(8, 15.0)), result("thor01", 2, only(8, 12.0)))["thor01 chat"]
    assert verdict(entry) == ("slow", "own", 15.0)


def test_another_sound_is_another_measurement() -> None:
    def heard(day: int, sound: str, speed: float) -> dict[str, Any]:
        load = {"concurrency": 1, "requests": 1, "failed": 0, "errors": [], "audio_s_per_s": speed}
        document = result("thor01", day, service(api="transcription", loads=[load]))
        document["method"]["audio_sha256"] = sound
        return document

    assert fleet(heard(1, "a", 40.0), heard(2, "b", 20.0))["thor01 chat"].verdict.state == "unknown"
    assert fleet(heard(1, "a", 40.0), heard(2, "a", 20.0))["thor01 chat"].verdict.state == "slow"


def test_each_host_may_have_a_floor_of_its_own() -> None:
    documents = [
        result(host, day, service(rate)) for host in ("thor01", "thor02") for day, rate in ((1, 40.0), (2, 30.0))
    ]
    entries = {one.host: one for one in results.fleet(documents, REFERENCE, FLOOR, {"thor02": 0.5}).entries}
    assert {host: entry.verdict.state for host, entry in entries.items()} == {"thor01": "slow", "thor02": "good"}
    (problem,) = results.problems(entries.values())
    assert "less than 0.9 of them (thor_bench_floor)" in problem.reason


def test_a_new_host_is_held_against_the_others() -> None:
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
def test_only_like_is_held_against_like(before: dict[str, Any], after: dict[str, Any]) -> None:
    earlier = result("thor01", 1, service(90.0, **before))
    later = result("thor01", 2, service(36.0), **after)
    assert verdict(fleet(earlier, later)["thor01 chat"]) == ("good", "reference", 37.4)


def test_what_was_too_slow_is_no_measure_for_what_comes_after() -> None:
    entries = fleet(*(result("thor01", day, service(rate)) for day, rate in ((1, 40.0), (2, 20.0), (3, 21.0))))
    assert verdict(entries["thor01 chat"]) == ("slow", "own", 40.0)


def test_without_anything_to_hold_it_against_there_is_no_verdict() -> None:
    own = service(9.0, profile="mine", model={**Q5, "key": "mine"})
    assert verdict(fleet(result("thor01", 1, own))["thor01 chat"]) == ("unknown", "", None)
    both = fleet(
        result("thor01", 1, own), result("thor02", 1, service(3.0, profile="mine", model={**Q5, "key": "mine"}))
    )
    assert verdict(both["thor02 chat"]) == ("slow", "fleet", 9.0), "the one beside it is better than nothing"


def test_broken_and_unsupported_rows_of_the_table_are_no_figures() -> None:
    fp8 = service(20.0, engine="vllm", model={**Q5, "key": "qwen3-8b-fp8"})
    assert results.reference_figure(fp8, REFERENCE) is None
    assert results.reference_figure(service(api="transcription"), REFERENCE) is None
    assert results.reference_figure(service(), REFERENCE) == 37.4


def test_the_causes_are_those_that_were_seen() -> None:
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


def test_one_that_was_not_measured_is_told_with_its_reason() -> None:
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


def test_another_profile_under_the_same_name_is_no_change_of_speed() -> None:
    entries = fleet(result("thor01", 1, service(40.0)), result("thor01", 2, service(20.0, profile="other")))
    assert entries["thor01 chat"].change is None


@pytest.mark.parametrize("failed", [1, 2])
def test_what_failed_has_no_change_of_speed(failed: int) -> None:
    runs = [
        result("thor01", day, service(40.0, state="failed" if day == failed else "measured", reason="It died."))
        for day in (1, 2)
    ]
    assert fleet(*runs)["thor01 chat"].change is None


def test_outliers_are_marked_on_both_sides_where_there_are_three_alike() -> None:
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
