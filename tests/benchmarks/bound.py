# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How far published speeds with one client are from what the memory bandwidth allows.

The bound of a row is the module's bandwidth divided by the bytes of weights that a token reads: the catalog's ``active_bytes`` where
the row is about one of its models, else arithmetic from tests/benchmarks/bound.yml. Prints JSON with the ratio of each row. Fails if
a ratio outside 0.25 to 1.05 is not explained there, if an explanation is not needed, or if a row has neither a bound nor a reason.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.speeds import Speed

LIMITS = (0.25, 1.05)
ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).with_name("bound.yml")


def active_bytes(row: Speed, models: Mapping[str, Any], data: Mapping[str, Any]) -> float | str:
    """Bytes of weights that a token of this row reads, or why they are not known."""
    if row.model and (known := models[row.model].get("active_bytes")):
        return float(known)
    if reason := data["unknown"].get(row.title):
        return str(reason)
    if row.title in data["bytes"]:
        return float(data["bytes"][row.title])
    if "FlashHead" in row.precision:
        return "FlashHead replaces the output matrix, and the source does not say with how many weights"
    word = row.precision.replace(",", " ").split()[0].rstrip("*")
    if word == "not":
        return "the source does not state the precision"
    return float(data["billions"][row.title] * 1e9 * data["bits"][word] / 8)


def measured(rows: Sequence[Speed], models: Mapping[str, Any], data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each row with one client: its bound in tokens a second and the ratio, or the reason why it has none."""
    reasons = {(one["title"], one["precision"], one["engine"]): one for one in data["explained"]}
    found = []
    for row in rows:
        if row.concurrency != 1:
            continue
        entry: dict[str, Any] = {
            name: getattr(row, name)
            for name in ("title", "precision", "engine", "module", "speculative", "tokens_per_s", "source")
        }
        active = active_bytes(row, models, data)
        if isinstance(active, str):
            entry["unknown"] = active
        else:
            bound = data["bandwidth"][row.module] / active
            entry |= {"active_gb": round(active / 1e9, 2), "bound": round(bound, 1)}
            entry["ratio"] = round(row.tokens_per_s / bound, 3)
            if not LIMITS[0] <= row.tokens_per_s / bound <= LIMITS[1]:
                entry["explained"] = reasons.get((row.title, row.precision, row.engine))
        found.append(entry)
    return found


def problems(entries: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> list[str]:
    """Rows that nothing explains, and explanations that no row needs."""
    unexplained = [one for one in entries if "explained" in one and one["explained"] is None]
    used = [one.get("explained") for one in entries]
    return [
        *(
            f"{one['title']}, {one['precision']}, {one['engine']}: {one['ratio']} is not explained"
            for one in unexplained
        ),
        *(f"{one['title']}, {one['precision']}: nothing to explain" for one in data["explained"] if one not in used),
    ]


def main() -> None:
    """Print the rows; fail if one is not explained."""
    data = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    models = files.files(str(ROOT / "roles" / "catalog" / "files"))["models"]
    entries = measured(files.published_speeds(), models, data)
    wrong = problems(entries, data)
    bounded = [one for one in entries if "ratio" in one]
    summary = {
        "rows": len(entries),
        "with_a_bound": len(bounded),
        "inside": sum("explained" not in one for one in bounded),
        "explained": sum(one.get("explained") is not None for one in bounded),
        "without_a_bound": len(entries) - len(bounded),
        "limits": LIMITS,
        "problems": wrong,
    }
    print(json.dumps({**summary, "measured": entries}, indent=2))
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
