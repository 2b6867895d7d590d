# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Result files of measurements: their schema, and how they are read. docs/bench.md explains the schema.

An additional key does not change the version of the schema; removing a key or changing its meaning does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import Field, check

SCHEMA = 1

TEXT = Field((str,), null=True, lines=True)
NAME = Field((str,), required=True)
NUMBER = Field((int, float), null=True)
COUNT = Field((int,), required=True)
TEXTS = Field((list,), items=Field((str,), lines=True))
SPREAD = Field(
    (dict,), null=True, keys={name: Field((int, float), required=True) for name in ("mean", "median", "min", "max")}
)
LOAD = Field(
    (dict,),
    keys={
        "concurrency": COUNT,
        "requests": COUNT,
        "failed": COUNT,
        "errors": TEXTS,
        "seconds": NUMBER,
        "input_tokens": NUMBER,
        "output_tokens": NUMBER,
        "ttft_s": SPREAD,
        "tpot_s": SPREAD,
        "decode_tokens_per_s": SPREAD,
        "engine_decode_tokens_per_s": SPREAD,
        "output_tokens_per_s": NUMBER,
        "audio_s": NUMBER,
        "rtf": SPREAD,
        "audio_s_per_s": NUMBER,
        "documents": NUMBER,
        "document_tokens": NUMBER,
        "request_s": SPREAD,
        "documents_per_s": NUMBER,
        "input_tokens_per_s": NUMBER,
        "speculation": Field(
            (dict,),
            null=True,
            keys=dict.fromkeys(("drafted_tokens", "accepted_tokens", "acceptance", "tokens_per_step"), NUMBER),
        ),
    },
)
LOADS = Field((list,), required=True, items=LOAD)
STATE = Field((str,), required=True, choices=("measured", "failed"))
SERVICE = Field(
    (dict,),
    keys={
        "name": NAME,
        "profile": NAME,
        "engine": NAME,
        "version": NAME,
        "api": NAME,
        "state": STATE,
        "reason": TEXT,
        "model": Field(
            (dict,),
            required=True,
            keys={
                "key": NAME,
                "id": TEXT,
                "revision": TEXT,
                "precision": TEXT,
                "bytes": NUMBER,
                "active_bytes": NUMBER,
            },
        ),
        "loads": LOADS,
        "speculative": Field(
            (dict,), null=True, keys={"method": NAME, "tokens": Field((int,), null=True), "model": TEXT}
        ),
        "without_speculation": Field((dict,), null=True, keys={"state": STATE, "reason": TEXT, "loads": LOADS}),
        "memory_free_bytes": NUMBER,
        "slowed_by": Field((dict,), keys={"hot": TEXTS, "throttled": TEXTS}),
        "engine_tool": Field((dict,), null=True),
    },
)
CONDITIONS = Field(
    (dict,),
    required=True,
    keys={
        "power_mode": Field((str,), required=True, null=True),
        "clocks_locked": Field((bool,), required=True, null=True),
        "mig": Field((bool,), required=True, null=True),
        "memory": Field(
            (dict,), required=True, keys=dict.fromkeys(("total", "free", "available", "page_cache"), NUMBER)
        ),
        **dict.fromkeys(("hot", "throttled", "slow_clocks"), Field((list,), required=True, items=Field((str,)))),
    },
)
RESULT = Field(
    (dict,),
    keys={
        "schema": COUNT,
        "host": NAME,
        "run": NAME,
        "measured_at": NAME,
        "method": Field(
            (dict,),
            required=True,
            keys={
                "input_tokens": COUNT,
                "output_tokens": COUNT,
                "requests": COUNT,
                "warmups": COUNT,
                "concurrency": Field((list,), required=True, items=Field((int,))),
                "audio_seconds": NUMBER,
                "audio_sha256": TEXT,
                "documents": NUMBER,
                "document_tokens": NUMBER,
                "seed": NUMBER,
            },
        ),
        "device": Field(
            (dict,), required=True, keys=dict.fromkeys(("model", "l4t", "jetpack", "cuda", "architecture"), TEXT)
        ),
        "conditions": CONDITIONS,
        "services": Field((list,), required=True, items=SERVICE),
    },
)


def read(path: Path) -> tuple[dict[str, Any] | None, list[Problem]]:
    """One result file; or None and the problems, if it is invalid or has another version of the schema."""
    name = str(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        return None, [_invalid(name, None, f"It cannot be read: {error.strerror}.")]
    except ValueError as error:
        return None, [_invalid(name, None, f"It is not valid JSON: {error}.")]
    if not isinstance(document, dict) or "schema" not in document:
        return None, [_invalid(name, None, "It is not a result of a measurement: it names no schema.")]
    if document["schema"] != SCHEMA:
        reason = f"It has version {document['schema']!r} of the schema, and this collection reads version {SCHEMA}."
        remedy = "Read it with the version of the collection that wrote it, or move it out of the folder."
        return None, [Problem("THOR-RESULT-SCHEMA", name, document["schema"], reason, remedy)]
    wrong = [one for one in check(document, RESULT, name) if one.code != "THOR-KEY-UNKNOWN"]
    if wrong:
        return None, [_invalid(one.variable, one.value, one.reason) for one in wrong]
    return document, []


def _no_number(name: str) -> float:
    """Python accepts NaN and Infinity, which JSON does not have and nothing compares with."""
    raise ValueError(f"{name} is not a number")


def _invalid(variable: str, value: Any, reason: str) -> Problem:
    return Problem("THOR-RESULT-INVALID", variable, value, reason, "Repair it, or move it out of the folder.")


def read_all(places: Iterable[Path]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """All results in these files and folders, the oldest first, and the problems of the others."""
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for place in places:
        if place.is_dir():
            files.update(dict.fromkeys(sorted(place.glob("*.json"))))
        elif place.exists():
            files[place] = None
        else:
            remedy = "Measure first (playbooks/bench.yml), or name another (thor_bench_results)."
            reason = "There is no such file or folder."
            problems.append(Problem("THOR-RESULT-INVALID", str(place), None, reason, remedy))
    documents = []
    for file in files:
        document, found = read(file)
        problems += found
        if document is not None:
            documents.append(document)
    return sorted(documents, key=lambda one: (one["run"], one["host"])), problems
