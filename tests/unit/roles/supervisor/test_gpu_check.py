# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an engine that answers uses the GPU."""

from __future__ import annotations

import re

from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence
from supervisor_helper import ENGINES, GPU, Run, log_arguments


def test_the_gpu_is_found_in_the_log(run: Run, notified: list[str]) -> None:
    status, _ = run("ok", *log_arguments("llama-full-offload.txt"), gpu=GPU, require_gpu=True, stop=True)
    assert status == 0
    assert "READY=1" in notified
    assert any(word.startswith("STATUS=serving") and "partly" not in word for word in notified)


def test_a_configuration_of_an_earlier_version_still_works(run: Run, notified: list[str]) -> None:
    old = r"CUDA\d+ model buffer size =\s+[1-9]"
    status, _ = run("ok", *log_arguments("llama-full-offload.txt"), gpu_log=old, require_gpu=True, stop=True)
    assert status == 0
    assert "READY=1" in notified
    status, journal = run("ok", gpu_log=old, require_gpu=True)
    assert status == 1
    assert "THOR-GPU-UNUSED" in journal


def test_a_model_that_is_only_partly_on_the_gpu_is_refused_with_numbers(run: Run, notified: list[str]) -> None:
    status, journal = run("ok", *log_arguments("llama-partial-offload.txt"), gpu=GPU, require_gpu=True)
    assert status == 1
    assert "READY=1" not in notified
    assert "<3>supervisor: THOR-GPU-PARTIAL: " in journal
    assert "only 8 of 37 layers are on the GPU" in journal
    assert "needs 13565 MiB of the GPU's memory and found 4583 MiB free" in journal
    assert re.search(r"MemFree was \d+\.\d GiB when it started", journal)


def test_a_part_that_was_asked_for_is_served_and_reported(run: Run, notified: list[str]) -> None:
    gpu = {**GPU, "asked": gpu_evidence.asked(GPU, ["--n-gpu-layers", "8"], {})}
    status, journal = run("ok", *log_arguments("llama-partial-offload.txt"), gpu=gpu, require_gpu=True, stop=True)
    assert status == 0
    told = "partly on the GPU by its options (--n-gpu-layers 8): 8 of 37 layers"
    assert told in journal
    assert any(word.startswith("STATUS=serving") and told in word for word in notified)


def test_a_gpu_that_fails_after_it_was_announced_is_not_used(run: Run) -> None:
    log = log_arguments("whisper-gpu-revoked.txt")
    status, journal = run("ok", *log, gpu=ENGINES["whisper.cpp"]["gpu"], require_gpu=True)
    assert status == 1
    assert "THOR-GPU-UNUSED: the engine answers, but it said: " in journal
    assert "failed to initialize CUDA0 backend" in journal


def test_where_no_gpu_is_required_the_log_does_not_matter(run: Run, notified: list[str]) -> None:
    status, _ = run("ok", *log_arguments("whisper-gpu-revoked.txt"), gpu=GPU, require_gpu=False, stop=True)
    assert status == 0
    assert "READY=1" in notified
