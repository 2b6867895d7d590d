# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Lists of options: read from a help text, stored, held against an argv."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import flags

ROOT = Path(__file__).resolve().parents[3]

# Cut from llama-server --help of 0c1e570, one of each kind of entry.
HELP = """\
----- common params -----

-h,    --help, --usage                  print usage and exit
-c,    --ctx-size N                     size of the prompt context (default: 0, 0 = loaded from model)
                                        (env: LLAMA_ARG_CTX_SIZE)
-fa,   --flash-attn [on|off|auto]       set Flash Attention use ('on', 'off', or 'auto', default: 'auto')
                                        (env: LLAMA_ARG_FLASH_ATTN)
-kvo,  --kv-offload, -nkvo, --no-kv-offload
                                        whether to enable KV cache offloading (default: enabled)
--no-host                               bypass host buffer allowing extra buffers to be used
-ctk,  --cache-type-k TYPE              KV cache data type for K
                                        allowed values: f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1
                                        (default: f16)
--numa TYPE                             attempt optimizations that help on some NUMA systems
                                        - distribute: spread execution evenly over all nodes
-ot,   --override-tensor <tensor name pattern>=<buffer type>,...
                                        override tensor buffer type
--control-vector-layer-range START END
                                        layer range to apply the control vector(s) to
--cpu-strict <0|1>                      use strict CPU placement (default: 0)
--poll <0...100>                        use polling level to wait for work (0 - no polling, default: 50)


----- speculative params -----

--spec-type none,draft-simple,ngram-mod
                                        comma-separated list of types
--draft, --draft-n, --draft-max N       the argument has been removed. use --spec-draft-n-max or
                                        --spec-ngram-mod-n-max
                                        (env: LLAMA_ARG_DRAFT_MAX)
--pooling {none,mean,cls,last,rank}     pooling type for embeddings, use model default if unspecified
--mmproj-auto, --no-mmproj, --no-mmproj-auto
                                        whether to use multimodal projector file (if available)
"""

CACHE_TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]


@pytest.fixture(name="parsed")
def _parsed() -> dict[str, dict[str, object]]:
    return flags.parse_help(HELP)["options"]


def entry(
    aliases: list[str], takes: str = "value", negation: str | None = None, choices: list[str] | None = None
) -> dict[str, object]:
    return {"aliases": aliases, "takes": takes, "negation": negation, "choices": choices}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("--help", entry(["-h", "--usage"], "none")),
        ("--ctx-size", entry(["-c"])),
        ("--kv-offload", entry(["-kvo", "-nkvo"], "none", "--no-kv-offload")),
        ("--no-host", entry([], "none")),
        ("--cache-type-k", entry(["-ctk"], choices=CACHE_TYPES)),
        ("--numa", entry([])),
        ("--override-tensor", entry(["-ot"])),
        ("--control-vector-layer-range", entry([], "many")),
        ("--cpu-strict", entry([], choices=["0", "1"])),
        ("--poll", entry([])),
        ("--spec-type", {**entry([]), "methods": ["none", "draft-simple", "ngram-mod"]}),
        ("--pooling", entry([], choices=["none", "mean", "cls", "last", "rank"])),
        ("--mmproj-auto", entry(["--no-mmproj-auto"], "none", "--no-mmproj")),
    ],
)
def test_each_kind_of_entry_is_read(parsed: dict[str, object], name: str, expected: dict[str, object]) -> None:
    assert parsed[name] == expected


def test_words_that_the_parser_takes_for_on_and_off_are_allowed(parsed: dict[str, dict[str, list[str]]]) -> None:
    assert {"on", "off", "auto", "true", "0"} <= set(parsed["--flash-attn"]["choices"])


def test_removed_options_are_listed_apart_and_keep_their_advice() -> None:
    result = flags.parse_help(HELP)
    assert "--draft" not in result["options"]
    assert result["removed"]["--draft-max"] == "use --spec-draft-n-max or --spec-ngram-mod-n-max"


def test_a_text_without_options_is_refused() -> None:
    with pytest.raises(ValueError, match="neither the --help of llama-server"):
        flags.parse_help("Segmentation fault\n")


