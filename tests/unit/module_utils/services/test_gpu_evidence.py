# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an engine uses the GPU, judged by the catalog's expressions and by lines that real engines have printed.

logs/llama-*: llama.cpp 0c1e570 on an H200, with 5 GB and with 142 GB free. logs/whisper-gpu-revoked.txt: whisper.cpp 1.8.5 to 1.9.3, in
the order of its source. What vLLM and SGLang print was read in their sources, 0.10.2 to 0.33.0 and 0.5.3 to 0.5.23.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import real_catalog
import yaml
from ansible_collections.jetson.thor.plugins.filter.plan_text import plan_text
from ansible_collections.jetson.thor.plugins.module_utils.services.gpu_evidence import Evidence, asked, asked_text

FILES = Path(__file__).parents[4] / "roles" / "catalog" / "files"
ENGINES = yaml.safe_load((FILES / "engines.yml").read_text(encoding="utf-8"))["engines"]
LOGS = Path(__file__).with_name("logs")
_KNOWN = yaml.safe_load((FILES / "profiles.yml").read_text(encoding="utf-8"))["profiles"]
# Any profile of these engines.
PROFILES = {
    engine.upper(): next(name for name, profile in _KNOWN.items() if profile["engine"] == engine)
    for engine in ("vllm", "sglang")
}

DEVICE = "ggml_cuda_init: found 1 CUDA devices (Total VRAM: 143155 MiB):"
NO_DEVICE = "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected"
BUFFER = "load_tensors:        CUDA0 model buffer size =  7669.77 MiB"
HOST_BUFFER = "load_tensors:    CUDA_Host model buffer size =   630.59 MiB"
FULL = "load_tensors: offloaded 37/37 layers to GPU"
OVERFLOW = (
    "common_params_fit_impl:   - CUDA0 (NVIDIA Thor): 49 layers (31 overflowing),  10112 MiB used,   1160 MiB free"
)
NO_OVERFLOW = OVERFLOW.replace("(31 overflowing)", "( 0 overflowing)")
ON_GPU = "whisper_model_load:        CUDA0 total size =    29.30 MB"
ON_CPU = "whisper_model_load:          CPU total size =   189.49 MB"
USING = "whisper_backend_init_gpu: using CUDA0 backend"
FAILED = "whisper_backend_init_gpu: failed to initialize CUDA0 backend"
# Voice activity detection is always on the CPU, and says this at the first request.
NO_GPU = "whisper_backend_init_gpu: no GPU found"
VLLM = "(EngineCore_DP0 pid=272) INFO 11-26 09:01:44 [gpu_worker.py:298] Available KV cache memory: {} GiB"
VLLM_TOKENS = "(EngineCore_DP0 pid=272) INFO 11-26 09:01:45 [kv_cache_utils.py:1087] GPU KV cache size: 63,856 tokens"
VLLM_CPU = "INFO 11-26 09:01:44 [cpu_worker.py:260] Auto set (8.77/121.7) GiB for KV cache on node 0, with 10 GiB requested memory"
VLLM_GIVEN = (
    "INFO 11-26 09:01:44 [gpu_worker.py:350] Initial free memory 110.2 GiB, reserved 20.0 GiB memory for KV Cache as specified "
    "by kv_cache_memory_bytes config and skipped memory profiling."
)
SGLANG = (
    "[2025-09-11 10:26:01 TP0] max_total_num_tokens=903439, chunked_prefill_size=8192, max_prefill_tokens=16384, "
    "max_running_requests=3529, context_len=131072, available_gpu_mem=10.26 GB"
)
SGLANG_BOTH = [
    "[2025-09-11 10:25:01] Load weight end. type=Qwen3ForCausalLM, dtype=torch.bfloat16, avail mem=101.02 GB, mem usage=15.41 GB.",
    "[2025-09-11 10:25:02] KV Cache is allocated. #tokens: 903439, K size: 4.39 GB, V size: 4.39 GB",
]


def log(name: str) -> list[str]:
    return (LOGS / name).read_text(encoding="utf-8").splitlines()


def judged(engine: str, lines: list[str], argv: str = "", **environment: str) -> tuple[str, str]:
    spec = ENGINES[engine]["gpu"]
    evidence = Evidence({**spec, "asked": asked(spec, argv.split(), environment)})
    for line in lines:
        evidence.read(line)
    return evidence.verdict()


