# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Published speeds: the rows have the right shape, and none was changed, lost or added since they were transcribed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import real_catalog
import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files, shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.speeds import SHAPE, Speed, speeds

FILE = Path(__file__).resolve().parents[4] / "roles" / "catalog" / "files" / "speeds.yml"
# The engines whose names the catalog writes in its own way; the sources say vLLM.
OWN_WORDS = {"vllm": "vLLM"}
# SHA-256 over the sorted rows as JSON, computed from the collected sources by a script, before this file was written from them.
TRANSCRIBED = "0110ef00055884137067f0e5a48e8d56bb502f714073de2a60a2ecc693843900"
BENCHMARKS = "jetson-ai-lab benchmarks.json@dab6763"


def digest(rows: tuple[Speed, ...]) -> str:
    """The digest of rows in the words of their sources."""
    lines = [
        json.dumps(
            [
                row.title,
                row.precision,
                OWN_WORDS.get(row.engine, row.engine),
                row.module,
                row.concurrency,
                row.tokens_per_s,
                row.input,
                row.output,
                row.source,
            ],
            ensure_ascii=False,
        )
        for row in rows
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def test_every_row_is_as_it_was_transcribed() -> None:
    rows = files.published_speeds()
    assert len(rows) == 209
    assert digest(rows) == TRANSCRIBED
    # The digest notices a single figure.
    assert digest((*rows[:-1], Speed(**{**vars(rows[-1]), "tokens_per_s": 9.62}))) != TRANSCRIBED


def test_rows_are_those_of_the_sources() -> None:
    rows = files.published_speeds()
    assert Counter(row.module for row in rows) == {"T5000": 174, "T4000": 35}
    nvidia = [row for row in rows if row.source.startswith(BENCHMARKS)]
    assert {row.concurrency for row in nvidia} == {1, 8}
    assert {(row.input, row.output) for row in nvidia if row.engine != "TensorRT Edge-LLM"} == {(2048, 128)}
    (lightning,) = [row for row in rows if "Lightning" in row.title]
    assert (lightning.tokens_per_s, lightning.speculative, lightning.module) == (115, True, "T5000")
    plain = [row for row in rows if not row.speculative and ("draft" in row.precision or "MTP" in row.precision)]
    assert plain == [], "rows with a draft are marked"
    assert files.reference()["rows"] is rows


def test_models_are_those_of_the_catalog() -> None:
    for row in files.published_speeds():
        assert row.model is None or row.model in real_catalog.BUILT_IN.models, row


def test_the_file_has_the_right_shape() -> None:
    assert shapes.check(yaml.safe_load(FILE.read_text(encoding="utf-8"))["speeds"], SHAPE, "speeds.yml") == []


@pytest.mark.parametrize(
    "row",
    [
        {"precision": "BF16", "engine": "vllm", "module": "T5000", "tokens_per_s": 1},
        {"title": "x", "precision": "BF16", "engine": "vllm", "module": "Orin", "tokens_per_s": 1},
        {"title": "x", "precision": "BF16", "engine": "vllm", "module": "T5000", "tokens_per_s": "fast"},
        {"title": "x", "precision": "BF16", "engine": "vllm", "module": "T5000", "tokens_per_s": 1, "clients": 1},
    ],
    ids=["no title", "another module", "no number", "unknown key"],
)
def test_other_shapes_are_refused(row: dict[str, Any]) -> None:
    assert shapes.check([{"source": "somebody", "rows": [row]}], SHAPE, "speeds.yml")


def test_rows_get_the_source_of_their_group() -> None:
    row = {"title": "x", "precision": "BF16", "engine": "vllm", "module": "T5000", "tokens_per_s": 1.5}
    assert speeds([{"source": "somebody", "rows": [row]}]) == (Speed("x", "BF16", "vllm", "T5000", 1.5, "somebody"),)