def test_unknown_options_of_an_argv_are_named(parsed: dict[str, dict[str, object]]) -> None:
    argv = ["--ctx-size", "-1", "--no-kv-offload", "-nkvo", "-fa", "on", "--nosuch", "--draft-max", "4"]
    assert flags.unknown(argv, parsed) == ["--nosuch", "--draft-max"]


def test_other_spellings_of_vllm_are_known() -> None:
    options = {"--max-model-len": {"kind": "count"}, "--speculative-config": {"kind": "json"}}
    good = [
        "--max_model_len",
        "8192",
        "--speculative_config.method",
        "mtp",
        "--speculative-config.x+",
        "[1]",
        "--max-model-len=-1",
    ]
    assert flags.unknown(good, options) == []
    assert flags.unknown(["--max-model-len.x", "1", "--speculative", "--nosuch=-1"], options) == [
        "--max-model-len.x",
        "--speculative",
        "--nosuch",
    ]


def test_a_file_that_is_not_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"engine": "llama.cpp"}))
    with pytest.raises(ValueError, match="is not a list of options"):
        flags.load(path)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "roles/catalog/files/flags").glob("llama.cpp-*.json")), ids=lambda p: p.stem
)
def test_stored_lists_know_what_the_collection_passes(path: Path) -> None:
    stored = flags.load(path)
    assert path.stem == f"{stored['engine']}-{stored['version']}"
    argv = [
        "--model",
        "--alias",
        "--host",
        "--port",
        "--ctx-size",
        "--jinja",
        "--reasoning-budget",
        "--mmproj",
        "--metrics",
    ]
    assert flags.unknown(argv, stored["options"]) == []


# Cut from whisper-server --help of 1.8.5, one of each kind of entry.
WHISPER = """\

usage: /opt/thor/engines/whisper.cpp/1.8.5/bin/whisper-server [options]

options:
  -h,        --help                      [default] show this help message and exit
  -t N,      --threads N                 [2      ] number of threads to use during computation
  -wt N,     --word-thold N              [0.01   ] word timestamp probability threshold
  -sow,      --split-on-word             [false  ] split on word rather than on token
  -nf,       --no-fallback               [false  ] do not use temperature fallback while decoding
             --prompt PROMPT             [       ] initial prompt
  -dtw MODEL --dtw MODEL                 [       ] compute token-level timestamps
  --host HOST,                           [127.0.0.1] Hostname/ip-adress for the server
  --convert,                             [false  ] Convert audio to WAV, requires ffmpeg on the server
  --tmp-dir,                             [.      ] Temporary directory for ffmpeg transcoded files
  -fa,       --flash-attn                [true   ] enable flash attention
  -nfa,      --no-flash-attn             [false  ] disable flash attention
  -vmsd N,   --vad-max-speech-duration-s   N [FLT_MAX] VAD max speech duration (auto-split longer)
"""


def test_the_help_of_whisper_server_is_read_too() -> None:
    parsed = flags.parse_help(WHISPER)["options"]
    assert {name: one["takes"] for name, one in parsed.items()} == {
        "--help": "none",
        "--threads": "value",
        "--word-thold": "value",
        "--split-on-word": "none",
        "--no-fallback": "none",
        "--prompt": "value",
        "--dtw": "value",
        "--host": "value",
        "--convert": "none",
        "--tmp-dir": "value",  # its help does not say so
        "--flash-attn": "none",
        "--vad-max-speech-duration-s": "value",
    }
    assert parsed["--flash-attn"]["negation"] == "--no-flash-attn" and "-nfa" in parsed["--flash-attn"]["aliases"]
    assert parsed["--no-fallback"]["negation"] is None
    assert parsed["--dtw"]["aliases"] == ["-dtw"]
    kinds = {name: one.get("kind") for name, one in parsed.items() if one.get("kind")}
    assert kinds == {"--threads": "whole", "--word-thold": "number", "--vad-max-speech-duration-s": "number"}


def test_the_stored_list_of_whisper_server_holds_what_its_profiles_say() -> None:
    stored = flags.load(ROOT / "roles/catalog/files/flags/whisper.cpp-1.8.5.json")["options"]
    assert (
        flags.unknown(["--model", "x", "--print-progress", "--tmp-dir", "/tmp", "--inference-path", "/x"], stored) == []
    )
    assert flags.unknown(["--inference-pth", "/x"], stored) == ["--inference-pth"]
