# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark that an engine brings along: it measures the model without the server."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api
from ansible_collections.jetson.thor.plugins.module_utils.observe import host, throttling

Service = Mapping[str, Any]
Method = Mapping[str, Any]
# An engine's own tool loads the model a second time, beside the service: its weights, and this much more.
TOOL_EXTRA_BYTES = 3 * 2**30
# While the engine's tool runs, no other engine can start.
TOOL_SECONDS = 600
GPU_LOCK = Path("/run/thor/gpu.lock")  # engines start one after the other
GPU_LOCK_SECONDS = 600.0  # that a tool waits for it
USER = "thor"  # used by no service: each has its own account


def measure(service: Service, method: Method, tell: Callable[[str], None]) -> dict[str, Any] | None:
    """What the engine's own tool measures without the server; None if the engine has none.

    ``state`` is ``measured``, ``skipped`` or ``failed``; ``tests`` have ``input_tokens``, ``output_tokens``, ``tokens_per_s``
    and ``deviation``. Source of the format: llama-bench -o json.
    """
    argv = service.get("bench_argv")
    if not argv:
        return None
    tool = {"tool": argv[0], "state": "skipped", "reason": None, "tests": []}
    if service["model"]["bytes"] is None:
        return {**tool, "reason": "it would load the model a second time, and nobody knows how large that is"}
    needs = int(service["model"]["bytes"]) + TOOL_EXTRA_BYTES
    free = throttling.memory(None)["available"]
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
