#!/usr/bin/python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for vLLM and for SGLang: their command lines and their HTTP interfaces, without an engine behind them.

In an image it is started like the real ones: ``vllm serve PATH ...`` or ``python -m sglang.launch_server
--model-path PATH ...``. It accepts the options of flags.json, which were read out of the real parser of this version, and
refuses others as argparse does (code 2). What it answers is made up; which sampling values, template and arguments are in
effect is real, and every answer reports it in a field ``standin`` (``GET /standin`` too).

A speech model (Whisper) accepts recordings at /v1/audio/transcriptions, and refuses them where Python cannot import soundfile, as
vLLM does. A vision model (Qwen2.5-VL) accepts images: by http, where the process may fetch them (proxies of the environment count,
``--allowed-media-domains`` too), and by file:// below ``--allowed-local-media-path``.

A pooling model (``--runner pooling``, ``--convert``, ``--task`` of older versions, or its architecture) has no chat, but vectors or scores:
vLLM registers the paths of the tasks that a model has, and answers 404 to others. They are bags of words, so related texts are nearer to
each other. A chat that offers tools gets a call with the first choice of each argument, by the rules of each engine about its tool parser.
With speculation every step yields accepted tokens too, and is counted as vLLM and SGLang count it.

At SIGTERM it finishes running answers. SGLang does so; vLLM drops them (0.10.2, and 0.20.1 without its
``--shutdown-timeout``): in this the stand-in is kinder.

