# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The tables of a report, the same on the page, in Markdown and in a terminal."""

from __future__ import annotations

import re

import made_up_results as made_up
from ansible_collections.jetson.thor.plugins.plugin_utils.report import page as report
from ansible_collections.jetson.thor.plugins.plugin_utils.report import tables
from made_up_results import FLOOR, REFERENCE, result, service
from report_page import BEFORE, CODER, FP4, NOW, SLOW, WHISPER, Page, fleet, page, runs


def test_the_reference_stands_beside_the_median_of_this_fleet() -> None:
    shown = page(runs(FP4, {}, {"thor01": 32.0, "thor02": 33.0, "thor03": 33.9}))
    assert shown.tables["reference"][0][1:4] == ["vLLM", "SGLang", "llama.cpp"]
    row = shown.row("reference", "Qwen3-8B-FP4 (modelopt_fp4)")
    assert row[1:7] == ["33.3", "33.0 (3 hosts)", "29.0", "-", "unsupported", "-"]
    assert shown.row("reference", "Qwen3-8B-FP8 (fp8_w8a8)")[1:5] == ["broken", "-", "27.3", "-"]
    assert len(shown.tables["reference"]) == 2 + len(REFERENCE["table"])


def test_the_bound_of_a_model_and_the_share_of_it_that_was_reached() -> None:
    shown = page(runs(FP4, {}, {"thor01": 32.0, "thor02": 33.9}))
    # 273 GB/s over 5.15 GB; 33.3 and 33.9 of that.
    assert shown.row("reference", "Qwen3-8B-FP4 (modelopt_fp4)")[7:] == ["53.0", "63 %", "64 %"]
    # Nobody measured this one: the table's own bound.
    assert shown.row("reference", "Qwen3-8B (bfloat16)")[7:] == ["18.0", "63 %", "-"]
    assert any("median 33.0 tok/s, from 32.0 to 33.9; at best 64 % of the bound" in word for word in plain(shown))


def plain(shown: Page) -> list[str]:
    """Its sentences, with ordinary spaces."""
    return [word.replace("\N{NO-BREAK SPACE}", " ") for word in shown.words]


def test_models_not_in_the_reference_have_their_own_table() -> None:
    own = service(FP4, 80.0, name="mine", profile="mine", model={"key": "mine", "id": "me/mine", "active_bytes": 2e9})
    shown = page([result("thor01", [own, service(WHISPER, 41.0)]), result("thor02", [service(WHISPER, 40.0)])])
    assert shown.row("other", "me/mine") == ["me/mine", "vLLM", "1", "80.0", "80.0", "80.0", "tok/s", "136.5", "59 %"]
    assert shown.row("other", "openai-mirror/whisper-small (float32)")[1:7] == [
        *("vLLM", "2", "40.5", "40.0", "41.0", "x real time"),
    ]
    assert "other" not in page(runs(FP4, {}, {"thor01": 33.0})).tables


def test_an_engine_that_the_reference_calls_broken_stands_beside_that_word() -> None:
    model = {"key": "qwen3-8b-fp8", "id": "Qwen/Qwen3-8B-FP8", "precision": "fp8_w8a8", "active_bytes": 8.3e9}
    shown = page([result("thor01", [service(FP4, 14.0, profile="fp8", model=model)])])
    assert shown.row("reference", "Qwen3-8B-FP8 (fp8_w8a8)")[1:3] == ["broken", "14.0 (1 host)"]


def test_a_slow_host_is_marked_in_words_by_shape_and_by_colour() -> None:
    shown = page(SLOW)
    row = shown.row("marked", "thor05")
    assert row[1:8] == [FP4, "too slow, outlier", "20.0", "tok/s", "33.0 (this host earlier)", "61 %", "61 %"]
    assert row[8] == "none visible in the results"
    assert shown.row("services", "thor05")[-1] == "too slow (outlier)"
    assert shown.count("tr", **{"class": "slow"}) == 4  # marked, changes, devices, services
    triangles = re.findall(r'<path id="(p0-\w+)" d="M \S+ \S+ L \S+ \S+ L \S+ \S+ z"', shown.text)
    assert len(triangles) == 1, "the marks of the chart's slow hosts share one shape"
    assert shown.count("use", href=f"#{triangles[0]}", style="fill: var(--slow)") == 1
    assert cards(shown) == {"hosts": "5", "services measured": "5", "too slow": "1", "failed": "0", "outlier": "1"}


def cards(shown: Page) -> dict[str, str]:
    """The counts at the top."""
    return {words: number for number, words in re.findall(r"<b>(\d+)</b><span>([\w ]+)</span>", shown.text)}


