# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The tables of the report."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.report import drafts, facts, published, results, table

# Smaller changes are within the noise of the measurement and are not listed.
NOISE = 0.02
BASES = {"own": "this host earlier", "fleet": "other hosts", "reference": "reference table"}


# What is seen in a fleet


def _served(entry: results.Entry) -> table.Cell:
    """The profile of a service, and its name where it is another."""
    profile, name = (str(entry.service[key]) for key in ("profile", "name"))
    return table.cell(profile, None if name == profile else name)


def _held_against(entry: results.Entry) -> table.Cell:
    verdict = entry.verdict
    return table.cell(facts.speed(verdict.baseline), BASES[verdict.basis]) if verdict.basis else table.Cell()


def _answered(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Loads of which any request was answered, by the number of requests at once."""
    loads = sorted(service["loads"], key=lambda load: int(load["concurrency"]))
    return [load for load in loads if load["failed"] < load["requests"]]


def _differences(entry: results.Entry) -> list[str]:
    """What else is not as it was before, which may be why the speed is not."""
    if entry.before is None:
        return []
    old, new = (_circumstances(one) for one in (entry.before, entry))
    return [f"{name} {facts.known(old[name])} → {facts.known(new[name])}" for name in new if old[name] != new[name]]


def _circumstances(entry: results.Entry) -> dict[str, Any]:
    service, result = entry.service, entry.result
    return {
        "engine": service["engine"],
        "version": service["version"],
        "power mode": result["conditions"].get("power_mode"),
        "clocks locked": facts.locked(result),
        "L4T": result["device"].get("l4t"),
        "CUDA": result["device"].get("cuda"),
        "model": service["model"]["key"],
        "revision": service["model"].get("revision"),
        "tokens of a prompt": result["method"]["input_tokens"],
        "tokens of an answer": result["method"]["output_tokens"],
    }


# Tables


def tables(fleet: results.Fleet, reference: facts.Reference, floor: float) -> list[table.Table]:
    """Every table of the report, in the order in which it is read."""
    others = _other_table(fleet, reference)
    theirs = published.published_table(fleet, reference.get("rows") or ())
    guessed = drafts.drafts_table(fleet)
    compared = any(entry.before is not None for entry in fleet.entries)
    return [
        _reference_table(fleet, reference),
        *([others] if others.rows else []),
        *([theirs] if theirs.rows else []),
        *([guessed] if guessed.rows else []),
        _marked_table(fleet, floor),
        _failed_table(fleet),
        _profile_change_table(fleet),
        *([_change_table(fleet)] if compared else []),
        *([_setup_table(fleet)] if len(fleet.by_host()) > facts.OWN_CHARTS else []),
        _device_table(fleet),
        _service_table(fleet),
        _method_table(fleet),
    ]


def _reference_engines(reference: facts.Reference) -> list[str]:
    """The engines that the reference table has columns for."""
    names = (key for row in reference["table"] for key in row if key not in ("title", "model", "precision"))
    return list(dict.fromkeys(names))


def _reference_table(fleet: results.Fleet, reference: facts.Reference) -> table.Table:
    engines = _reference_engines(reference)
    bounds = {row["model"]: row.get("bound") for row in reference.get("bounds", [])}
    titles = [f"{facts.ENGINES.get(one, one)}/{whose}:number" for one in engines for whose in ("post", "fleet")]
    rows = []
    for row in reference["table"]:
        chats = [one for one in fleet.entries if results.is_like_reference(one.result, one.service)]
        of_model = [one for one in chats if one.service["model"]["key"] == row["model"]]
        bound = facts.bound(of_model) or bounds.get(row["model"])
        numbers = [float(row[one]) for one in engines if isinstance(row.get(one), int | float)]
        cells = []
        for engine in engines:
            value = row.get(engine)
            here = [one for one, _rest in facts.measured(of_model) if one.service["engine"] == engine]
            cells.append(table.cell(facts.speed(value) if isinstance(value, int | float) else value))
            cells.append(
                table.cell(facts.speed(facts.median(here)), facts.many(facts.hosts(here), "host") if here else None)
            )
        post = max(numbers) / bound if numbers and bound else None
        model = table.cell(row["title"], row["precision"])
        rows.append(
            table.row(model, *cells, facts.speed(bound), facts.percent(post), facts.percent(facts.best_share(of_model)))
        )
    lead = (
        "Tokens per second of a single request. Post: the reference post of November 2025, one Jetson Thor in MAXN. "
        "Fleet: the median of these hosts, of the same module and without speculation. "
        "Bound: what the memory bandwidth allows. Reached: the fastest, as a share of that."
    )
    columns = ", ".join(["model:word", *titles, "bound:number", "reached/post:number", "reached/fleet:number"])
    return table.build("reference", "Against the reference", columns, rows, lead, "The reference table is empty.")


def _other_table(fleet: results.Fleet, reference: facts.Reference) -> table.Table:
    engines = _reference_engines(reference)
    known = {(row["model"], engine, "chat") for row in reference["table"] for engine in engines if engine in row}
    groups: dict[tuple[str, ...], list[results.Entry]] = {}
    for entry in fleet.entries:
        kind = (str(entry.service["model"]["key"]), str(entry.service["engine"]), str(entry.service["api"]))
        if kind not in known or not results.is_like_reference(entry.result, entry.service):
            groups.setdefault(kind, []).append(entry)
    rows = []
    for (key, engine, api), entries in sorted(groups.items()):
        model, speeds = entries[0].service["model"], [speed for _rest, speed in facts.measured(entries)]
        rows.append(
            table.row(
                table.cell(model.get("id") or key, model.get("precision")),
                facts.ENGINES.get(engine, engine),
                facts.hosts(one for one, _rest in facts.measured(entries)),
                *(
                    facts.speed(one)
                    for one in (facts.median(entries), min(speeds, default=None), max(speeds, default=None))
                ),
                results.unit(api),
                facts.speed(facts.bound(entries)),
                facts.percent(facts.best_share(entries)),
            )
        )
    columns = (
        "model:word, engine, hosts:number, median:number, slowest:number, fastest:number, unit:word, "
        "bound:number?, reached:number?"
    )
    lead = "For one client: the median, the slowest and the fastest of the measured hosts."
    return table.build("other", "Not in the reference", columns, rows, lead)


def _marked_table(fleet: results.Fleet, floor: float) -> table.Table:
    middles = facts.middles(fleet)
    rows = []
    for entry, speed in facts.measured(fleet.entries):
        slow, baseline = entry.verdict.state == "slow", entry.verdict.baseline
        if not slow and not entry.outlier:
            continue
        middle = middles[results.comparison_key(entry.result, entry.service)] if entry.outlier else None
        rows.append(
            table.row(
                entry.host,
                _served(entry),
                ", ".join([facts.STATES["slow"]] * slow + ["outlier"] * entry.outlier),
                facts.speed(speed),
                facts.unit(entry),
                _held_against(entry),
                facts.percent(speed / baseline if baseline else None),
                facts.percent(speed / middle if middle else None),
                "; ".join(entry.verdict.causes) or ("none visible in the results" if slow else None),
                state="slow" if slow else "outlier",
            )
        )
    columns = (
        "host, service:word, mark, speed:number, unit:word, baseline:number, share of baseline:number, "
        "share of median:number?, likely causes:prose"
    )
    lead = (
        f"Too slow: below {facts.percent(floor)} of its baseline. "
        f"Outlier: more than {facts.percent(1 - floor)} from the median of the services with the same "
        "profile, engine version, power mode and lengths, if there are at least three."
    )
    return table.build("marked", "Too slow, and outliers", columns, rows, lead, "There are none.")


def _failed_table(fleet: results.Fleet) -> table.Table:
    rows = []
    for entry in [one for one in fleet.entries if one.failed]:
        before = entry.before.figure if entry.before else None
        unit = None if before is None else facts.unit(entry)
        rows.append(table.row(entry.host, _served(entry), entry.reason, facts.speed(before), unit, state="failed"))
    lead = "Services that could not be measured, and their previous speed."
    columns = "host, service:word, reason:prose, before:number?, unit:word?"
    return table.build("failed", "Failed", columns, rows, lead, "Nothing failed.")


def _profile_change_table(fleet: results.Fleet) -> table.Table:
    rows = []
    for profile, entries in fleet.by_profile().items():
        compared = [entry for entry in entries if entry.before is not None]
        changes = [change for entry in compared if (change := entry.change) is not None]
        if not compared:
            continue
        differing = Counter(one for entry in compared for one in _differences(entry))
        least, middle, most = (
            (min(changes), statistics.median(changes), max(changes)) if changes else (None, None, None)
        )
        rows.append(
            table.row(
                profile,
                len(compared),
                *(facts.change(one) for one in (least, middle, most)),
                "; ".join(f"{one} ({count})" for one, count in sorted(differing.items())) or "nothing",
            )
        )
    columns = (
        "profile:word, compared:number, change/slowest:number, change/median:number, change/fastest:number, "
        "what else changed:prose"
    )
    lead = "Speed for one client, compared with the previous run of the same service on the same host. In brackets: the number of services."
    empty = "There is no earlier run to compare with."
    return table.build("profile-changes", "What changed, by profile", columns, rows, lead, empty)


def _change_table(fleet: results.Fleet) -> table.Table:
    found = []
    for entry in fleet.entries:
        if entry.before is None:
            continue
        change = entry.change
        failed = [one.failed for one in (entry.before, entry)]
        if round(abs(change), 3) < NOISE if change is not None else failed[0] == failed[1]:
            continue
        speeds = [
            "failed" if gone else facts.speed(one.figure)
            for gone, one in zip(failed, (entry.before, entry), strict=True)
        ]
        differences = "; ".join(_differences(entry)) or "nothing"
        state = entry.verdict.state if entry.verdict.state in ("slow", "failed") else ""
        row = table.row(
            entry.host, _served(entry), *speeds, facts.unit(entry), facts.change(change), differences, state=state
        )
        # What failed is the worst, and what works again the best.
        found.append((change if change is not None else math.inf if failed[0] else -math.inf, row))
    rows = [row for _rest, row in sorted(found, key=lambda one: one[0])]
    columns = "host, service:word, before:number, now:number, unit:word, change:number, what else changed:prose"
    lead = f"Services that failed, recovered, or changed by {facts.percent(NOISE)} or more, the worst first."
    return table.build(
        "changes", "What changed, by host", columns, rows, lead, f"Nothing by {facts.percent(NOISE)} or more."
    )


def _setup_table(fleet: results.Fleet) -> table.Table:
    """What many devices have in common, and how many differ."""
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("power mode", "clocks locked", "L4T", "CUDA", "engine")
    }
    for entries in fleet.by_host().values():
        newest = facts.newest(entries)
        counts["power mode"][facts.known(newest["conditions"].get("power_mode"))] += 1
        counts["clocks locked"][facts.locked(newest)] += 1
        counts["L4T"][facts.known(newest["device"].get("l4t"))] += 1
        counts["CUDA"][facts.known(newest["device"].get("cuda"))] += 1
        counts["engine"].update({facts.engine(entry.service) for entry in entries})
    rows = [table.row(name, value, count) for name, values in counts.items() for value, count in sorted(values.items())]
    return table.build("setup", "What the devices run", "setting, value, hosts:number", rows)


def _device_table(fleet: results.Fleet) -> table.Table:
    rows = []
    for host, entries in fleet.by_host().items():
        newest, states = facts.newest(entries), [entry.verdict.state for entry in entries]
        rows.append(
            table.row(
                host,
                facts.known(newest["conditions"].get("power_mode")),
                facts.locked(newest),
                *(newest["device"].get(name) for name in ("l4t", "jetpack", "cuda")),
                facts.engines(entries),
                len(entries),
                states.count("slow"),
                states.count("failed"),
                facts.moment(newest["measured_at"]),
                state=next((one for one in ("failed", "slow") if one in states), ""),
            )
        )
    columns = (
        "host, power mode, clocks locked, L4T, JetPack?, CUDA?, engines:prose, services:number, too slow:number, "
        "failed:number, measured:word"
    )
    return table.build("devices", "Devices", columns, rows, "As of the newest run of each device.")


def _service_table(fleet: results.Fleet) -> table.Table:
    rows = []
    for entry in fleet.entries:
        service, state = entry.service, entry.verdict.state
        loads = _answered(service) or [{"concurrency": 1}]
        first, factor = ((loads[0].get(name) or {}).get("median") for name in ("ttft_s", "rtf"))
        at_once = loads[-1]["concurrency"]
        together = facts.together(service, loads[-1]) if at_once > 1 else None
        remarks = [entry.reason] if state == "failed" else [*entry.verdict.causes, *["outlier"] * entry.outlier]
        rows.append(
            table.row(
                entry.host,
                _served(entry),
                facts.engine(service),
                table.cell(facts.speed(entry.figure), None if factor is None else f"factor {factor:.3g}"),
                table.Cell() if together is None else table.cell(facts.speed(together), f"{at_once} at once"),
                None if entry.figure is None else facts.unit(entry),
                None if first is None else f"{1000 * first:.0f} ms",
                facts.percent(entry.share),
                facts.change(entry.change),
                _held_against(entry),
                table.cell(facts.STATES[state], "; ".join(remarks)),
                state="outlier" if state in ("good", "unknown") and entry.outlier else state,
            )
        )
    columns = (
        "host, service:word, engine, one client:number, together:number?, unit:word, first token:number?, "
        "share of bound:number?, change:number?, baseline:number?, verdict:prose"
    )
    lead = (
        "One client: the speed of a single request; for audio also the real-time factor. Together: all clients of the largest load. "
        "First token: time from the request to the first token, for one client. Share of bound: of what the memory bandwidth allows."
    )
    return table.build("services", "All services", columns, rows, lead)


def _method_table(fleet: results.Fleet) -> table.Table:
    groups: dict[tuple[str, ...], set[str]] = {}
    for entry in fleet.entries:
        method = entry.result["method"]
        apis = {str(service["api"]) for service in entry.result["services"]}
        seconds = method.get("audio_seconds") if "transcription" in apis else None
        documents = method.get("documents") if apis & {"embedding", "rerank"} else None
        kind = (
            *(f"{method[name]} tokens" for name in ("input_tokens", "output_tokens")),
            ", ".join(str(one) for one in method["concurrency"]),
            *(str(method[name]) for name in ("requests", "warmups")),
            "" if seconds is None else f"{seconds:g} s",
            "" if documents is None else f"{documents} of {method.get('document_tokens')} tokens",
        )
        groups.setdefault(kind, set()).add(entry.host)
    rows = [table.row(*kind, len(hosts)) for kind, hosts in sorted(groups.items())]
    columns = "prompt, answer, requests at once, requests per load, warm-up requests, sound?, documents?, hosts:number"
    return table.build("method", "How it was measured", columns, rows)
