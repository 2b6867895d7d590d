# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What others published of the same model, and in what their measurement differs from ours. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.speeds import Speed
from ansible_collections.jetson.thor.plugins.plugin_utils.report import facts, results, table


@dataclass(frozen=True)
class Case:
    """What was measured here. ``model`` is the catalog's key, which includes the precision; ``module`` is None where it is unknown."""

    model: str
    engine: str
    module: str | None
    speculative: bool
    concurrency: int
    input: int
    output: int


def differences(case: Case, row: Speed) -> list[str]:
    """In what a published measurement of the same model differs; empty for like with like."""
    found = []
    if row.engine != case.engine:
        found.append(f"engine {facts.ENGINES.get(row.engine, row.engine)}")
    if row.module != case.module:
        found.append(f"{row.module} instead of {case.module or 'an unknown module'}")
    if row.speculative != case.speculative:
        found.append("with speculation" if row.speculative else "without speculation")
    numbers = (
        ("at once", row.concurrency, case.concurrency),
        ("tokens of a prompt", row.input, case.input),
        ("tokens of an answer", row.output, case.output),
    )
    for words, theirs, ours in numbers:
        if theirs is None:
            found.append(f"{words} not stated")
        elif theirs != ours:
            found.append(f"{theirs} {words} instead of {ours}")
    return found


def nearest(case: Case, rows: Iterable[Speed]) -> Speed | None:
    """The published measurement of the same model that differs least; None if there is none."""

    def distance(row: Speed) -> tuple[float, ...]:
        numbers = ((row.concurrency, case.concurrency), (row.input, case.input), (row.output, case.output))
        return (
            row.engine != case.engine,
            row.speculative != case.speculative,
            row.module != case.module,
            sum(theirs != ours for theirs, ours in numbers),
            # What is not stated may be anything.
            sum(abs(math.log2(theirs / ours)) if theirs else 10.0 for theirs, ours in numbers),
        )

    return min((row for row in rows if row.model == case.model), key=distance, default=None)


def published_table(fleet: results.Fleet, rows: Sequence[Speed]) -> table.Table:
    """Each model that others have published something of: our throughput at each load, the nearest row, and whose it is."""
    cases: dict[Case, list[float]] = {}
    for entry, _speed in facts.measured(fleet.entries):
        if entry.service["api"] != "chat":
            continue
        method = entry.result["method"]
        for load in entry.service["loads"]:
            if (value := facts.together(entry.service, load)) is None or load["failed"]:
                continue
            case = Case(
                model=str(entry.service["model"]["key"]),
                engine=str(entry.service["engine"]),
                module=results.module_of(entry.result),
                speculative=results.speculates(entry.service),
                concurrency=int(load["concurrency"]),
                input=int(method["input_tokens"]),
                output=int(method["output_tokens"]),
            )
            cases.setdefault(case, []).append(value)
    lines = []
    for case in sorted(
        cases, key=lambda one: (one.model, one.engine, str(one.module), one.speculative, one.concurrency)
    ):
        row = nearest(case, rows)
        if row is None:
            continue
        here, differing = statistics.median(cases[case]), differences(case, row)
        lines.append(
            table.row(
                table.cell(case.model, case.module),
                facts.ENGINES.get(case.engine, case.engine),
                case.concurrency,
                facts.speed(here),
                table.cell(facts.speed(row.tokens_per_s), row.precision),
                None if differing else facts.percent(here / row.tokens_per_s),
                "; ".join(differing) or "nothing",
                row.source,
            )
        )
    columns = (
        "model:word, engine, at once:number, fleet:number, published:number, share:number?, "
        "what differs:prose, published by:prose"
    )
    lead = (
        "Tokens of all answers per second, prompts included: the median of these hosts, and the nearest measurement that somebody else "
        "published of the same model in the same precision. They are compared (share) only where nothing differs."
    )
    return table.build("published", "Against published speeds", columns, lines, lead)
