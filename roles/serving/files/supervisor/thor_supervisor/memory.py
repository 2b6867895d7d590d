# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The memory that an engine finds when it starts: dropping the page cache, and the share of free memory that it asks for."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files

from thor_supervisor.notification import say

DROP_CACHES_SOCKET = "/run/thor-drop-caches.sock"
DROP_CACHES_TIMEOUT = 60.0  # seconds
# Seconds between two drops while an engine with a memory fraction loads: it measures what is free after it has read its
# weights (vLLM 0.10.2, SGLang 0.5.3: read in their sources), and those are in the page cache by then.
DROP_EVERY = 10.0
MOST_OF_FREE = 0.95  # the largest share of free memory that an engine gets: the rest of the system needs some meanwhile
GIB = 2**30


def memory_bytes(*names: str) -> int | None:
    """The largest of these lines of /proc/meminfo; None where it has none of them."""
    lines = files.meminfo()
    return max((lines[name] for name in names if name in lines), default=None)


def free_memory() -> str:
    """MemFree, which is what a GPU without memory of its own sees as free, for people."""
    free = memory_bytes("MemFree")
    return "unknown" if free is None else f"{free / GIB:.1f} GiB"


def share_of_free(budget: int, free: int) -> float:
    """``budget`` bytes as a share of ``free`` bytes, rounded down to three decimals; never all of it."""
    return max(math.floor(min(budget / max(free, 1), MOST_OF_FREE) * 1000) / 1000, 0.001)


def with_value(argv: list[str], option: str, value: str) -> tuple[list[str], str | None]:
    """``argv`` with another value for the option, and the previous one; None where ``argv`` does not have the option.

    The last occurrence counts, as for the engine's own parser: earlier ones belong to docker's client.
    """
    for index in range(len(argv) - 1, -1, -1):
        if argv[index] == option and index + 1 < len(argv):
            return [*argv[: index + 1], value, *argv[index + 2 :]], argv[index + 1]
        if argv[index].startswith(f"{option}="):
            return [*argv[:index], f"{option}={value}", *argv[index + 1 :]], argv[index].partition("=")[2]
    return argv, None


def fit_memory(argv: list[str], memory: Mapping[str, Any] | None, free: int | None) -> list[str]:
    """The engine's argv for the memory that is free now; the journal says what was changed.

    ``memory`` is the service's: ``option``, ``budget_bytes`` and ``of``. An engine whose option is a share ``of: free``
    measures it against what is free when it starts, which is known only now.
    """
    if not memory:
        return argv
    if free is None:
        say("free memory is unknown (/proc/meminfo): the command stays as it is", level=4)
        return argv
    budget, option = int(memory["budget_bytes"]), memory["option"]
    if budget > free * MOST_OF_FREE:
        say(
            f"free memory is {free / GIB:.1f} GiB, and this service's budget (memory_gib) is {budget / GIB:.1f} GiB: "
            "it may fail to start. The page cache was dropped, so processes hold the rest: see free -h and nvidia-smi",
            level=4,
        )
    if memory["of"] != "free":
        return argv
    share = f"{share_of_free(budget, free):.3f}"
    fitted, before = with_value(argv, option, share)
    if before is None:
        say(f"the command has no {option}: the engine itself decides how much memory it takes", level=4)
    else:
        say(
            f"{option} {before} -> {share}: {budget / GIB:.1f} GiB of the {free / GIB:.1f} GiB that are free now, "
            "which is what this engine takes its share of"
        )
    return fitted


def drop_caches(quiet: bool = False) -> bool:
    """Have root drop the page cache, and return whether it did. ``quiet`` keeps the journal free of it.

    A failure is reported and not fatal: in a container /proc/sys is read-only.
    """
    before = free_memory()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(DROP_CACHES_TIMEOUT)
            channel.connect(DROP_CACHES_SOCKET)
            answer = b""
            while block := channel.recv(4096):
                answer += block
        text = " ".join(answer.decode("utf-8", "replace").split())
    except OSError as error:
        text = f"{DROP_CACHES_SOCKET}: {error}"
    dropped = text == "dropped"
    if dropped and not quiet:
        say(f"page cache dropped, free memory {before} -> {free_memory()}")
    elif not quiet:
        say(f"page cache not dropped, free memory {before}: {text or 'no answer'}", level=4)
    return dropped


def keep_dropping(ended: threading.Event, pause: float) -> None:
    """In a thread: drop the page cache again and again until ``ended``, or until it cannot be dropped."""
    while not ended.wait(pause) and drop_caches(quiet=True):
        pass
