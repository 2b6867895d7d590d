# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the last verify and the last bench of a host found: small records on the device, which status and metrics read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records

FOLDER = Path("/var/lib/thor/last")
_NUMBER = (int, float, type(None))
_RESULT = {"name": str, "state": str, "ok": bool, "wrong": [str]}
# ``at``: seconds since 1970. ``results``: an entry for each service. ``wrong``: codes of problems, or a reason; never an answer.
VERIFY = {"at": (int, float), "results": [{**_RESULT, "seconds": _NUMBER, "tokens_per_second": _NUMBER}]}
BENCH = {
    "at": (int, float),
    "results": [{**_RESULT, "loads": [{"concurrency": int, "decode_tokens_per_s": {"median": _NUMBER}}]}],
}


def write_verify(results: Iterable[Mapping[str, Any]], folder: Path | None = None) -> None:
    """Keep what the module verify returns: of each service the slowest request, its rate, and what is wrong."""
    found: dict[str, dict[str, Any]] = {}
    for one in results:
        blank = {"name": one["name"], "state": "ok", "seconds": None, "tokens_per_second": None, "wrong": []}
        entry = found.setdefault(one["name"], blank)
        if one["state"] != "ok" and entry["state"] != "failed":
            entry["state"] = one["state"]
        if one["seconds"] is not None:
            entry["seconds"] = round(max(one["seconds"], entry["seconds"] or 0), 3)
        if entry["tokens_per_second"] is None:
            entry["tokens_per_second"] = one["tokens_per_second"]
        entry["wrong"] += [problem["code"] for problem in one["problems"] if problem["code"] not in entry["wrong"]]
    _write("verify", [{**one, "ok": one["state"] == "ok"} for one in found.values()], folder)


def write_bench(measured: Iterable[Mapping[str, Any]], folder: Path | None = None) -> None:
    """Keep the rates of what the job of bench has measured, by the number of clients at once."""
    found = [
        {
            "name": one["name"],
            "state": one["state"],
            "ok": one["state"] == "measured",
            "wrong": [] if one["state"] == "measured" else [str(one["reason"]).split(":", 1)[0][:80]],
            "loads": [
                {
                    "concurrency": load["concurrency"],
                    "decode_tokens_per_s": {"median": _median(load, "decode_tokens_per_s")},
                }
                for load in one["loads"]
            ],
        }
        for one in measured
    ]
    _write("bench", found, folder)


def read(folder: Path | None = None) -> dict[str, Any]:
    """Both records; None for one that there is not."""
    place = folder or FOLDER
    return {
        name: _bare(records.read(place / f"{name}.json", shape))
        for name, shape in (("verify", VERIFY), ("bench", BENCH))
    }


def _write(name: str, results: Sequence[Mapping[str, Any]], folder: Path | None) -> None:
    """Write a record. A full disk is no reason for verify or bench to fail: then the last record stays."""
    place = folder or FOLDER
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        now = round(datetime.now(UTC).timestamp())
        records.write(place / f"{name}.json", {"at": now, "results": list(results)}, 0o644)


def _bare(record: dict[str, Any] | None) -> dict[str, Any] | None:
    return {key: value for key, value in record.items() if key != "schema"} if record else None


def _median(load: Mapping[str, Any], key: str) -> float | None:
    value = (load.get(key) or {}).get("median")
    return None if value is None else round(float(value), 3)