def test_observed_causes_are_named() -> None:
    hot = {"hot": ["gpu-thermal at 96 °C, slowed down from 95 °C on"], "throttled": []}
    shown = page([result("thor01", [service(FP4, 20.0, slowed_by=hot)], conditions={"power_mode": "120W"})])
    for text in (shown.row("marked", "thor01")[-1], shown.row("services", "thor01")[-1]):
        assert "too hot: gpu-thermal at 96 °C" in text
        assert "the power mode is 120W, and the figure is one of MAXN" in text
    assert shown.row("marked", "thor01")[5] == "33.3 (reference table)"


def test_an_outlier_is_ringed_though_it_is_not_slow() -> None:
    speeds: dict[str, float | None] = {f"thor0{n}": 33.0 for n in range(1, 6)}
    shown = page(runs(FP4, {}, {**speeds, "thor05": 40.0}))
    assert shown.row("marked", "thor05")[2] == "outlier"
    assert shown.row("services", "thor05")[-1] == "good (outlier)"
    assert (
        shown.count("use", style="stroke: var(--outlier)") == 2
    )  # in the chart of the profile, and in that of the device
    calm = page(runs(FP4, {}, speeds))
    assert calm.count("use", style="stroke: var(--outlier)") == calm.count("use", style="var(--slow)") == 0
    assert "There are none." in calm.words


def test_a_change_of_speed_comes_with_what_else_changed() -> None:
    model = {"key": "qwen3-8b-fp4", "id": "x", "precision": "y", "active_bytes": 5e9}
    old, new = ({**model, "revision": one} for one in ("1111", "2222"))
    documents = [
        result("thor01", [service(FP4, 30.0, model=old)], measured_at=BEFORE, conditions={"power_mode": None}),
        result("thor02", [service(FP4, 33.0)], measured_at=BEFORE),
        result(
            "thor01",
            [service(FP4, 36.6, model=new, version="26.05")],
            measured_at=NOW,
            device={"l4t": "38.4.0"},
        ),
        result("thor02", [service(FP4, 32.9)], measured_at=NOW),
    ]
    shown = page(documents)
    row = shown.row("changes", "thor01")
    assert row[2:6] == ["30.0", "36.6", "tok/s", "+22.0 %"]
    for words in (
        "version 25.10 → 26.05",
        "power mode not known → MAXN",
        "L4T 38.2.0 → 38.4.0",
        "revision 1111 → 2222",
    ):
        assert words in row[6]
        assert f"{words} (1)" in shown.row("profile-changes", FP4)[5]
    assert shown.row("profile-changes", FP4)[1:5] == ["2", "\N{MINUS SIGN}0.3 %", "+10.8 %", "+22.0 %"]
    # Such a small change is only in the table of services.
    assert [line[0] for line in shown.tables["changes"]] == ["host", "thor01"]
    assert "\N{MINUS SIGN}0.3 %" in shown.row("services", "thor02")


def test_the_worst_change_comes_first_and_a_failure_before_all() -> None:
    before: dict[str, float | None] = {"thor01": 33.0, "thor02": 33.0, "thor03": 33.0, "thor04": None}
    shown = page(runs(FP4, before, {"thor01": 34.0, "thor02": 20.0, "thor03": None, "thor04": 33.0}))
    assert [row[0] for row in shown.tables["changes"][1:]] == ["thor03", "thor02", "thor01", "thor04"]
    assert shown.row("changes", "thor03")[2:6] == ["33.0", "failed", "tok/s", "-"]
    assert shown.row("changes", "thor04")[2:6] == ["failed", "33.0", "tok/s", "-"]


def test_without_an_earlier_run_there_is_no_table_of_changes() -> None:
    shown = page(runs(FP4, {}, {"thor01": 33.0}))
    assert "There is no earlier run to compare with." in shown.words
    assert "changes" not in shown.tables


def test_a_failed_service_has_its_reason_and_its_previous_speed() -> None:
    shown = page(runs(FP4, {"thor01": 33.0, "thor02": 33.0}, {"thor01": None, "thor02": 33.0}))
    reason = "8 of 8 requests failed at 1 at once: no answer within 600 s."
    assert shown.row("failed", "thor01") == ["thor01", FP4, reason, "33.0", "tok/s"]
    assert shown.row("services", "thor01")[-1] == f"failed ({reason})"
    assert shown.row("reference", "Qwen3-8B-FP4 (modelopt_fp4)")[2] == "33.0 (1 host)"
    assert (
        shown.count("use", style="stroke: var(--failed)") == 2
    )  # in the chart of the profile, and in that of the device
    assert "Failed on thor01." in shown.words
    assert cards(shown)["failed"] == "1"


