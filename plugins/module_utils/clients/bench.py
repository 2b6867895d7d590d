# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure the services of a host, one after the other, through their own APIs (a job, jobs.py).

The outcome is a result with the schema of plugin_utils/report/result_files.py, without the names that only the controller knows.
A service that fails, hangs or dies is reported as failed, with its measurements so far; the others are still measured.
"""

from __future__ import annotations

import base64
import hashlib
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import last_runs, model_origin
from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    api,
    engine_tool,
    keys,
    load_generator,
    loads,
    speculation,
    transcription,
    wake,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from ansible_collections.jetson.thor.plugins.module_utils.observe import host, throttling
from ansible_collections.jetson.thor.plugins.module_utils.services import plain_run
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import Systemctl

Service = Mapping[str, Any]
Method = Mapping[str, Any]
# The arguments that are the method and appear in the result.
METHOD = (
    *("input_tokens", "output_tokens", "concurrency", "requests", "warmups", "audio_seconds", "documents"),
    *("document_tokens", "seed"),
)


def wrong(method: Method) -> list[str]:
    """What is wrong with a method, as sentences with the variable and the remedy."""
    least = {
        "input_tokens": 8,
        "output_tokens": 2,
        "requests": 1,
        "warmups": 0,
        "audio_seconds": 0.1,
        "documents": 1,
        "document_tokens": 8,
        "request_timeout": 1,
        "timeout": 1,
    }
    found = [
        f"THOR-BENCH-METHOD: bench_{name} = {method[name]}: write a number of at least {number}."
        for name, number in least.items()
        if not method[name] >= number
    ]
    if not method["concurrency"] or min(method["concurrency"]) < 1:
        found.append(
            f"THOR-BENCH-METHOD: bench_concurrency = {method['concurrency']}: write a list of numbers of at least 1."
        )
    return found


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """The job. ``spec``: ``services`` (resolved), ``method``, ``audio`` (base64 or None), ``audio_file``, ``timeout`` of a
    request and ``timeout_all`` in seconds, ``tools`` (whether the engines' own tools are run, too), ``speculation``
    (whether services that speculate are measured without it, too) and ``facts_root``.
    """
    plain_run.restore()  # what is left of a job that was killed, if even its end could not undo it
    services, begun = spec["services"], time.monotonic()
    keys.learn_keys(services)
    audio = base64.b64decode(spec["audio"]) if spec["audio"] else None
    method = {
        **spec["method"],
        # Not an argument of the job, so that a play that reconnects recognizes the running job.
        "seed": spec["method"]["seed"] or int(time.time()),
        "audio_sha256": hashlib.sha256(audio).hexdigest() if audio else None,
    }
    root = Path(spec["facts_root"]) if spec["facts_root"] else None
    device = host.identity(root)
    before = throttling.observe(root)
    units = host.units()
    source = random.Random(method["seed"])
    measured = []
    for number, service in enumerate(services):
        name = service["name"]

        def tell(text: str, number: int = number, name: str = name) -> None:
            report.progress(number, len(services), "services", f"{name}: {text}")

        report.say(f"measure {name}")
        free = throttling.memory(root)["free"]
        with throttling.Watch(root) as watch:
            if time.monotonic() - begun > spec["timeout_all"]:
                outcome = _failed(
                    f"Not measured: the time for all services is over ({spec['timeout_all']} s, bench_timeout)."
                )
            elif (other := runs_another(service, units)) is not None:
                outcome = _failed(f"Not measured: what runs is {other}. Run site.yml first.")
            else:
                outcome = measure(service, {**spec, "method": method}, source, tell)
        tool = engine_tool.measure(service, method, tell) if spec["tools"] and outcome["state"] == "measured" else None
        plain = None
        if spec["speculation"] and service.get("plain_argv") and outcome["state"] == "measured":
            plain = without_speculation(service, {**spec, "method": method}, source, tell)
            if plain["state"] == "failed" and plain_run.RESTORE in plain["reason"]:
                outcome = _failed(plain["reason"], outcome["loads"])
        measured.append(
            {
                **named(service),
                **outcome,
                "memory_free_bytes": free,
                "slowed_by": watch.seen,
                "engine_tool": tool,
                "without_speculation": plain,
            }
        )
    report.progress(len(services), len(services), "services")
    last_runs.write_bench(measured)
    return {
        "changed": False,
        "result": {"method": method, "device": device, "conditions": before, "services": measured},
    }


def _failed(reason: str, loads: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {"state": "failed", "reason": reason, "loads": list(loads)}


def without_speculation(
    service: Service, spec: Mapping[str, Any], source: random.Random, tell: Callable[[str], None]
) -> dict[str, Any]:
    """The same loads without speculation: like ``measure``. The service is restarted twice."""
    try:
        with plain_run.plainly(service, tell, Systemctl()):
            return measure(service, spec, source, tell)
    except (plain_run.Failed, JobFailed, OSError) as error:
        return _failed(str(error))


def runs_another(service: Service, units: Mapping[str, Any]) -> str | None:
    """What the unit of a service serves, if that is something else: only the running version is measured."""
    unit = units.get(f"thor-{service['name']}.service")
    model = service["model"]
    names = [model_origin.identity(model) or model["key"], service["engine"], service["version"]]
    if unit is None or all(str(name) in unit["serves"] for name in names):
        return None
    return str(unit["serves"])


def named(service: Service) -> dict[str, Any]:
    """The part of a result that identifies the service."""
    model = service["model"]
    return {
        **{key: service[key] for key in ("name", "profile", "engine", "version", "api", "thinking", "memory_gib")},
        "speculative": _speculative(service),
        "model": {
            **{key: model.get(key) for key in ("key", "precision", "bytes", "active_bytes")},
            "id": model_origin.identity(model) or model.get("url"),
            "revision": model_origin.revision(model),
        },
    }


def _speculative(service: Service) -> dict[str, Any] | None:
    said = service.get("speculative")
    return said and {"method": said["method"], "tokens": said["tokens"], "model": (said["model"] or {}).get("key")}


def measure(
    service: Service, spec: Mapping[str, Any], source: random.Random, tell: Callable[[str], None]
) -> dict[str, Any]:
    """All loads of one service: ``state``, ``reason`` and ``loads``."""
    measured: list[dict[str, Any]] = []
    try:
        tell("wakes up" if service.get("on_demand") else "warm up")
        wake.wake(service)
        request = _request(service, spec, source)
        for _round in range(spec["method"]["warmups"]):
            request.send()
        for concurrency in spec["method"]["concurrency"]:
            measured.append(loads.load(request, concurrency, spec["method"], tell))
            if measured[-1]["failed"]:
                break  # it is down or overloaded, so larger loads are pointless
    except api.ProbeError as error:
        return _failed(f"{error}.", measured)
    except Exception as error:  # whatever it is, it concerns this service; the others are measured
        traceback.print_exc()
        return _failed(
            f"{type(error).__name__}: {error} (a bug in the measurement; the log of the job has details).", measured
        )
    if measured and measured[-1]["failed"]:
        last = measured[-1]
        why = last["errors"][0].rstrip(".")
        reason = f"{last['failed']} of {last['requests']} requests failed at {last['concurrency']} at once: {why}."
        return _failed(reason, measured)
    if service["api"] == "chat" and not all(one["decode_tokens_per_s"] for one in measured):
        reason = "Every answer arrived in one piece, so there is no time between tokens to measure."
        return _failed(reason, measured)
    return {"state": "measured", "reason": None, "loads": measured}


def _request(service: Service, spec: Mapping[str, Any], source: random.Random) -> loads.Request:
    """The request to repeat; raises ProbeError."""
    method, timeout = spec["method"], spec["timeout"]
    if service["api"] == "transcription":
        given = base64.b64decode(spec["audio"]) if spec["audio"] else transcription.silence(1)
        try:
            sound, seconds = load_generator.lengthen(given, method["audio_seconds"])
        except ValueError as error:
            raise api.ProbeError("unsupported", f"{spec['audio_file']} is not a WAV file: {error}") from None
        return loads.Request(
            lambda: load_generator.transcribed(service, "sound.wav", sound, timeout), {"audio_s": round(seconds, 3)}
        )
    if service["api"] in ("embedding", "rerank"):
        documents = method["documents"]
        send = load_generator.document_request(service, documents, method["document_tokens"], source, timeout)
        return loads.Request(send, {"documents": documents})
    if service["api"] != "chat":
        raise api.ProbeError("unsupported", f"no measurement is known for the API {service['api']!r}")
    lengths = method["input_tokens"], method["output_tokens"]
    send = load_generator.chat_request(service, *lengths, source, timeout)
    return loads.Request(send, {}, lambda: speculation.read(service))