@pytest.mark.parametrize(
    ("engine", "lines", "verdict"),
    [
        ("llama.cpp", log("llama-full-offload.txt"), "used"),
        ("llama.cpp", log("llama-partial-offload.txt"), "partial"),
        ("llama.cpp", [DEVICE], "unused"),
        ("llama.cpp", [DEVICE, HOST_BUFFER, FULL], "unused"),
        ("llama.cpp", [DEVICE, BUFFER], "unused"),
        ("llama.cpp", [NO_DEVICE, FULL.replace("37/37", "0/37")], "unused"),
        ("llama.cpp", [FULL, BUFFER, NO_DEVICE], "unused"),
        ("llama.cpp", ["warning: no usable GPU found, --gpu-layers option will be ignored"], "unused"),
        # A model of less than a MiB, and a draft model of its own.
        ("llama.cpp", [FULL, BUFFER.replace("7669.77", "   0.52")], "used"),
        ("llama.cpp", [FULL, BUFFER.replace("7669.77", "   0.00")], "unused"),
        ("llama.cpp", [FULL, BUFFER, "load_tensors: offloaded 29/29 layers to GPU", BUFFER], "used"),
        ("llama.cpp", [FULL, BUFFER, "load_tensors: offloaded 11/29 layers to GPU", BUFFER], "partial"),
        ("llama.cpp", ["load_tensors: offloaded 8/37 layers to GPU", BUFFER, FULL, BUFFER], "partial"),
        # A mixture of experts has all its layers there, and not all their experts.
        ("llama.cpp", [OVERFLOW, "load_tensors: offloaded 49/49 layers to GPU", BUFFER], "partial"),
        ("llama.cpp", [NO_OVERFLOW, "load_tensors: offloaded 49/49 layers to GPU", BUFFER], "used"),
        ("whisper.cpp", log("whisper-gpu-revoked.txt"), "unused"),
        ("whisper.cpp", [ON_GPU, USING], "used"),
        ("whisper.cpp", [USING, ON_GPU], "used"),
        ("whisper.cpp", [ON_CPU, USING], "unused"),
        ("whisper.cpp", [ON_GPU, USING, FAILED], "unused"),
        ("whisper.cpp", [USING, FAILED, ON_GPU], "unused"),
        ("whisper.cpp", [ON_GPU, USING, ON_CPU.replace("model_load", "vad_init_with_params"), NO_GPU], "used"),
        ("whisper.cpp", [ON_CPU, NO_GPU], "unused"),
        ("vllm", [VLLM.format("8.77"), VLLM_TOKENS], "used"),
        ("vllm", [VLLM.format("0.31")], "used"),
        ("vllm", [VLLM_GIVEN, VLLM_TOKENS], "used"),
        ("vllm", [VLLM_CPU, VLLM_TOKENS], "unused"),
        ("vllm", [VLLM.format("-1.20")], "unused"),
        ("vllm", [VLLM.format("8.77"), "RuntimeError: No CUDA GPUs are available"], "unused"),
        ("sglang", [*SGLANG_BOTH, SGLANG], "used"),
        ("sglang", [*SGLANG_BOTH, SGLANG.replace("gpu", "cpu")], "unused"),
        ("sglang", [SGLANG, "CUDA error: no CUDA-capable device is detected"], "unused"),
    ],
)
def test_the_gpu_is_used_when_the_model_is_there_and_nothing_failed(
    engine: str, lines: list[str], verdict: str
) -> None:
    assert judged(engine, lines)[0] == verdict


