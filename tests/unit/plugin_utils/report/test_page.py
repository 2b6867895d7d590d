# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The report says what a set of results says, in three forms that agree, and obeys nothing that stands in the files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import made_up_results as made_up
import matplotlib
import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.report import page as report
from ansible_collections.jetson.thor.plugins.plugin_utils.report import results, tables
from made_up_results import FLOOR, REFERENCE, result, service
from report_page import CODER, FP4, NOW, SLOW, WHISPER, fleet, page, runs

# Its three forms


# What it must bear


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [result("thor01", [])],
        [result("thor01", [service(FP4, None)])],
        [result("thor01", [service(FP4, None, loads=[], reason=None)])],
        [result("thor01", [service(FP4, 33.0)], conditions={"power_mode": None, "clocks_locked": None, "mig": None})],
        [result("thor01", [service(FP4, 33.0)], device=dict.fromkeys(("l4t", "jetpack", "cuda", "model")))],
        [result("thor01", [service(FP4, float("nan")), service(CODER, float("inf"))])],
        [result("thor01", [service(FP4, 0.01), service(CODER, 1e12)])],
        [result("thor01", [service(WHISPER, 41.0)], method={"audio_seconds": None})],
        [result("thor01", [service(FP4, 33.0), service(FP4, 20.0, name="twin")])],
        [result("a" * 200, [service(FP4, 33.0, profile="b" * 200, name="c" * 200)])],
        [result(f"thor{n}", [service(FP4, None)]) for n in range(40)],
        [result(f"thor{n}", [service(FP4, 10.0 if n else 33.0)], measured_at=NOW) for n in range(40)],
    ],
)
def test_a_report_can_be_written_from_any_results(documents: list[dict[str, Any]]) -> None:
    shown = page(documents)
    whole = fleet(documents)
    assert report.markdown(whole, REFERENCE, FLOOR) and report.terminal(whole, REFERENCE, FLOOR)
    assert shown.row("reference", "Qwen3-8B (bfloat16)")[1] == "10.5"
    assert len(shown.tables.get("services", [0])) - 1 == len(whole.entries)


def test_a_load_needs_no_more_than_the_schema_asks_for() -> None:
    bare = {"concurrency": 1, "requests": 8, "failed": 0, "errors": []}
    loads = [
        {**bare, "decode_tokens_per_s": made_up.spread(33.0), "ttft_s": None, "rtf": None},
        {**bare, "concurrency": 8},
    ]
    lean = service(FP4, 33.0, loads=loads)
    lean.pop("slowed_by")
    assert page([result("thor01", [lean])]).row("services", "thor01")[3:5] == ["33.0", "tok/s"]


def test_only_charts_need_the_plotter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "There are no results." in page([]).words[-1] or "There are no results." in " ".join(page([]).words)
    whole = fleet(SLOW)
    assert "20.0" in report.terminal(whole, REFERENCE, FLOOR) and "20.0" in report.markdown(whole, REFERENCE, FLOOR)
    with pytest.raises(report.PlotterMissing, match="matplotlib"):
        page(SLOW)


def test_the_module_is_imported_without_the_plotter() -> None:
    code = "import sys; from ansible_collections.jetson.thor.plugins.plugin_utils.report import page; print('matplotlib' in sys.modules)"
    path = str(Path(__file__).resolve().parents[4] / "collections")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert done.stdout == "False\n"


def test_unusable_files_are_named() -> None:
    shown = page(SLOW, left_out=["THOR-RESULT-SCHEMA: <old>.json = 9: It is of version 9."])
    assert "THOR-RESULT-SCHEMA: <old>.json = 9: It is of version 9." in shown.words
    assert "Left out" not in page(SLOW).text


# What stands in the files is text


EVIL = [
    '<script>alert("x")</script>',
    "</svg></style><img src=x onerror=alert(1)>",
    "a&b|c`d*e",
    "$\\frac{1}{0$",
    "\x1b[31mred\x07\x00\n\ttab",
    "\u202egnp.exe\ud800",
    "{{ 7 * 7 }}{% raw %}",
    'id="p0-title" #040404 url(#x)',
    "温度計-主機-一號",
]


