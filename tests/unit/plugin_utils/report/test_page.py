# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The report says what a set of results says, in three forms that agree, and obeys nothing that stands in the files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import made_up_results as made_up
import matplotlib
import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.report import page as report
from ansible_collections.jetson.thor.plugins.plugin_utils.report import results, tables
from made_up_results import FLOOR, REFERENCE, result, service

FP4, FP8, CODER, WHISPER = (
    "qwen3-8b-fp4-vllm",
    "qwen3-8b-fp8-sglang",
    "qwen3-coder-30b-a3b-q5-k-m-llama-cpp",
    "whisper-small-vllm",
)
BEFORE, NOW = "2026-04-06T09:00:00Z", "2026-05-04T09:00:00Z"
NO_VALUE = ("area", "br", "col", "hr", "img", "input", "link", "meta", "wbr")  # elements of HTML that have no end


class Page(HTMLParser):
    """What a browser would see of a page: elements, and the text of table cells by section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.words: list[str] = []
        self._open: list[str] = []
        self._section: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "an element is not closed"
        for row in (row for rows in self.tables.values() for row in rows):
            row[:] = ["-" if cell == "\N{EN DASH}" else cell for cell in row]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin of an element."""
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag in NO_VALUE:
            return
        self._open.append(tag)
        if tag == "section":
            self._section.append(found.get("id", ""))
        elif tag == "tr":
            self.tables.setdefault(self._section[-1], []).append([])
        elif tag in ("th", "td"):
            self.tables[self._section[-1]][-1].append("")
        elif tag == "small":
            self.handle_data(" (")

    def handle_endtag(self, tag: str) -> None:
        """End of an element."""
        if tag == "small":
            self.handle_data(")")
        assert self._open.pop() == tag
        if tag == "section":
            self._section.pop()

    def handle_data(self, data: str) -> None:
        """Text."""
        if {"th", "td"} & set(self._open):
            self.tables[self._section[-1]][-1][-1] += data
        elif self._open[-1:] != ["style"]:
            self.words.append(data)

    def row(self, section: str, *begin: str) -> list[str]:
        """The one row of a table that begins like this."""
        (found,) = [row for row in self.tables.get(section, []) if row[: len(begin)] == list(begin)]
        return found

    def count(self, tag: str, **attributes: str) -> int:
        """How many elements have these attributes; ``style`` only has to hold the text."""
        return sum(
            name == tag
            and all(
                (value in found.get(key, "") if key == "style" else found.get(key) == value)
                for key, value in attributes.items()
            )
            for name, found in self.elements
        )


def fleet(documents: Sequence[Mapping[str, Any]]) -> results.Fleet:
    """What results.py says of these."""
    return results.fleet(documents, REFERENCE, FLOOR)


def page(documents: Sequence[Mapping[str, Any]], **changes: Any) -> Page:
    """The page of these results, read again."""
    arguments = {"template": made_up.TEMPLATE, "written": "2026-05-04 11:30 CEST", **changes}
    return Page(report.page(fleet(documents), REFERENCE, FLOOR, **arguments))


def runs(profile: str, before: Mapping[str, float | None], now: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Two runs of one profile, with the speed of every host."""
    return [
        result(host, [service(profile, speed)], measured_at=moment)
        for moment, speeds in ((BEFORE, before), (NOW, now))
        for host, speed in speeds.items()
    ]


SLOW = runs(FP4, {f"thor0{n}": 33.0 for n in range(1, 6)}, {**{f"thor0{n}": 33.0 for n in range(1, 5)}, "thor05": 20.0})


# What it says


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


# Its three forms


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
