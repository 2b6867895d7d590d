# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What speculation was worth: accepted tokens, and the speed with and without it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.report import facts, results, table

# A draft costs memory and, with several clients, computing time that they need. Below this ratio for one client it is not worth that.
PAYS = 1.3


def gain(service: Mapping[str, Any]) -> float | None:
    """How many times as fast a service is for one client as without speculation; None where that was not measured."""
    plain = service.get("without_speculation")
    before = results.figure({**service, "loads": plain["loads"]}) if plain and plain["state"] == "measured" else None
    now = results.figure(service)
    return now / before if now and before else None


def verdict(service: Mapping[str, Any]) -> str:
    """Whether speculation pays, in words; empty where that was not measured."""
    plain = service.get("without_speculation")
    if not plain:
        return ""
    ratio = gain(service)
    if ratio is None:
        return str(plain.get("reason") or "not measured without speculation")
    if ratio >= PAYS:
        return "pays"
    return f"does not pay: below {PAYS:g} times the speed for one client"


def drafts_table(fleet: results.Fleet) -> table.Table:
    """Each service that speculates."""
    rows = []
    for entry, speed in facts.measured(fleet.entries):
        service = entry.service
        if not results.speculates(service):
            continue
        said, load = service.get("speculative") or {}, results.single_load(service) or {}
        seen, ratio, words = load.get("speculation") or {}, gain(service), verdict(service)
        tokens, per_step = said.get("tokens"), seen.get("tokens_per_step")
        rows.append(
            table.row(
                entry.host,
                table.cell(service["profile"], None if service["name"] == service["profile"] else service["name"]),
                table.cell(said.get("method") or "by options", None if tokens is None else f"{tokens} tokens"),
                facts.percent(seen.get("acceptance")),
                None if per_step is None else f"{per_step:.2f}",
                facts.speed(speed),
                facts.speed(None if ratio is None else speed / ratio),
                None if ratio is None else f"{ratio:.2f}",
                words,
                state="slow" if ratio is not None and ratio < PAYS else "",
            )
        )
    columns = (
        "host, service:word, draft:word, accepted:number?, tokens per step:number?, one client/with:number, one client/without:number?, "
        "times as fast:number?, verdict:prose?"
    )
    lead = (
        "Accepted: the share of drafted tokens that the model took over. Tokens per step: what one step of the model yielded, with its own "
        "token; SGLang says only its mean since the start. With and without: tokens per second for one client "
        f"(bench_speculation). Below {PAYS:g} times the speed, speculation does not pay."
    )
    return table.build("drafts", "Speculation", columns, rows, lead)