def test_figures_of_a_failed_service_do_not_count_for_the_fleet() -> None:
    loads = [made_up.load("chat", 10.0), made_up.load("chat", 10.0, 8, 8)]
    broken = service(FP4, 10.0, state="failed", reason="8 of 8 requests failed at 8 at once: reset.", loads=loads)
    shown = page([*runs(FP4, {"thor01": 33.0}, {"thor02": 33.0}), result("thor01", [broken], measured_at=NOW)])
    assert shown.row("reference", "Qwen3-8B-FP4 (modelopt_fp4)")[2] == "33.0 (1 host)"
    assert shown.row("services", "thor01")[3] == "10.0"
    assert shown.row("changes", "thor01")[3:6] == ["failed", "tok/s", "-"]


def test_every_service_has_its_figures() -> None:
    shown = page([result("thor01", [service(FP4, 33.0, name="chat"), service(WHISPER, 40.0)])])
    titles, *rows = shown.tables["services"]
    assert titles == [
        *("host", "service", "engine", "one client", "together", "unit", "first token", "share of bound"),
        *("baseline", "verdict"),
    ]
    chat, speech = rows
    assert chat == [
        *("thor01", f"{FP4} (chat)", "vLLM 25.10", "33.0", "163.7 (8 at once)", "tok/s", "606 ms", "62 %"),
        *("33.3 (reference table)", "good"),
    ]
    assert speech == [
        *("thor01", WHISPER, "vLLM 25.10", "40.0 (factor 0.025)", "198.4 (8 at once)", "x real time", "-", "-", "-"),
        "no baseline",
    ]
    assert shown.tables["method"][1] == ["2048 tokens", "128 tokens", "1, 8", "8", "1", "30 s", "1"]


def test_every_device_has_its_conditions() -> None:
    documents = [
        result("thor01", [service(FP4, 33.0), service(CODER, 58.0)]),
        result("thor02", [service(FP4, None)], conditions={"power_mode": None, "clocks_locked": None}),
    ]
    shown = page(documents)
    engines = "llama.cpp 0c1e570, vLLM 25.10"
    assert shown.row("devices", "thor01") == [
        *("thor01", "MAXN", "yes", "38.2.0", "7.0", "13.0", engines, "2", "0", "0", "2026-05-04 09:00 UTC"),
    ]
    assert shown.row("devices", "thor02")[1:3] == ["not known", "not known"]
    assert f"power mode MAXN; L4T 38.2.0; {engines}" in shown.words


def test_terminal_and_markdown_hold_what_the_page_holds() -> None:
    whole = fleet(list(made_up.many(14)))
    shown = Page(report.page(whole, REFERENCE, FLOOR, template=made_up.TEMPLATE, written="now"))
    texts = report.markdown(whole, REFERENCE, FLOOR), report.terminal(whole, REFERENCE, FLOOR)
    assert set(shown.tables) >= {"reference", "other", "marked", "failed", "changes", "setup", "devices", "services"}
    for table in tables.tables(whole, REFERENCE, FLOOR):
        body = [[str(cell) for cell in row.cells] for row in table.rows]
        seen = shown.tables[table.key][-len(body) :]
        assert seen == body
        for text in texts:
            assert table.title in text
            lines = [words(line) for line in text.splitlines()]
            assert all(words(" ".join(row)) in lines for row in body), table.key


def words(line: str) -> list[str]:
    """The words of a line, whatever separates its columns."""
    return line.replace("\\", "").replace("|", " ").split()


def test_markdown_is_made_of_tables_of_even_rows() -> None:
    text = report.markdown(fleet(SLOW), REFERENCE, FLOOR)
    for block in [block for block in text.split("\n\n") if block.startswith("|")]:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
        assert re.fullmatch(r"\| (-+:?( \| )?)+ \|", block.splitlines()[1])


def test_a_terminal_ends_with_the_summary_and_aligns_numbers_right() -> None:
    lines = report.terminal(fleet(SLOW), REFERENCE, FLOOR).splitlines()
    assert lines[-1].startswith(
        "5 hosts, 5 services measured: 1 too slow, 0 failed, 1 outlier. Measured 2026-05-04 09:00 UTC"
    )
    assert lines[-1].endswith("from 2 runs.")
    title = lines.index("All services") + 2
    assert title < lines.index("Against the reference")
    right = lines[title].index("one client") + len("one client")
    assert {line[right - 4 : right] for line in lines[title + 1 : title + 6]} == {"33.0", "20.0"}
