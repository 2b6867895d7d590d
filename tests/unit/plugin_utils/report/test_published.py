# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What others published of the same model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.speeds import Speed
from ansible_collections.jetson.thor.plugins.plugin_utils.report import published, results
from lean_results import Q5, result, service

CASE = published.Case("m", "vllm", "T5000", False, 8, 2048, 128)
ROW = Speed(
    title="M", precision="NVFP4", engine="vllm", module="T5000", tokens_per_s=200.0, source="somebody", model="m",
    concurrency=8, input=2048, output=128,
)  # fmt: skip


def test_like_with_like_differs_in_nothing() -> None:
    assert published.differences(CASE, ROW) == []


def test_every_difference_is_named() -> None:
    other = replace(
        ROW, engine="TensorRT Edge-LLM", module="T4000", speculative=True, concurrency=1, input=None, output=256
    )
    assert published.differences(CASE, other) == [
        "engine TensorRT Edge-LLM",
        "T4000 instead of T5000",
        "with speculation",
        "1 at once instead of 8",
        "tokens of a prompt not stated",
        "256 tokens of an answer instead of 128",
    ]
    assert published.differences(replace(CASE, module=None, speculative=True), ROW) == [
        "T5000 instead of an unknown module",
        "without speculation",
    ]


def test_the_nearest_row_is_of_the_same_model_and_differs_least() -> None:
    rows = [
        replace(ROW, model="other"),
        replace(ROW, model=None),
        replace(ROW, engine="llama.cpp"),
        replace(ROW, module="T4000"),
        replace(ROW, concurrency=1),
        replace(ROW, concurrency=4),
        replace(ROW, concurrency=None),
        replace(ROW, speculative=True),
    ]
    assert published.nearest(CASE, [*rows, ROW]) == ROW
    assert published.nearest(CASE, rows) == rows[5]
    assert published.nearest(CASE, rows[:2]) is None
    # A row without speculation says more of a service without it than the same load with it.
    assert published.nearest(CASE, [rows[7], rows[4]]) == rows[4]


def cells(rows: list[Speed], *documents: dict[str, Any]) -> list[list[str]]:
    found = published.published_table(results.fleet(documents, {"table": []}, 0.9), rows)
    return [[str(cell) for cell in row.cells] for row in found.rows]


def test_the_table_shows_throughputs_and_compares_only_like_with_like() -> None:
    key = Q5["key"]
    like = replace(ROW, model=str(key), engine="llama.cpp", concurrency=1, tokens_per_s=40.0, source="somebody")
    load = {
        "concurrency": 1,
        "requests": 8,
        "failed": 0,
        "decode_tokens_per_s": {"median": 37.0},
        "output_tokens_per_s": 30.0,
    }
    wide = {**load, "concurrency": 8, "output_tokens_per_s": 160.0}
    hosts = [result(f"thor0{number}", 1, service(loads=[load, wide])) for number in (1, 2)]
    assert cells([like], *hosts) == [
        [f"{key} (T5000)", "llama.cpp", "1", "30.0", "40.0 (NVFP4)", "75 %", "nothing", "somebody"],
        [f"{key} (T5000)", "llama.cpp", "8", "160.0", "40.0 (NVFP4)", "-", "1 at once instead of 8", "somebody"],
    ]
    for one in hosts:
        one["device"]["model"] = "NVIDIA Jetson T4000"
    assert {row[5] for row in cells([like], *hosts)} == {
        "T5000 instead of T4000",
        "T5000 instead of T4000; 1 at once instead of 8",
    }
    assert cells([replace(like, model=None)], *hosts) == []


def test_the_rows_of_the_catalog_can_be_compared() -> None:
    rows = files.reference()["rows"]
    known = {row.model for row in rows if row.model}
    assert known, "no published speed names a model of the catalog"
    for model in known:
        row = published.nearest(replace(CASE, model=model), rows)
        assert row is not None and row.source
