# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an engine that answers does so with the GPU."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence

from thor_supervisor.endings import GiveUp
from thor_supervisor.notification import say


def check_gpu(evidence: gpu_evidence.Evidence | None, free_at_start: str, wait: Callable[[str], None]) -> str:
    """Raise GiveUp when the engine does not use the GPU, or holds only part of the model there.

    Returns what else is to be said of the GPU, for the status. ``wait`` is called with a status between two looks.
    """
    if evidence is None:
        say("this engine's use of the GPU cannot be checked: the catalog has no gpu for it", level=4)
        return ""
    for _attempt in range(8):  # the log may lag a little behind the answers, and its last word counts
        wait("looking for the GPU in the engine's log")
        found, why = evidence.verdict()
        if found != "unused":
            break
    if found == "partial":
        raise GiveUp(
            "THOR-GPU-PARTIAL",
            f"the engine answers many times slower than it should: {why}. {_memory_text(evidence, free_at_start)}",
        )
    if found == "unused":
        raise GiveUp("THOR-GPU-UNUSED", f"the engine answers, but {why}: it has fallen back to the CPU")
    return f"; {why}" if found == "asked" else ""


def _memory_text(evidence: gpu_evidence.Evidence, free_at_start: str) -> str:
    """How much memory was free when the engine took less of the GPU than it wanted, and the way out."""
    needs = evidence.needs
    engine = f"It needs {needs[0]} MiB of the GPU's memory and found {needs[1]} MiB free; " if needs else ""
    return (
        f"{engine}MemFree was {free_at_start} when it started. The page cache was dropped, so processes hold the rest "
        "(free -h, nvidia-smi): stop one, or shorten this service's context. It is started again until there is enough. If a "
        "part of the model is meant to stay on the CPU, say so in its options, such as n-gpu-layers"
    )
