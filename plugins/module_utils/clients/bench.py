# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure the services of a host, one after the other, through their own APIs (a job, jobs.py).

The outcome is a result with the schema of plugin_utils/report/result_files.py, without the names that only the controller knows.
A service that fails, hangs or dies is reported as failed, with its measurements so far; the others are still measured.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import grp
import hashlib
import os
import random
import statistics
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import model_origin
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, keys, load_generator, transcription
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter
from ansible_collections.jetson.thor.plugins.module_utils.observe import host, throttling

Service = Mapping[str, Any]
Method = Mapping[str, Any]
# The arguments that are the method and appear in the result.
METHOD = ("input_tokens", "output_tokens", "concurrency", "requests", "warmups", "audio_seconds", "seed")
# An engine's own tool loads the model a second time, beside the service: its weights, and this much more.
TOOL_EXTRA_BYTES = 3 * 2**30
# While the engine's tool runs, no other engine can start.
TOOL_SECONDS = 600
ERRORS_KEPT = 3
GPU_LOCK = Path("/run/thor/gpu.lock")  # engines start one after the other
GPU_LOCK_SECONDS = 600.0  # that a tool waits for it
USER = "thor"  # used by no service: each has its own account


def wrong(method: Method) -> list[str]:
    """What is wrong with a method, as sentences with the variable and the remedy."""
    least = {
        "input_tokens": 8,
        "output_tokens": 2,
        "requests": 1,
        "warmups": 0,
        "audio_seconds": 0.1,
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
    request and ``timeout_all`` in seconds, ``tools`` (whether the engines' own tools are run, too) and ``facts_root``.
    """
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
        tool = engine_tool(service, method, tell) if spec["tools"] and outcome["state"] == "measured" else None
        measured.append(
            {**named(service), **outcome, "memory_free_bytes": free, "slowed_by": watch.seen, "engine_tool": tool}
        )
    report.progress(len(services), len(services), "services")
    return {
        "changed": False,
        "result": {"method": method, "device": device, "conditions": before, "services": measured},
    }


def _failed(reason: str, loads: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {"state": "failed", "reason": reason, "loads": list(loads)}


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
        "model": {
            **{key: model.get(key) for key in ("key", "precision", "bytes", "active_bytes")},
            "id": model_origin.identity(model) or model.get("url"),
            "revision": model_origin.revision(model),
        },
    }


def measure(
    service: Service, spec: Mapping[str, Any], source: random.Random, tell: Callable[[str], None]
) -> dict[str, Any]:
    """All loads of one service: ``state``, ``reason`` and ``loads``."""
    loads: list[dict[str, Any]] = []
    try:
        tell("warm up")
        ask, described = _request(service, spec, source)
        for _round in range(spec["method"]["warmups"]):
            ask()
        for concurrency in spec["method"]["concurrency"]:
            loads.append(_load(ask, concurrency, spec["method"], described, tell))
            if loads[-1]["failed"]:
                break  # it is down or overloaded, so larger loads are pointless
    except api.ProbeError as error:
        return _failed(f"{error}.", loads)
    except Exception as error:  # whatever it is, it concerns this service; the others are measured
        traceback.print_exc()
        return _failed(
            f"{type(error).__name__}: {error} (a bug in the measurement; the log of the job has details).", loads
        )
    if loads and loads[-1]["failed"]:
        last = loads[-1]
        why = last["errors"][0].rstrip(".")
        reason = f"{last['failed']} of {last['requests']} requests failed at {last['concurrency']} at once: {why}."
        return _failed(reason, loads)
    if service["api"] == "chat" and not all(one["decode_tokens_per_s"] for one in loads):
        reason = "Every answer arrived in one piece, so there is no time between tokens to measure."
        return _failed(reason, loads)
    return {"state": "measured", "reason": None, "loads": loads}


def _request(
    service: Service, spec: Mapping[str, Any], source: random.Random
) -> tuple[Callable[[], load_generator.Sample], Mapping[str, Any]]:
    """The request to repeat, and what the result says about it; raises ProbeError."""
    method, timeout = spec["method"], spec["timeout"]
    if service["api"] == "transcription":
        given = base64.b64decode(spec["audio"]) if spec["audio"] else transcription.silence(1)
        try:
            sound, seconds = load_generator.lengthen(given, method["audio_seconds"])
        except ValueError as error:
            raise api.ProbeError("unsupported", f"{spec['audio_file']} is not a WAV file: {error}") from None
        return lambda: load_generator.transcribed(service, "sound.wav", sound, timeout), {"audio_s": round(seconds, 3)}
    if service["api"] != "chat":
        raise api.ProbeError("unsupported", f"no measurement is known for the API {service['api']!r}")
    words = load_generator.words_for(service, method["input_tokens"], source, timeout)
    tokens = method["output_tokens"]
    return lambda: load_generator.stream_chat(service, load_generator.random_prompt(source, words), tokens, timeout), {}


def _load(
    ask: Callable[[], load_generator.Sample],
    concurrency: int,
    method: Method,
    described: Mapping[str, Any],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """The requests of one load, ``concurrency`` of them at once."""
    count = max(method["requests"], concurrency)
    samples: list[load_generator.Sample] = []
    errors: dict[int, str] = {}  # by the request's number, because they end in any order

    def one(number: int) -> None:
        if len(errors) >= ERRORS_KEPT:
            errors[number] = "not sent: too many have failed"
            return
        try:
            samples.append(ask())
        except api.ProbeError as error:
            errors[number] = str(error)
        tell(f"request {len(samples) + len(errors)} of {count}, {concurrency} at once")

    begin = time.monotonic()
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        list(pool.map(one, range(count)))
    seconds = time.monotonic() - begin
    return {
        "concurrency": concurrency,
        "requests": count,
        "failed": len(errors),
        "errors": list(dict.fromkeys(error for _number, error in sorted(errors.items())))[:ERRORS_KEPT],
        "seconds": round(seconds, 3),
        **described,
        **_figures(samples, seconds, described.get("audio_s")),
    }


def _figures(samples: Sequence[load_generator.Sample], seconds: float, audio_s: float | None) -> dict[str, Any]:
    if audio_s is not None:
        return {
            "rtf": spread([sample.seconds / audio_s for sample in samples]),
            "audio_s_per_s": round(len(samples) * audio_s / seconds, 3) if samples else None,
        }
    rates = [rate for sample in samples if (rate := sample.decode_rate) is not None]
    told = [sample.engine_rate for sample in samples if sample.engine_rate is not None]
    tokens = sum(sample.output_tokens for sample in samples)
    return {
        "input_tokens": _mean([sample.input_tokens for sample in samples]),
        "output_tokens": _mean([sample.output_tokens for sample in samples]),
        "ttft_s": spread([sample.first for sample in samples]),
        "tpot_s": spread([1 / rate for rate in rates]),
        "decode_tokens_per_s": spread(rates),
        "engine_decode_tokens_per_s": spread(told),
        "output_tokens_per_s": round(tokens / seconds, 3) if tokens else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 1) if values else None


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, median, minimum and maximum; None without values."""
    if not values:
        return None
    found = {
        "mean": statistics.fmean(values),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }
    return {name: float(f"{value:.5g}") for name, value in found.items()}


def engine_tool(service: Service, method: Method, tell: Callable[[str], None]) -> dict[str, Any] | None:
    """What the engine's own tool measures without the server; None if the engine has none.

    ``state`` is ``measured``, ``skipped`` or ``failed``; ``tests`` have ``input_tokens``, ``output_tokens``, ``tokens_per_s``
    and ``deviation``. Source of the format: llama-bench -o json.
    """
    argv = service.get("bench_argv")
    if not argv:
        return None
    needs = int(service["model"]["bytes"]) + TOOL_EXTRA_BYTES
    free = throttling.memory(None)["available"]
    tool = {"tool": argv[0], "state": "skipped", "reason": None, "tests": []}
    if free is None or needs > free:
        there = "how much is available is not known" if free is None else f"{free / 2**30:.1f} GiB are available"
        reason = f"it would load the model a second time: {needs / 2**30:.1f} GiB, and {there}"
        return {**tool, "reason": reason}
    tell(argv[0])
    lengths = {"{input}": str(method["input_tokens"]), "{output}": str(method["output_tokens"])}
    program = host.ENGINES / service["engine"] / service["version"] / "bin" / argv[0]
    command = [str(program), *(lengths.get(word, word) for word in argv[1:])]
    try:
        with _gpu_lock():
            done = subprocess.run(
                # If memory runs out, it is killed first, and no serving engine.
                ["sh", "-c", 'echo 1000 >/proc/self/oom_score_adj; exec "$@"', "sh", *command],
                capture_output=True,
                text=True,
                check=False,
                timeout=TOOL_SECONDS,
                cwd="/tmp",
                env={"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent"},
                **_as_service(),
            )
        tests = _tests(api.parse_json(done.stdout)) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {**tool, "state": "failed", "reason": str(error)}
    if tests is None:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        return {**tool, "state": "failed", "reason": f"it ended with code {done.returncode}: {last}"}
    return {**tool, "state": "measured", "tests": tests}


def _tests(documents: Any) -> list[dict[str, Any]]:
    """What llama-bench measured; raises ValueError if it is not a measurement."""
    tests = []
    for one in documents if isinstance(documents, list) else [documents]:
        told = one if isinstance(one, dict) else {}
        lengths = [api.count(told.get(key)) for key in ("n_prompt", "n_gen")]
        speeds = [api.rate(told.get(key)) for key in ("avg_ts", "stddev_ts")]
        if None in (*lengths, *speeds):
            raise ValueError(f"its output is not a measurement: {' '.join(repr(one).split())[:100]}")
        speed, deviation = (round(value or 0.0, 3) for value in speeds)
        tests.append(
            {"input_tokens": lengths[0], "output_tokens": lengths[1], "tokens_per_s": speed, "deviation": deviation}
        )
    return tests


def _as_service() -> dict[str, Any]:
    """The user and the groups that services run as."""
    groups = []
    for name in ("render", "video"):
        with contextlib.suppress(KeyError):
            groups.append(grp.getgrnam(name).gr_gid)
    return {"user": USER, "group": USER, "extra_groups": groups}


@contextlib.contextmanager
def _gpu_lock() -> Iterator[None]:
    """Hold the lock of starting engines, as far as there is one: no engine starts while the tool takes memory.

    Raises TimeoutError where another process keeps it.
    """
    try:
        descriptor = os.open(GPU_LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield
        return
    deadline = time.monotonic() + GPU_LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"THOR-START-LOCK: an engine has been starting for {GPU_LOCK_SECONDS:.0f} s, or another process keeps "
                        f"{GPU_LOCK}: see who it is (lslocks)"
                    ) from None
                time.sleep(1)
        yield
    finally:
        os.close(descriptor)