@pytest.mark.parametrize("text", EVIL)
def test_names_are_escaped_in_all_three_forms(text: str) -> None:
    seen = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in " ".join(text.split()))
    model = {"key": text, "id": text, "precision": text, "revision": text, "active_bytes": 5e9}
    changed = {"name": text, "profile": text, "version": text, "model": model}
    documents = [
        result(
            text,
            [service(FP4, speed, **changed, reason=text)],
            device={"l4t": text},
            conditions={"power_mode": text},
            measured_at=f"{number}{text}",
        )
        for number, speed in enumerate((33.0, 20.0, None))
    ]
    for last in (2, 3):
        shown = page(documents[:last], written=text, left_out=[text])
        tags = {tag for tag, _ in shown.elements}
        assert not tags & {"script", "img", "iframe"} and "frac" not in tags
        assert {name for _, found in shown.elements for name in found if name.startswith("on")} == set()
        assert shown.row("services", seen)[1] == seen
        assert seen in shown.words, "the chart's title, or the note"
        assert not re.search(r"(?<!\\)[<>`*\[\]]", report.markdown(fleet(documents[:last]), REFERENCE, FLOOR))
        for form in (
            shown.text,
            *(make(fleet(documents[:last]), REFERENCE, FLOOR) for make in (report.markdown, report.terminal)),
        ):
            form.encode()
            assert all(one.isprintable() or one in "\n\N{NO-BREAK SPACE}" for one in form)


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    shown = page(list(made_up.many(5)))
    assert "http:" not in shown.text and "https:" not in shown.text and "//" not in shown.text
    assert "@import" not in shown.text and shown.count("script") == 0
    for _, found in shown.elements:
        assert not found.keys() & {"src", "srcset", "data", "action", "poster", "xlink:href"}
        assert found.get("href", "#").startswith("#") or found["href"] == "data:,"
    assert set(re.findall(r"url\(.", shown.text)) <= {"url(#"}
    assert any("default-src 'none'" in found.get("content", "") for _, found in shown.elements)


# Charts