@pytest.mark.parametrize(
    ("lines", "argv", "verdict", "text"),
    [
        (
            "20/37",
            "--n-gpu-layers 20",
            "asked",
            "partly on the GPU by its options (--n-gpu-layers 20): 20 of 37 layers",
        ),
        ("8/37", "--n-gpu-layers 20", "partial", "only 8 of 37 layers are on the GPU"),
        ("37/37", "--gpu-layers 99", "used", ""),
        ("8/37", "--gpu-layers 99", "partial", "only 8 of 37"),
        ("8/37", "--gpu-layers auto", "partial", "only 8 of 37"),
        ("8/37", "--n-gpu-layers -1", "partial", "only 8 of 37"),
        ("37/37 0/29", "--spec-draft-ngl 0", "asked", "(--spec-draft-ngl 0): 0 of 29 layers"),
        ("8/37 0/29", "--spec-draft-ngl 0", "partial", "only 8 of 37 layers are"),
        # The number of another model's option says nothing about this one.
        ("8/37", "--spec-draft-ngl 8", "partial", "only 8 of 37"),
        ("8/37 29/29", "--spec-draft-ngl 8", "partial", "only 8 of 37"),
        ("8/37 8/29", "--n-gpu-layers 8", "partial", "only 8 of 29"),
        ("8/37 4/29", "--n-gpu-layers 8 --gpu-layers-draft 4", "asked", "8 of 37 layers, 4 of 29 layers"),
        ("8/37", "--gpu-layers 8 --n-gpu-layers 99", "partial", "only 8 of 37"),
        ("8/37", "--n-gpu-layers 0 --gpu-layers 99", "partial", "only 8 of 37"),
        ("37/37", "--cpu-moe --jinja", "asked", "partly on the GPU by its options (--cpu-moe)"),
        ("8/37", "--cpu-moe --jinja", "partial", "only 8 of 37"),
        ("8/37", "--n-cpu-moe 0", "partial", "only 8 of 37"),
        ("37/37", "--override-tensor exps=CPU", "asked", "(--override-tensor exps=CPU)"),
        ("37/37", "--no-mmproj-offload", "asked", "(--no-mmproj-offload)"),
        ("0/37", "--device none", "asked", "on the CPU by its options (--device none)"),
        ("37/37", "--device CUDA0", "used", ""),
    ],
)
def test_less_is_enough_where_the_options_ask_for_less(lines: str, argv: str, verdict: str, text: str) -> None:
    told = [f"load_tensors: offloaded {count} layers to GPU" for count in lines.split()]
    found, why = judged("llama.cpp", [BUFFER, *told], argv)
    assert found == verdict
    assert text in why if text else why == ""


def test_variables_ask_as_options_do() -> None:
    told = [BUFFER, "load_tensors: offloaded 20/37 layers to GPU"]
    assert judged("llama.cpp", told)[0] == "partial"
    found, why = judged("llama.cpp", told, LLAMA_ARG_N_GPU_LAYERS="20")
    assert (found, why.partition(": ")[2]) == ("asked", "20 of 37 layers")
    assert "LLAMA_ARG_N_GPU_LAYERS=20" in why
    spec = ENGINES["llama.cpp"]["gpu"]
    assert asked(spec, [], {"LLAMA_ARG_CPU_MOE": "off"}) == {
        "none": [],
        "part": [],
        "layers": {},
        "draft_layers": {},
    }


@pytest.mark.parametrize("number", ["0", "8"])
def test_an_option_overrides_its_variable(number: str) -> None:
    told = [BUFFER, "load_tensors: offloaded 8/37 layers to GPU"]
    for option in ("--n-gpu-layers 99", "--gpu-layers auto"):
        found, why = judged("llama.cpp", told, option, LLAMA_ARG_N_GPU_LAYERS=number)
        assert found == "partial" and "only 8 of 37" in why
    assert judged("llama.cpp", told, "--device CUDA0", LLAMA_ARG_DEVICE="none")[0] == "partial"
    # These add to each other.
    assert judged("llama.cpp", [BUFFER, FULL], "--n-cpu-moe 0", LLAMA_ARG_N_CPU_MOE="5")[0] == "asked"


def test_a_cut_model_is_not_what_was_asked_of_its_draft_model() -> None:
    assert judged("llama.cpp", log("llama-partial-offload.txt"), "--spec-draft-ngl 8")[0] == "partial"


def test_what_was_asked_is_told_on_one_line() -> None:
    spec = ENGINES["llama.cpp"]["gpu"]
    (text,) = asked(spec, ["--override-tensor", "a=CPU\nREADY=1," * 40], {})["part"]
    assert "\n" not in text and len(text) == 80


def test_whisper_without_a_gpu_by_its_options() -> None:
    assert judged("whisper.cpp", [ON_CPU, NO_GPU], "--no-gpu") == ("asked", "on the CPU by its options (--no-gpu)")


def test_the_need_is_what_the_engine_says() -> None:
    evidence = Evidence(ENGINES["llama.cpp"]["gpu"])
    for line in log("llama-partial-offload.txt"):
        evidence.read(line)
    assert evidence.needs == (13565, 4583)


def test_an_expression_that_picks_out_no_numbers_stops_nothing() -> None:
    evidence = Evidence({"evidence": ["x"], "layers": r"(\w+)/(\w+)?", "needs": "(a)(b)"})
    evidence.read("x one/two ab 1/")
    assert evidence.verdict()[0] == "unused"
    assert evidence.needs is None