A POST to ``/standin/hang`` (no answers any more, vLLM's ``/health`` stays green), ``/standin/silent`` (nothing is answered at all),
``/standin/errors`` (code 500), ``/standin/exit?code=1`` and ``/standin/mend`` makes and mends faults.

Environment: STANDIN_LOAD_SECONDS (1.5), STANDIN_COMPILE_SECONDS (1, at the first start with an empty cache),
STANDIN_TOKEN_SECONDS (0.005), STANDIN_FAULT (die: ends while loading; hang: loads for ever; errors: as above; cpu: its log is that
of an engine without a GPU).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import email
import email.policy
import importlib
import json
import math
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
FLAGS = Path(os.environ.get("STANDIN_FLAGS", HERE / "flags.json"))
CACHE = Path(os.environ.get("STANDIN_CACHE", "/root/.cache"))

THOUGHT = "Someone asks a stand-in. It has no model, so it says what it always says."
ANSWER = (
    "Hello! I am a stand-in for {engine} {version}: the command line and the interface are its own, the words are not."
)

HEARD = "A stand-in has no ears: it heard a sound of {seconds:.1f} seconds."
LISTENS = "WhisperForConditionalGeneration"
SEES = "Qwen2_5_VLForConditionalGeneration"

# Defaults if neither the model nor the user sets a value.
NEUTRAL = {"repetition_penalty": 1.0, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
# vLLM looks for these in a generation_config.json (ModelConfig.get_diff_sampling_param).
FROM_GENERATION_CONFIG = ("repetition_penalty", "temperature", "top_k", "top_p", "min_p", "max_new_tokens")
REQUEST_KEYS = (*NEUTRAL, "presence_penalty", "frequency_penalty", "seed")


class Refusal(Exception):
    """Why the engine ends before it serves; ends it with code 1."""


class BadRequest(Exception):
    """Why a request is refused; ``status`` is the HTTP code."""

    def __init__(self, status: int, message: str, kind: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def words_of(text: str) -> list[str]:
    """Words in small letters."""
    return re.findall(r"\w+", text.lower())


# --- the command line ---------------------------------------------------------------------------------------------


def json_value(text: str) -> Any:
    """A value that must be JSON, refused with vLLM's message."""
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"Value {text} cannot be converted to <function loads>.") from None


def whole(text: str) -> int | str:
    """A whole number; vLLM takes some of them as ``auto`` or with a letter too (65k)."""
    if text == "auto" or re.fullmatch(r"\d+(\.\d+)?[kKmMgGtT]", text):
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid int value: {text!r}") from None


# The kinds in a stored list. SGLang's parser does not check JSON.
TYPES: dict[str, dict[str, Callable[[str], Any]]] = {
    "vllm": {"whole": whole, "count": whole, "number": float, "fraction": float, "json": json_value},
    "sglang": {"whole": whole, "count": whole, "number": float, "fraction": float},
}


def add_options(parser: argparse.ArgumentParser, flags: dict[str, Any]) -> None:
    """Give a parser the options of a stored list (plugins/module_utils/flags.py)."""
    for name, entry in flags["options"].items():
        names = [name, *entry.get("aliases", ())]
        if "--help" in names:
            continue
        if entry["takes"] == "none":
            dest = name.lstrip("-").replace("-", "_")
            # vLLM 0.33 also pairs --enable-x with --disable-x.
            negation = entry.get("negation")
            off = [one for one in (negation, *names[1:]) if one and (one == negation or one.startswith("--no-"))]
            parser.add_argument(*[one for one in names if one not in off], dest=dest, action="store_const", const=True)
            if off:
                parser.add_argument(*off, dest=dest, action="store_const", const=False)
            continue
        convert = TYPES[flags["engine"]].get(str(entry.get("kind")), str)
        choices = [convert(str(one)) for one in entry["choices"]] if entry.get("choices") else None
        shapes: dict[str, dict[str, Any]] = {"many": {"nargs": "+"}, "optional": {"nargs": "?", "const": True}}
        more = shapes.get(entry["takes"], {})
        parser.add_argument(*names, type=convert, choices=choices, **more)


def parse_vllm(flags: dict[str, Any], argv: list[str]) -> argparse.Namespace:
    """Read ``vllm serve [PATH] ...``; its own parser takes underscores for dashes in the names of options."""
    if argv[:1] in (["--version"], ["-v"]):
        print(flags.get("engine_version") or flags["version"])
        raise SystemExit(0)
    head = argparse.ArgumentParser(prog="vllm")
    parser = head.add_subparsers(dest="subparser", required=True).add_parser("serve")
    add_options(parser, flags)
    parser.add_argument("model_tag", nargs="?")

    def dashed(word: str) -> str:
        name, equals, value = word.partition("=")
        return name.replace("_", "-") + equals + value if name.startswith("--") else word

    options = head.parse_args(undotted([dashed(word) for word in argv]))
    options.path = options.model_tag or getattr(options, "model", None)
    if not options.path:
        raise Refusal("no model: the stand-in has none to fall back to")
    return options


def undotted(argv: list[str]) -> list[str]:
    """``--name.key value`` as ``--name JSON``, one for all keys of a name (vLLM 0.33.0: utils/argparse_utils.py)."""
    rest: list[str] = []
    mappings: dict[str, dict[str, Any]] = {}
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if not re.fullmatch(r"--[\w-]+(\.[\w-]+)+", name):
            rest.append(word)
            continue
        text = value if equals else next(words, "")
        option, *keys = name.split(".")
        target = mappings.setdefault(option, {})
        for key in keys[:-1]:
            target = target.setdefault(key.replace("-", "_"), {})
        try:
            target[keys[-1].replace("-", "_")] = json.loads(text)
        except ValueError:
            target[keys[-1].replace("-", "_")] = text
    return [*rest, *(word for name, mapping in mappings.items() for word in (name, json.dumps(mapping)))]


def parse_sglang(flags: dict[str, Any], argv: list[str]) -> argparse.Namespace:
    """Read the arguments after ``python -m sglang.launch_server``."""
    parser = argparse.ArgumentParser(prog="launch_server.py")
    add_options(parser, flags)
    options = parser.parse_args(argv)
    options.path = getattr(options, "model_path", None)
    if not options.path:
        parser.error("the following arguments are required: --model-path/--model")
    return options


# --- the engine ---------------------------------------------------------------------------------------------------


class Engine:
    """The settings in effect, the counters, and the requested fault."""

    def __init__(self, flags: dict[str, Any], options: argparse.Namespace, argv: list[str]) -> None:
        self.kind: str = flags["engine"]
        self.version: str = flags["version"]
        self.known: dict[str, Any] = flags["options"]
        self.argv = argv
        self.options = options
        self.path = Path(options.path)
        names = self.option("served_model_name") or options.path
        self.names: list[str] = names if isinstance(names, list) else [names]
        self.host: str = self.option("host") or ("0.0.0.0" if self.kind == "vllm" else "127.0.0.1")
        self.port = int(self.option("port") or (8000 if self.kind == "vllm" else 30000))
        self.token_seconds = float(os.environ.get("STANDIN_TOKEN_SECONDS", "0.005"))
        self.fault = "errors" if os.environ.get("STANDIN_FAULT") == "errors" else ""
        self.lock = threading.Condition()
        self.ready = False
        self.running = 0
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.finished = 0
        self.steps = self.drafted = self.accepted = 0
        self.compiled = ""
        config = self.read("config.json")
        length = self.option("max_model_len") or self.option("context_length")
        self.max_len = (
            length if isinstance(length, int) and length > 0 else int(config.get("max_position_embeddings", 4096))
        )
        self.check(config)
        overrides = json.loads(self.option("hf_overrides") or "{}")
        self.architecture: str = (overrides.get("architectures") or config["architectures"])[0]
        self.dimension = int(config.get("hidden_size", 64))
        self.adapters = self.lora_modules()
        self.drafts = self.drafted_tokens()
        self.thinks = not self.template_blocks_thinking()
        self.chat_defaults, self.generate_defaults = self.sampling_defaults()

    def option(self, name: str) -> Any:
        """The value of an option; None if it is not set or this version does not have it."""
        return getattr(self.options, name, None)

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the model. Raises Refusal if the folder is not a model."""
        if not (self.path / "config.json").is_file():
            raise Refusal(f"Invalid repository ID or local directory specified: '{self.path}': it has no config.json")
        file = self.path / name
        if not file.is_file():
            return {}
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise Refusal(f"{file} is not valid JSON: {error}") from None
        if not isinstance(found, dict):
            raise Refusal(f"{file} holds no JSON object")
        return found

    def check(self, config: dict[str, Any]) -> None:
        """Checks that the real engines make after parsing. Raises Refusal."""
        if not config.get("architectures"):
            raise Refusal(f"{self.path}/config.json names no architecture")
        if not any(self.path.glob("*.safetensors")):
            raise Refusal(f"Cannot find any model weights with `{self.path}`")
        for name in ("gpu_memory_utilization", "mem_fraction_static"):
            share = self.option(name)
            if share is not None and not 0 < float(share) <= 1:
                raise Refusal(f"--{name.replace('_', '-')} must be above 0 and at most 1, and is {share}")

    def template_blocks_thinking(self) -> bool:
        """Whether the given template always begins an answer with an empty thought."""
        template = self.option("chat_template")
        if not template:
            return False
        if not re.search(r"[{}\n]", template):
            if not Path(template).is_file():
                if self.kind == "vllm":
                    raise Refusal(
                        f"The supplied chat template string ({template}) appears path-like, but doesn't exist!"
                    )
                raise Refusal(
                    f"Chat template {template} is not a built-in template name or a valid chat template file path."
                )
            template = Path(template).read_text(encoding="utf-8")
        return bool(re.search(r"<think>(?:\\n|\s)*</think>", template)) and "enable_thinking" not in template

    def sampling_defaults(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values for a request that sets none: for the OpenAI interface, and for SGLang's own /generate."""
        neutral = dict(NEUTRAL) if self.kind == "vllm" else {**NEUTRAL, "top_k": -1}
        chat = dict(neutral)
        if self.kind == "vllm":
            source = self.option("generation_config") or "auto"
        elif "--sampling-defaults" in self.known:
            source = self.option("sampling_defaults") or "model"
        else:
            # 0.5.3 and earlier (openai/protocol.py) ignore the model's own values.
            source = "openai"
            chat["temperature"] = 0.7
        if source in ("auto", "model"):
            chat.update(self.from_model(self.read("generation_config.json")))
        elif source not in ("vllm", "openai"):
            chat.update(
                self.from_model(json.loads((Path(source) / "generation_config.json").read_text(encoding="utf-8")))
            )
        if self.kind == "vllm":
            override = self.option("override_generation_config") or {}
            chat.update(self.from_model(json.loads(override) if isinstance(override, str) else override))
            return chat, chat
        # SGLang's chat always sends its own values: the preferred ones reach only /generate.
        preferred = self.option("preferred_sampling_params") or "{}"
        try:
            wanted = json.loads(preferred) if isinstance(preferred, str) else preferred
        except ValueError as error:
            raise Refusal(f"--preferred-sampling-params is no JSON: {error}") from None
        return chat, {**neutral, **wanted}

    @staticmethod
    def from_model(config: dict[str, Any]) -> dict[str, Any]:
        """The sampling values in a generation config."""
        return {key: config[key] for key in FROM_GENERATION_CONFIG if config.get(key) is not None}

    def task(self) -> str:
        """What the model is for: generate, embed or classify (vLLM 0.33.0: config/model.py, runner and convert)."""
        convert, said = self.option("convert"), self.option("task")
        if convert == "classify" or said in ("classify", "score") or "ForSequenceClassification" in self.architecture:
            return "classify"
        is_embedder = (
            convert == "embed" or said == "embed" or re.search(r"(Embedding|Bert|Roberta)\w*Model$", self.architecture)
        )
        return "embed" if is_embedder or self.option("runner") == "pooling" else "generate"

    def lora_modules(self) -> dict[str, str]:
        """Adapters by name, with their paths: NAME=PATH, or JSON (vLLM 0.33.0: entrypoints/openai/cli_args.py)."""
        found: dict[str, str] = {}
        for one in (self.option("lora_modules") or []) if self.option("enable_lora") else []:
            said = (
                json.loads(one) if one.startswith("{") else dict(zip(("name", "path"), one.split("=", 1), strict=True))
            )
            if not Path(said["path"]).exists():
                raise Refusal(f"Loading lora {said['name']} failed: No adapter found for {said['path']}")
            found[said["name"]] = said["path"]
        return found

    def drafted_tokens(self) -> int:
        """How many tokens one step drafts; 0 without speculation."""
        if self.kind == "sglang":
            # The first of them is the model's own (speculative_num_draft_tokens in server_args.py).
            return (
                int(self.option("speculative_num_draft_tokens") or 4) - 1 if self.option("speculative_algorithm") else 0
            )
        said = self.option("speculative_config") or {}
        if self.option("spec_tokens"):
            return int(self.option("spec_tokens"))
        if said and not said.get("num_speculative_tokens"):
            raise Refusal(
                "num_speculative_tokens must be provided with speculative model unless the draft model config has it."
            )
        return int(said.get("num_speculative_tokens") or 0)

    def facts(self) -> dict[str, Any]:
        """The settings in effect, for tests."""
        shown = {
            key: value
            for key, value in os.environ.items()
            if key.startswith(("VLLM_", "SGLANG_", "NVIDIA_", "TRITON_", "STANDIN_"))
        }
        return {
            "engine": self.kind,
            "version": self.version,
            "argv": self.argv,
            "thinks": self.thinks,
            "sampling": self.chat_defaults,
            "generate_sampling": self.generate_defaults,
            "cache": self.compiled,
            "environment": shown,
        }

    def load(self) -> None:
        """Take the time of loading, and leave in the cache what compiling leaves there."""
        seconds = float(os.environ.get("STANDIN_LOAD_SECONDS", "1.5"))
        self.log(f"Starting to load model {self.path}...")
        time.sleep(seconds / 2)
        if os.environ.get("STANDIN_FAULT") == "die":
            raise Refusal("CUDA error: an illegal memory access was encountered")
        while os.environ.get("STANDIN_FAULT") == "hang":
            time.sleep(3600)
        self.log("Loading weights took 0.01 seconds")
        self.compile()
        self.log_memory()

    def log_memory(self) -> None:
        """Log lines about memory, on a GPU and on a CPU (vLLM 0.11.0: v1/worker/gpu_worker.py, v1/core/kv_cache_utils.py;
        SGLang 0.5.3: mem_cache/memory_pool.py, model_executor/model_runner.py, managers/scheduler.py).
        """
        cpu = os.environ.get("STANDIN_FAULT") == "cpu"
        if self.kind == "vllm":
            if not cpu:
                self.log("Available KV cache memory: 8.77 GiB")
            self.log("GPU KV cache size: 63,856 tokens")
            self.log(f"Maximum concurrency for {self.max_len:,} tokens per request: {63856 / self.max_len:.2f}x")
            return
        self.log(
            "Load weight end. type=Qwen3ForCausalLM, dtype=torch.bfloat16, avail mem=101.02 GB, mem usage=15.41 GB."
        )
        self.log("KV Cache is allocated. #tokens: 63856, K size: 4.39 GB, V size: 4.39 GB")
        self.log("Memory pool end. avail mem=91.98 GB")
        where = "available_cpu_mem" if cpu else "available_gpu_mem"
        self.log(
            "max_total_num_tokens=63856, chunked_prefill_size=8192, max_prefill_tokens=16384, max_running_requests=2048, "
            f"context_len={self.max_len}, {where}=91.06 GB"
        )

    def compile(self) -> None:
        """Take the time of compiling at the first start, and none if the cache has the result."""
        marker = CACHE / self.kind / "torch_compile_cache" / f"standin-{self.version}"
        if marker.is_file():
            self.compiled = "hit"
            self.log(f"Directly load the compiled graph(s) from the cache: cache hit at {marker}")
            return
        compile_seconds = float(os.environ.get("STANDIN_COMPILE_SECONDS", "1"))
        time.sleep(compile_seconds)
        self.compiled = "compiled"
        self.log(f"torch.compile takes {compile_seconds:.2f} s in total: compiled into {marker}")
        try:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.write_text("compiled\n")
        except OSError as error:
            self.log(f"the cache cannot be written: {error}")

    def log(self, text: str) -> None:
        """One line in the engine's format."""
        if self.kind == "vllm":
            print(
                f"(APIServer pid={os.getpid()}) INFO {time.strftime('%m-%d %H:%M:%S')} [standin.py:1] {text}",
                flush=True,
            )
        else:
            print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {text}", flush=True)

    # --- requests

    def drain(self) -> None:
        """Wait until no request is running."""
        with self.lock:
            self.lock.wait_for(lambda: self.running == 0)

    @contextlib.contextmanager
    def request(self, prompt_tokens: int) -> Iterator[None]:
        """One request that counts as running; hangs or fails if requested."""
        with self.lock:
            self.running += 1
            self.prompt_tokens += prompt_tokens
        try:
            while self.fault == "hang":
                time.sleep(0.05)
            if self.fault == "errors":
                raise BadRequest(500, "CUDA error: an illegal memory access was encountered", "InternalServerError")
            yield
        finally:
            with self.lock:
                self.running -= 1
                self.finished += 1
                self.lock.notify_all()

    def generate(self, text: str, limit: int, for_ever: bool) -> Iterator[str]:
        """The tokens of a text, one by one at the engine's pace; ``for_ever`` continues until the limit."""
        pieces = re.findall(r"\s*\S+", text)
        for number in range(limit if for_ever else min(limit, len(pieces))):
            if self.begins_step(number):
                time.sleep(self.token_seconds)
            while self.fault == "hang":
                time.sleep(0.05)
            with self.lock:
                self.generation_tokens += 1
            yield pieces[number] if number < len(pieces) else pieces[-1 - (number % 2)]

    def begins_step(self, number: int) -> bool:
        """Whether this token of an answer needs a step of its own; the draft of a step is right for every second of its tokens."""
        accepted = self.drafts - self.drafts // 2 if self.drafts else 0
        if number % (1 + accepted):
            return False
        with self.lock:
            self.steps += 1
            self.drafted += self.drafts
            self.accepted += accepted
        return True

    def metrics(self) -> str:
        """Prometheus' text, in the engine's own names."""
        if self.kind == "vllm":
            label, prefix = f'{{engine="0",model_name="{self.names[0]}"}}', "vllm:"
            rows = {
                "num_requests_running": ("gauge", self.running),
                "num_requests_waiting": ("gauge", 0),
                "kv_cache_usage_perc": ("gauge", 0),
                "prompt_tokens_total": ("counter", self.prompt_tokens),
                "generation_tokens_total": ("counter", self.generation_tokens),
                "request_success_total": ("counter", self.finished),
            }
            if self.drafts:  # v1/spec_decode/metrics.py registers them only then
                rows |= {
                    "spec_decode_num_drafts_total": ("counter", self.steps),
                    "spec_decode_num_draft_tokens_total": ("counter", self.drafted),
                    "spec_decode_num_accepted_tokens_total": ("counter", self.accepted),
                    "spec_decode_num_accepted_tokens_created": ("gauge", 1_760_000_000),
                }
        else:
            label, prefix = f'{{model_name="{self.names[0]}"}}', "sglang:"
            rows = {
                "num_running_reqs": ("gauge", self.running),
                "num_queue_reqs": ("gauge", 0),
                "prompt_tokens_total": ("counter", self.prompt_tokens),
                "generation_tokens_total": ("counter", self.generation_tokens),
            }
        return "".join(
            f"# TYPE {prefix}{name} {kind}\n{prefix}{name}{label} {float(value)}\n"
            for name, (kind, value) in rows.items()
        )


# --- the interface ------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """The HTTP interfaces of both engines; each answers its own paths only."""

    protocol_version = "HTTP/1.1"
    engine: Engine
    called: tuple[str, str] | None = None

    def log_message(self, *args: Any) -> None:
        """One line per request, like uvicorn; ``args`` are http.server's format, request, status, size."""
        if urlsplit(self.path).path not in ("/health", "/metrics"):
            client = f"{self.client_address[0]}:{self.client_address[1]}"
            print(f'INFO:     {client} - "{self.requestline}" {int(args[2])}', flush=True)

    def do_GET(self) -> None:
        """Answer requests without a body."""
        self.answer("GET", {})

    def do_POST(self) -> None:
        """Answer requests with a JSON body or a form."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type") or ""
        if kind.startswith("multipart/form-data"):
            message = email.message_from_bytes(
                f"Content-Type: {kind}\r\n\r\n".encode() + content, policy=email.policy.HTTP
            )
            self.answer(
                "POST",
                {str(part.get_param("name", header="content-disposition")): part for part in message.iter_parts()},
            )
            return
        try:
            body = json.loads(content or b"{}")
        except ValueError as error:
            self.error(BadRequest(400, f"Invalid JSON: {error}"))
            return
        if not isinstance(body, dict):
            self.error(BadRequest(422, "the body has to be a JSON object"))
            return
        self.answer("POST", body)

    def answer(self, method: str, body: dict[str, Any]) -> None:
        """Find the handler of a path, and turn its exceptions into answers."""
        engine = self.engine
        url = urlsplit(self.path)
        vllm = engine.kind == "vllm"
        while engine.fault == "silent" and not url.path.startswith("/standin"):
            time.sleep(0.05)
        answers: dict[tuple[str, str], Callable[[], None]] = {
            ("GET", "/health"): self.health if vllm else self.health_generate,
            ("GET", "/v1/models"): self.models,
            ("GET", "/standin"): lambda: self.reply(200, engine.facts()),
            ("POST", "/v1/chat/completions"): lambda: self.chat(body),
            ("POST", "/v1/completions"): lambda: self.completion(body),
        }
        if vllm and engine.architecture == LISTENS:
            answers["POST", "/v1/audio/transcriptions"] = lambda: self.transcription(body)
            answers["POST", "/v1/chat/completions"] = self.no_chat
        if vllm and (task := engine.task()) != "generate":
            for path in ("/v1/chat/completions", "/v1/completions"):
                del answers["POST", path]
            if task == "embed":
                answers["POST", "/v1/embeddings"] = lambda: self.embeddings(body)
            else:
                answers["POST", "/rerank"] = answers["POST", "/v1/rerank"] = lambda: self.rerank(body)
        if vllm:
            answers["GET", "/version"] = lambda: self.reply(200, {"version": engine.version})
        else:
            answers["GET", "/health_generate"] = self.health_generate
            answers["GET", "/get_model_info"] = self.model_info
            answers["GET", "/get_server_info"] = self.server_info
            answers["POST", "/generate"] = lambda: self.native(body)
        if vllm or engine.option("enable_metrics"):
            answers["GET", "/metrics"] = lambda: self.send(200, engine.metrics().encode(), "text/plain; version=0.0.4")
        if method == "POST" and url.path.startswith("/standin/"):
            self.make_fault(url.path.removeprefix("/standin/"), url.query)
            return
        answer = answers.get((method, url.path))
        try:
            if answer is None:
                raise BadRequest(404, "Not Found", "NotFoundError")
            if method == "POST":
                self.authorize()
                if not engine.ready:
                    # vllm#15313: vLLM's /health is green before this is over.
                    raise BadRequest(503, "the model is still being loaded", "ServiceUnavailableError")
            answer()
        except BadRequest as problem:
            self.error(problem)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def authorize(self) -> None:
        """Require the key if one is set."""
        keys = self.engine.option("api_key") or os.environ.get("VLLM_API_KEY")
        if keys and self.headers.get("Authorization") not in [
            f"Bearer {key}" for key in ([keys] if isinstance(keys, str) else keys)
        ]:
            raise BadRequest(401, "Unauthorized", "Unauthorized")

    def health(self) -> None:
        """vLLM's: green as soon as the port is open, no matter what the engine does."""
        self.send(200, b"", "text/plain")

    def health_generate(self) -> None:
        """SGLang's, under both names (http_server.py of 0.5.3): a token must arrive within 20 s."""
        end = time.monotonic() + 20
        while self.engine.fault == "hang" and time.monotonic() < end:
            time.sleep(0.05)
        healthy = self.engine.ready and self.engine.fault != "hang"
        self.send(200 if healthy else 503, b"", "text/plain")

    def models(self) -> None:
        """The list of served names."""
        engine = self.engine
        entry = {"object": "model", "created": int(time.time()), "owned_by": engine.kind, "root": str(engine.path)}
        cards = [{"id": name, **entry, "parent": None, "max_model_len": engine.max_len} for name in engine.names]
        of_adapters = {"parent": engine.names[0], "max_model_len": None}
        cards += [{**entry, "id": name, "root": path, **of_adapters} for name, path in engine.adapters.items()]
        self.reply(200, {"object": "list", "data": cards})

    def model_info(self) -> None:
        """SGLang's own description."""
        preferred = self.engine.option("preferred_sampling_params")
        path = str(self.engine.path)
        self.reply(
            200,
            {"model_path": path, "tokenizer_path": path, "is_generation": True, "preferred_sampling_params": preferred},
        )

    def server_info(self) -> None:
        """SGLang's settings and counters; the accepted length is a mean since the start, and only there with speculation."""
        engine = self.engine
        state: dict[str, Any] = {"last_gen_throughput": 0.0}
        if engine.drafts and engine.steps:
            state["avg_spec_accept_length"] = 1 + engine.accepted / engine.steps
        self.reply(200, {"model_path": str(engine.path), "version": engine.version, "internal_states": [state]})

    def served(self, body: dict[str, Any]) -> str:
        """The model that a request names, which vLLM checks."""
        engine = self.engine
        name = body.get("model") or engine.names[0]
        if engine.kind == "vllm" and name not in (*engine.names, *engine.adapters):
            raise BadRequest(404, f"The model `{name}` does not exist.", "NotFoundError")
        return str(name) if name in engine.adapters else engine.names[0]

    def embeddings(self, body: dict[str, Any]) -> None:
        """The OpenAI embedding interface (vLLM 0.33.0: entrypoints/pooling/embed)."""
        engine, model = self.engine, self.served(body)
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise BadRequest(400, "[{'type': 'missing', 'loc': ('body', 'input'), 'msg': 'Field required'}]")
        tokens = sum(len(text.split()) + 1 for text in texts)
        with engine.request(tokens):
            time.sleep(engine.token_seconds)
            data = [
                {"index": index, "object": "embedding", "embedding": self.vector(text, body.get("encoding_format"))}
                for index, text in enumerate(texts)
            ]
        head = {"id": f"embd-{uuid.uuid4().hex}", "object": "list", "created": int(time.time()), "model": model}
        self.reply(200, {**head, "data": data, "usage": self.usage(tokens, 0)})

    def vector(self, text: str, encoding: str | None) -> list[float] | str:
        """A bag of words of length 1."""
        counts = [0.0] * self.engine.dimension
        for word in words_of(text):
            counts[zlib.crc32(word.encode()) % len(counts)] += 1
        length = math.hypot(*counts) or 1.0
        vector = [count / length for count in counts]
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if encoding == "base64" else vector

    def rerank(self, body: dict[str, Any]) -> None:
        """Jina's rerank interface, the best first (vLLM 0.33.0: entrypoints/pooling/scoring)."""
        engine, model = self.engine, self.served(body)
        query, documents = body.get("query"), body.get("documents")
        if not isinstance(query, str) or not isinstance(documents, list) or not documents:
            raise BadRequest(400, "[{'type': 'missing', 'loc': ('body', 'query'), 'msg': 'Field required'}]")
        wanted = set(words_of(query))
        tokens = sum(len(text.split()) + len(wanted) for text in documents)
        with engine.request(tokens):
            time.sleep(engine.token_seconds)
        results: list[dict[str, Any]] = [
            {
                "index": index,
                "document": {"text": text, "multi_modal": None},
                "relevance_score": (1 + len(wanted & set(words_of(text)))) / (2 + len(wanted)),
            }
            for index, text in enumerate(documents)
        ]
        results.sort(key=lambda one: one["relevance_score"], reverse=True)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        count = body.get("top_n") or len(results)
        self.reply(
            200, {"id": f"rerank-{uuid.uuid4().hex}", "model": model, "usage": usage, "results": results[:count]}
        )

    def tool_call(self, body: dict[str, Any]) -> tuple[str, str] | None:
        """The name and the arguments of the call that the answer is; None for an answer in words."""
        engine, tools = self.engine, body.get("tools")
        choice = body.get("tool_choice", "auto" if tools else "none")
        if not tools or choice == "none":
            return None
        parser = engine.option("tool_call_parser")
        if engine.kind == "vllm" and choice == "auto" and not (parser and engine.option("enable_auto_tool_choice")):
            # vLLM 0.11.0, entrypoints/openai/serving_chat.py
            raise BadRequest(
                400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            )
        named = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"]
        function = next((one["function"] for one in tools if one["function"]["name"] == named), None)
        if function is None:
            raise BadRequest(400, f"The tool {named} is not in the tools.")
        wanted = (function.get("parameters") or {}).get("properties") or {}
        arguments = json.dumps({name: (schema.get("enum") or ["x"])[0] for name, schema in wanted.items()})
        # SGLang finds no call without a parser: the model's markup stays in the text.
        return (named, arguments) if parser or engine.kind == "vllm" else None

    def chat(self, body: dict[str, Any]) -> None:
        """The OpenAI chat interface."""
        engine = self.engine
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
            raise BadRequest(400, "[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}]")
        images = sum(self.see(one.get("content")) for one in messages)
        asked = " ".join(str(one.get("content")) for one in messages)
        wish = (body.get("chat_template_kwargs") or {}).get("enable_thinking", "/no_think" not in asked)
        thinks = engine.thinks and wish
        self.called = self.tool_call(body)
        answer = ANSWER.format(engine=engine.kind, version=engine.version)
        text = f"<think>\n{THOUGHT}\n</think>\n\n{answer}" if thinks else answer
        self.respond(body, text, len(asked.split()) + 9 + 64 * images, chat=True, thinks=thinks)

    def see(self, content: Any) -> int:
        """Fetch the images of a message like vllm/multimodal; their number."""
        urls = [
            part["image_url"]["url"]
            for part in (content if isinstance(content, list) else [])
            if part.get("type") == "image_url"
        ]
        if urls and self.engine.architecture != SEES:
            raise BadRequest(400, "At most 0 image(s) may be provided in one request.")
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme == "file":
                self.look_into_folder(Path(unquote(parts.path)))
            elif parts.scheme in ("http", "https"):
                self.fetch(url)
            else:
                raise BadRequest(400, "The URL must be either a HTTP, data or file URL.")
        return len(urls)

    def fetch(self, url: str) -> None:
        """Fetch an image."""
        domains = self.engine.option("allowed_media_domains")
        if domains and urlsplit(url).hostname not in domains:
            raise BadRequest(400, f"The URL must be from one of the allowed domains: {domains}.")
        try:
            with urlopen(url, timeout=5) as answer:
                answer.read()
        except (URLError, OSError) as error:
            raise BadRequest(500, f"Failed to fetch {url}: {error}", "InternalServerError") from None

    def look_into_folder(self, path: Path) -> None:
        """Read an image on the device."""
        folder = self.engine.option("allowed_local_media_path")
        if not folder:
            raise BadRequest(400, "Cannot load local files without `--allowed-local-media-path`.")
        if Path(folder) not in path.resolve().parents:
            raise BadRequest(400, f"The file path {path} must be a subpath of `--allowed-local-media-path` {folder}.")
        try:
            path.read_bytes()
        except OSError as error:
            raise BadRequest(500, f"{path}: {error.strerror}", "InternalServerError") from None

    def no_chat(self) -> None:
        """A speech model does not chat."""
        raise BadRequest(400, "The model does not support Chat Completions API")

    def transcription(self, form: dict[str, Any]) -> None:
        """The OpenAI transcription interface; reports the length of a WAV recording."""
        engine = self.engine
        model = form["model"].get_content().strip() if "model" in form else engine.names[0]
        if model not in engine.names:
            raise BadRequest(404, f"The model `{model}` does not exist.", "NotFoundError")
        if "file" not in form:
            raise BadRequest(400, "[{'type': 'missing', 'loc': ('body', 'file'), 'msg': 'Field required'}]")
        try:
            importlib.import_module("soundfile")
        except ImportError:
            raise BadRequest(500, "Please install vllm[audio] for audio support", "InternalServerError") from None
        sound = form["file"].get_payload(decode=True)
        if sound[:4] != b"RIFF":
            raise BadRequest(400, "Invalid or unsupported audio file.")
        with engine.request(0):
            time.sleep(engine.token_seconds)
            seconds = (len(sound) - 44) / 32000
            self.reply(
                200, {"text": HEARD.format(seconds=seconds), "usage": {"type": "duration", "seconds": round(seconds)}}
            )

    def completion(self, body: dict[str, Any]) -> None:
        """The OpenAI completion interface."""
        if not isinstance(body.get("prompt"), str):
            raise BadRequest(400, "[{'type': 'missing', 'loc': ('body', 'prompt'), 'msg': 'Field required'}]")
        text = " " + ANSWER.format(engine=self.engine.kind, version=self.engine.version)
        self.respond(body, text, len(body["prompt"].split()), chat=False, thinks=False)

    def respond(self, body: dict[str, Any], text: str, prompt_tokens: int, *, chat: bool, thinks: bool) -> None:
        """Answer a request of either OpenAI interface, whole or as a stream."""
        engine, model = self.engine, self.served(body)
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise BadRequest(400, f"max_tokens must be at least 1, got {limit}.")
        if prompt_tokens + (limit or 1) > engine.max_len:
            raise BadRequest(400, f"This model's maximum context length is {engine.max_len} tokens.")
        limit = limit or engine.max_len - prompt_tokens
        for_ever = bool(body.get("ignore_eos"))
        sampling = {**engine.chat_defaults, **{key: body[key] for key in REQUEST_KEYS if body.get(key) is not None}}
        standin = {**engine.facts(), "sampling": sampling, "thinks": thinks}
        kind = "chat.completion" if chat else "text_completion"
        head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": model,
        }
        with engine.request(prompt_tokens):
            tokens = engine.generate(text, limit, for_ever)
            if body.get("stream"):
                self.stream(head, tokens, body, chat=chat, prompt_tokens=prompt_tokens, standin=standin, limit=limit)
                return
            written = list(tokens)
            finish = "length" if len(written) == limit else "stop"
            usage = self.usage(prompt_tokens, len(written))
            choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish}
            if chat:
                choice["message"] = self.message("".join(written))
                if self.called and finish == "stop":
                    name, arguments = self.called
                    function = {"name": name, "arguments": arguments}
                    call = {"id": f"chatcmpl-tool-{uuid.uuid4().hex}", "type": "function", "function": function}
                    choice["message"] |= {"content": None, "tool_calls": [call]}
                    choice["finish_reason"] = "tool_calls"
            else:
                choice["text"] = "".join(written)
            self.reply(200, {**head, "choices": [choice], "usage": usage, "standin": standin})

    def message(self, content: str) -> dict[str, Any]:
        """The assistant's message; a reasoning parser takes the thought out of the text."""
        engine = self.engine
        message: dict[str, Any] = {"role": "assistant", "content": content, "tool_calls": []}
        field = "reasoning" if engine.kind == "vllm" and engine.version >= "26" else "reasoning_content"
        message[field] = None
        if engine.option("reasoning_parser") and content.lstrip().startswith("<think>"):
            thought, closed, rest = content.lstrip().removeprefix("<think>").partition("</think>")
            message[field] = thought.strip()
            message["content"] = rest.strip() if closed else None
        return message

    @staticmethod
    def usage(prompt: int, completion: int) -> dict[str, Any]:
        """How many tokens a request took."""
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def stream(
        self,
        head: dict[str, Any],
        tokens: Iterator[str],
        body: dict[str, Any],
        *,
        chat: bool,
        prompt_tokens: int,
        standin: dict[str, Any],
        limit: int,
    ) -> None:
        """Send an answer token by token, as server-sent events."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if chat:
            head = {**head, "object": "chat.completion.chunk"}

        def send(document: Any) -> None:
            data = f"data: {document if isinstance(document, str) else json.dumps(document)}\n\n".encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

        def part(text: str, finish: str | None) -> dict[str, Any]:
            choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
            choice |= {"delta": {"content": text}} if chat else {"text": text}
            return {**head, "choices": [choice]}

        if chat:
            send(
                {
                    **head,
                    "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
                }
            )
        count = 0
        for token in tokens:
            count += 1
            send(part(token, None))
        send({**part("", "length" if count == limit else "stop"), "standin": standin})
        if (body.get("stream_options") or {}).get("include_usage"):
            send({**head, "choices": [], "usage": self.usage(prompt_tokens, count)})
        send("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def native(self, body: dict[str, Any]) -> None:
        """SGLang's own /generate."""
        engine = self.engine
        wanted = body.get("sampling_params") or {}
        if not isinstance(body.get("text"), str):
            raise BadRequest(400, "Either text, input_ids or input_embeds should be provided.")
        sampling = {**engine.generate_defaults, **wanted}
        limit = int(sampling.get("max_new_tokens") or 128)
        prompt_tokens = len(body["text"].split())
        begin = time.monotonic()
        with engine.request(prompt_tokens):
            written = list(engine.generate(" " + ANSWER.format(engine="sglang", version=engine.version), limit, False))
        meta = {
            "id": uuid.uuid4().hex,
            "finish_reason": {"type": "length", "length": limit} if len(written) == limit else {"type": "stop"},
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(written),
            "cached_tokens": 0,
            "e2e_latency": time.monotonic() - begin,
        }
        self.reply(
            200, {"text": "".join(written), "meta_info": meta, "standin": {**engine.facts(), "sampling": sampling}}
        )

    def make_fault(self, what: str, query: str) -> None:
        """Cause a fault, or repair it."""
        if what == "exit":
            code = int(parse_qs(query).get("code", ["1"])[0])
            self.engine.log(f"told to end with {code}")
            os._exit(code)
        if what not in ("hang", "silent", "errors", "mend"):
            self.error(BadRequest(404, f"no such fault: {what}", "NotFoundError"))
            return
        self.engine.fault = "" if what == "mend" else what
        self.engine.log(f"told to be of this fault from now on: {what}")
        self.reply(200, {"fault": self.engine.fault})

    def error(self, problem: BadRequest) -> None:
        """An error as the engine writes it (vLLM 0.11.0 and SGLang 0.5.3, entrypoints/openai/protocol.py and their HTTP servers)."""
        told = {"message": str(problem), "type": problem.kind, "param": None, "code": problem.status}
        document: dict[str, Any] = {"error": told} if self.engine.kind == "vllm" else {"object": "error", **told}
        if problem.kind == "Unauthorized":  # their middleware
            document = {"error": "Unauthorized"}
        elif str(problem) == "Not Found":  # Starlette's own
            document = {"detail": "Not Found"}
        self.reply(problem.status, document)

    def reply(self, status: int, document: dict[str, Any]) -> None:
        """Send a JSON document."""
        self.send(status, json.dumps(document).encode(), "application/json")

    def send(self, status: int, content: bytes, kind: str) -> None:
        """Send a body of known length."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """One thread per connection, which does not stop the program from ending."""

    daemon_threads = True
    block_on_close = False


def serve(engine: Engine) -> None:
    """Load, serve, and end on request, after the running answers."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set() if engine.ready else sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: stop.set() if engine.ready else sys.exit(130))
    engine.log(f"stand-in for {engine.kind} {engine.version}, non-default args: {json.dumps(engine.argv)}")
    engine.load()
    Server.address_family = socket.AF_INET6 if ":" in engine.host else socket.AF_INET
    server = Server((engine.host, engine.port), type("OwnHandler", (Handler,), {"engine": engine}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    engine.log(f"Starting the API server on http://{engine.host}:{engine.port}")
    time.sleep(float(os.environ.get("STANDIN_LOAD_SECONDS", "1.5")) / 2)
    engine.ready = True
    print("INFO:     Application startup complete.", flush=True)
    if engine.kind == "sglang":
        engine.log("The server is fired up and ready to roll!")
    stop.wait()
    print("INFO:     Shutting down", flush=True)
    server.shutdown()
    server.server_close()
    if engine.running:
        print(f"INFO:     Waiting for {engine.running} requests to complete.", flush=True)
    engine.drain()
    time.sleep(0.1)  # the last bytes of the last answer
    print("INFO:     Application shutdown complete.", flush=True)


def install(flags: dict[str, Any]) -> None:
    """Put the engine's command into an image."""
    text = f"A stand-in for {flags['engine']} {flags['version']}, made by the sandbox of jetson.thor. There is no engine in here.\n"
    Path("/etc/motd").write_text(text)
    Path("/README").write_text(f"{text}\n{__doc__}")
    if flags["engine"] == "vllm":
        command = Path("/usr/local/bin/vllm")
        command.write_text(f'#!/bin/sh\nexec python3 {HERE}/standin.py vllm "$@"\n')
        command.chmod(0o755)
        return
    package = Path("/usr/lib/python3/dist-packages/sglang")
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "launch_server.py").write_text(
        f"import runpy\nimport sys\n\nsys.argv[1:1] = ['sglang']\nrunpy.run_path('{HERE}/standin.py', run_name='__main__')\n"
    )


def main() -> None:
    """Act as the engine that the first argument names."""
    flags = json.loads(FLAGS.read_text(encoding="utf-8"))
    kind, argv = sys.argv[1], sys.argv[2:]
    if kind == "install":
        install(flags)
        return
    try:
        options = parse_vllm(flags, argv) if kind == "vllm" else parse_sglang(flags, argv)
        serve(Engine(flags, options, argv))
    except Refusal as problem:
        print(f"Traceback (most recent call last):\nValueError: {problem}", file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