def test_the_same_results_give_the_same_bytes() -> None:
    code = (
        "import made_up_results as m; from ansible_collections.jetson.thor.plugins.plugin_utils.report import results as r; "
        "from ansible_collections.jetson.thor.plugins.plugin_utils.report import page as report; import hashlib; "
        "f = r.fleet(list(m.many(5)), m.REFERENCE, 0.9); "
        "print(hashlib.sha256(report.page(f, m.REFERENCE, 0.9, template=m.TEMPLATE, written='now').encode()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[4]
    path = f"{root / 'collections'}:{root / 'tests/support'}"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": path, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_ids_are_unique_and_every_reference_leads_somewhere() -> None:
    shown = page(list(made_up.many(14)))
    ids = Counter(found["id"] for _, found in shown.elements if "id" in found)
    assert {name for name, count in ids.items() if count > 1} == set()
    targets = {found["href"] for _, found in shown.elements if found.get("href", "").startswith("#")}
    targets |= {f"#{name}" for name in re.findall(r"url\(#([^)]+)\)", shown.text)}
    targets |= {f"#{name}" for _, found in shown.elements for name in found.get("aria-labelledby", "").split()}
    assert {one[1:] for one in targets} <= set(ids)


def test_a_chart_has_a_name_a_description_and_the_colours_of_the_page() -> None:
    shown = page(SLOW)
    assert shown.count("svg") == shown.count("svg", role="img") == 6  # one profile, five devices
    assert f"Speed of {FP4} by host" in shown.words
    (described,) = [word for word in shown.words if "Too slow: thor05 20.0." in word]
    assert "Reference: 33.3 tok/s." in described and "Bound: 53.0 tok/s." in described
    svgs = re.findall(r"<svg.*?</svg>", shown.text, re.DOTALL)
    assert set(re.findall(r"(?:fill|stroke): (#\w+|\w+)", "".join(svgs))) <= {"none", "var"}
    assert "font-family" not in "".join(svgs) and "<style" not in "".join(svgs)


def test_reference_and_bound_are_lines_of_a_chart_where_there_are_any() -> None:
    shown = page(SLOW)
    assert {"reference 33.3", "bound 53.0"} <= set(shown.words)
    (chart, *devices) = re.findall(r"<svg.*?</svg>", shown.text, re.DOTALL)
    assert len(re.findall(r"stroke: var\(--bound\); stroke-width: 1\.6", chart)) == 1
    assert len(re.findall(r"stroke-dasharray: [\d.,]+; stroke-dashoffset: 0; stroke: var\(--ink\)", chart)) == 1
    # On each device a tick for the bound, one for the reference and one for the fleet's median.
    for device in devices:
        ticks = re.findall(r"fill: none; stroke: var\(--(\w+)\); stroke-width: 1\.6", device)
        assert ticks == ["bound", "ink", "quiet"]
    speech = page([result("thor01", [service(WHISPER, 41.0)])])
    assert "stroke-width: 1.6" not in speech.text, "one host has no fleet median"
    assert not [word for word in speech.words if re.match(r"(reference|bound) \d", word)]
    assert "x real time, one client" in speech.words


def test_throughput_is_drawn_if_there_were_concurrent_requests() -> None:
    together = "all clients together, tok/s"
    assert together in page(SLOW).words
    alone = service(FP4, 33.0, loads=[made_up.load("chat", 33.0)])
    assert together not in page([result("thor01", [alone])]).words


def test_many_hosts_make_charts_that_stay_small() -> None:
    shown = page(list(made_up.many(100)))
    assert len(shown.text) < 1_000_000
    assert shown.count("svg") == len(made_up.PROFILES) + 1  # one for all devices
    assert "overview-title" in shown.text and "d0-title" not in shown.text
    drawn = re.findall(r"<svg.*?</svg>", shown.text, re.DOTALL)
    assert sum(len(re.findall(r"<\w", svg)) for svg in drawn) < 4000
    assert all(len(re.findall(r"<text", svg)) < 90 for svg in drawn)
    # Who is slow is named; who is like the others is counted.
    assert "thor094" in drawn[0] and "thor050" not in drawn[0]
    assert re.search(r">\d+ more</text>", drawn[0])
    assert shown.row("setup", "L4T", "38.4.0")[2] == "25"


def test_outstanding_hosts_without_room_are_counted() -> None:
    speeds: dict[str, float | None] = {f"thor{n:02}": 33.0 if n < 35 else 20.0 + n / 100 for n in range(60)}
    shown = page(runs(FP4, dict.fromkeys(speeds, 33.0), speeds))
    assert "5 more marks without a name: the tables below list them." in shown.words


def test_settings_of_matplotlib_are_restored_and_ignored() -> None:
    with matplotlib.rc_context({"font.size": 17.0, "lines.markeredgewidth": 5.0}):
        first = page(SLOW).text
        assert matplotlib.rcParams["font.size"] == 17.0
    assert page(SLOW).text == first, "what this machine sets has no part in the page"
    assert "matplotlib.pyplot" not in sys.modules


def test_the_reference_is_compared_like_with_like() -> None:
    like = result("thor01", [service(FP4, 30.0)])
    smaller = result("thor02", [service(FP4, 20.0)], device={"model": "NVIDIA Jetson T4000"})
    draft = {"method": "eagle3", "tokens": 3, "model": "d"}
    guessing = result("thor03", [service(FP4, 60.0, speculative=draft)])
    fleet = results.fleet([like, smaller, guessing], REFERENCE, FLOOR)
    shown = {table.key: table for table in tables.tables(fleet, REFERENCE, FLOOR)}
    (row,) = [one for one in shown["reference"].rows if one.cells[0].text == "Qwen3-8B-FP4"]
    assert "30.0 (1 host)" in [str(cell) for cell in row.cells]
    assert [str(cell) for cell in shown["other"].rows[0].cells][2:6] == ["2", "40.0", "20.0", "60.0"]
    assert [str(cell) for cell in shown["drafts"].rows[0].cells][:3] == ["thor03", FP4, "eagle3 (3 tokens)"]