# --- From the inventory to the plan ---


def planned(*profiles: Any, extra: dict[str, Any] | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    resolution = real_catalog.run(*profiles, extra=extra)
    return resolution.facts, [problem.text() for problem in resolution.problems]


def test_the_plan_says_what_a_service_keeps_off_the_gpu() -> None:
    whole = {"profile": "qwen3-8b-q5-k-m-llama-cpp", "name": "whole"}
    part = {**whole, "name": "part", "port": 8001, "options": {"n-gpu-layers": 20, "mmproj-offload": False}}
    some = {**whole, "name": "some", "port": 8002, "options": {"n-gpu-layers": 20}}
    services, problems = planned(whole, part, some)
    assert not problems
    assert asked_text(services[0]["gpu"]) == ""
    assert services[0]["gpu"]["layers"] == ENGINES["llama.cpp"]["gpu"]["layers"]
    lines = plan_text(services, 122, 8)
    assert "part: partly on the GPU by its options (--no-mmproj-offload, --n-gpu-layers 20)" in lines
    assert "some: no more layers on the GPU than its options say (--n-gpu-layers 20)" in lines
    assert not [line for line in lines if line.startswith("whole: ")]


@pytest.mark.parametrize(
    ("profile", "given", "place"),
    [
        ("qwen3-8b-q5-k-m-llama-cpp", {"options": {"log-disable": True}}, "options['log-disable']"),
        ("qwen3-8b-q5-k-m-llama-cpp", {"options": {"verbosity": 2}}, "options['verbosity']"),
        ("qwen3-8b-q5-k-m-llama-cpp", {"options": {"log-verbosity": 0}}, "options['log-verbosity']"),
        (
            "qwen3-8b-q5-k-m-llama-cpp",
            {"environment": {"LLAMA_ARG_LOG_VERBOSITY": 1}},
            "environment['LLAMA_ARG_LOG_VERBOSITY']",
        ),
        ("VLLM", {"environment": {"VLLM_LOGGING_LEVEL": "error"}}, "environment['VLLM_LOGGING_LEVEL']"),
        ("VLLM", {"environment": {"VLLM_CONFIGURE_LOGGING": "0"}}, "environment['VLLM_CONFIGURE_LOGGING']"),
        ("SGLANG", {"options": {"log-level": "warning"}}, "options['log-level']"),
    ],
)
def test_what_silences_the_evidence_is_refused(profile: str, given: dict[str, Any], place: str) -> None:
    service = {"profile": PROFILES.get(profile, profile), "name": "quiet", **given}
    _, problems = planned(service)
    (problem,) = problems
    assert problem.startswith("THOR-VALUE-INVALID") and place in problem and "THOR-GPU-UNUSED" in problem


def test_what_lets_the_evidence_be_logged_is_accepted() -> None:
    llama = "qwen3-8b-q5-k-m-llama-cpp"
    services = [
        {"profile": llama, "options": {"verbosity": 3}},
        {"profile": llama, "options": {"verbosity": 4}, "environment": {"LLAMA_ARG_LOG_VERBOSITY": 1}},
        {"profile": llama, "options": {"device": "none", "log-disable": True}},
        {"profile": PROFILES["VLLM"], "environment": {"VLLM_LOGGING_LEVEL": "DEBUG"}},
        {"profile": PROFILES["SGLANG"], "options": {"log-level": "info"}},
    ]
    for service in services:
        found, problems = planned({**service, "name": "told"})
        assert not problems
        assert "silenced_by" not in found[0]["gpu"]


@pytest.mark.parametrize(
    ("gpu", "place", "reason"),
    [
        ({"evidence": ["CUDA("]}, "gpu.evidence[1]", "not a valid Python regular expression"),
        (
            {"layers": r"offloaded (\d+) layers"},
            "gpu.layers",
            "2 groups in parentheses, not 1",
        ),
        ({"evidense": ["CUDA"]}, "gpu.evidense", "evidence"),
    ],
)
def test_what_cannot_work_is_refused(gpu: dict[str, Any], place: str, reason: str) -> None:
    if "evidence" in gpu:
        gpu = {"evidence": ["fine", *gpu["evidence"]]}
    _, problems = planned(extra={"engines": {"llama.cpp": {"gpu": gpu}}})
    assert any(place in problem and reason in problem for problem in problems), problems
