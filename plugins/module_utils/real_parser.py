# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real argparse parser of vLLM or SGLang: the options that it knows, and its verdict on a command.

Runs in the engine's own Python (3.10 or later) and needs nothing but the standard library, because a device starts it in an
environment or a container (asked_flags.py); script/flags and tests/contract start the same file:

    python real_parser.py dump vllm                      # version, options, removed
    python real_parser.py parse sglang < argvs.json      # the same, and "answers": one for each list of arguments
    python real_parser.py errors vllm '[["--port"]]'     # the same without the parsed values

The answer is JSON on a line of its own that begins with MARK, or ``{"error": ...}`` with the engine's first exception. It queries
the parser itself, never the help text. Limits that the parser does not check but the engine needs are read from the engine's
code; a comment beside each names the place.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ENGINES = ("vllm", "sglang")
# What the answer's line begins with: engines print greetings and warnings around it.
MARK = "thor-flags: "
# The last word of each engine's own command; its parser reads what comes after it.
HEADS = {"vllm": ("serve",), "sglang": ("sglang.launch_server", "serve")}
LONGEST_ERROR = 1500  # characters

# Options that each engine checks only when it starts, or not at all. Sources: vLLM's config/cache.py (above 1.0 is an error, 0
# leaves no cache); SGLang's model_runner.py, profile_max_num_token (neither is checked, both leave no cache).
FRACTIONS = {"vllm": {"gpu_memory_utilization"}, "sglang": {"mem_fraction_static"}}
# Lengths and counts: values below 1 make no sense, but the parsers accept any whole number.
COUNTS = {
    "vllm": {
        "max_model_len",
        "max_num_seqs",
        "max_num_batched_tokens",
        "tensor_parallel_size",
        "pipeline_parallel_size",
    },
    "sglang": {
        "context_length",
        "cuda_graph_bs",
        "cuda_graph_bs_decode",
        "cuda_graph_bs_prefill",
        "cuda_graph_max_bs",
        "cuda_graph_max_bs_decode",
        "cuda_graph_max_bs_prefill",
        "max_prefill_tokens",
        "max_running_requests",
        "max_total_tokens",
        "pipeline_parallel_size",
        "pp_size",
        "tensor_parallel_size",
        "tp_size",
    },
}
# SGLang accepts these as text and parses them as JSON later: json.loads(server_args.preferred_sampling_params) and the like.
LOADED_AS_JSON = re.compile(r"json\.loads\(\s*(?:\w+\.)?(?:server_args\.)?(\w+)\s*\)")
# The options whose value names a method of speculative decoding; a list has their "methods".
SPECULATION = ("--speculative-config", "--speculative-algorithm")
# GPU kernels and image codecs: SGLang imports them beside its options and its chat API. None of them is called here.
KERNELS = ("triton", "sgl_kernel", "flashinfer", "torchvision")


class _Word(type):
    """A class on which every attribute is that class again, so that decorators and types of a missing package import."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "active":  # as triton.runtime.driver without a GPU; SGLang 0.5.11 then takes the CPU for its device
            raise RuntimeError("0 active drivers ([]). There should only be one.")
        return cls


class _Anything(metaclass=_Word):
    """Stands for everything in a missing package; calling it returns another object of this kind."""

    __version__ = "0"

    def __init__(self, *_args: Any, **_more: Any) -> None:
        pass

    def __call__(self, *_args: Any, **_more: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


def _attribute(name: str) -> Any:
    """The value of every attribute of such a package."""
    if name.startswith("__"):
        raise AttributeError(name)
    return _Anything


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports these packages as empty shells."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, fullname: str, _path: Any = None, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__dict__.update(__version__="0", __getattr__=_attribute)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def without_kernels() -> None:
    """From here on, packages of GPU kernels that are missing, or do not load without a GPU, can be imported and do nothing."""
    sys.meta_path.insert(0, _Absent([name for name in KERNELS if not _loads(name)]))


def _loads(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:
        for one in [one for one in sys.modules if one.partition(".")[0] == name]:
            del sys.modules[one]
        return False
    return True


def without_gpu() -> None:
    """Tell vLLM its kind of device where it finds none.

    Its parser creates a DeviceConfig for the defaults, which without a device raises "Failed to infer device type"
    (vllm/config/device.py). A build for CPUs knows its kind by itself.
    """
    platforms = importlib.import_module("vllm.platforms")
    if not platforms.current_platform.device_type:
        type(platforms.current_platform).device_type = "cuda"


def first(name: str, *modules: str) -> Any:
    """The attribute from the first module that has it: engines move their code from version to version."""
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if not module.startswith(str(error.name)):
                raise  # a package is missing in this environment; other modules would not help
        except AttributeError:
            continue
    raise SystemExit(f"real_parser: no {name} in {', '.join(modules)}")


def build(engine: str) -> argparse.ArgumentParser:
    """The parser that the engine's own command builds."""
    if engine == "vllm":
        without_gpu()
        flexible = first("FlexibleArgumentParser", "vllm.utils.argparse_utils", "vllm.utils")
        places = (f"vllm.entrypoints.{place}.cli_args" for place in ("launchers", "common", "openai"))
        made: argparse.ArgumentParser = first("make_arg_parser", *places)(flexible(prog="vllm serve"))
        return made
    without_kernels()
    parser = argparse.ArgumentParser(prog="sglang.launch_server")
    first("ServerArgs", "sglang.srt.server_args").add_cli_args(parser)
    return parser


def version(engine: str) -> str:
    """The version of the engine's package, without the suffix of a build (+cpu)."""
    return str(importlib.import_module(f"{engine}.version").__version__).partition("+")[0]


def dump(engine: str) -> dict[str, Any]:
    """The options in the form of a stored list (plugins/module_utils/flags.py), without its origin."""
    parser = build(engine)
    options: dict[str, dict[str, Any]] = {}
    removed: dict[str, str] = {}
    registries = _registries(engine)
    json_names = _json_names() if engine == "sglang" else set()
    for action in parser._actions:
        names = [name for name in action.option_strings if name.startswith("--")]
        if not names:
            continue
        if type(action).__name__ == "DeprecatedAction":  # SGLang: using it is an error, and its help says what to do
            removed.update(dict.fromkeys(names, str(action.help)))
            continue
        switch = isinstance(action, argparse.BooleanOptionalAction)
        # vLLM 0.33 pairs --enable-x with --disable-x (EnableDisableAction in vllm/utils/argparse_utils.py).
        inverses = getattr(action, "negative_option_strings", ())
        negations = [name for name in names if switch and (name.startswith("--no-") or name in inverses)]
        key = next(name for name in names if name not in negations)
        entry: dict[str, Any] = {
            "aliases": [name for name in action.option_strings if name not in (key, *negations[:1])],
            "takes": _takes(action),
            "negation": negations[0] if negations else None,
            "choices": [str(choice) for choice in action.choices] if action.choices else None,
        }
        entry["choices"] = registries.get(key) or entry["choices"]
        entry.update(_kind(action, engine, json_names))
        if key in SPECULATION:
            entry["methods"] = entry["choices"] or _methods(engine)
        options[key] = entry
    return {"engine_version": version(engine), "options": options, "removed": removed}


def _takes(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "none"
    return {None: "value", 1: "value", "?": "optional"}.get(action.nargs, "many")


def _registries(engine: str) -> dict[str, list[str]]:
    """What vLLM keeps in registries, by option: its parser accepts any word, because plugins may register more."""
    if engine == "sglang":
        return {}
    quantization = importlib.import_module("vllm.model_executor.layers.quantization")
    tools = _optional("ToolParserManager", "vllm.tool_parsers", "vllm.entrypoints.openai.tool_parsers")
    found = {"tool_parsers": tools, "reasoning_parsers": _optional("ReasoningParserManager", "vllm.reasoning")}
    # Also those whose code has not been imported yet; 0.10.2 imports all of them.
    names = [sorted({*getattr(one, key, ()), *getattr(one, "lazy_parsers", ())}) for key, one in found.items()]
    known = [str(name) for name in quantization.QUANTIZATION_METHODS]
    return {"--quantization": known, "--tool-call-parser": names[0], "--reasoning-parser": names[1]}


def _optional(name: str, *modules: str) -> Any:
    """The same as ``first``, or None: a version that keeps it elsewhere says itself what it does not know."""
    with contextlib.suppress(ImportError, SystemExit):
        return first(name, *modules)


def _methods(engine: str) -> list[str] | None:
    """The methods of speculative decoding; None where this version keeps them elsewhere."""
    if engine == "vllm":
        known = _optional("SpeculativeMethod", "vllm.config.speculative", "vllm.config")
        return sorted(map(str, _literals(known))) or None
    # Versions whose parser does not say. NEXTN is another name (_RESERVED_ALIASES), NONE the absence of all of them.
    known = _optional("SpeculativeAlgorithm", "sglang.srt.speculative.spec_info")
    others = _optional("_RESERVED_ALIASES", "sglang.srt.speculative.spec_registry") or ()
    return sorted({*getattr(known, "__members__", ()), *others} - {"NONE"}) or None


def _literals(kind: Any) -> Iterable[Any]:
    """The values of a Literal, which may hold others."""
    for value in typing.get_args(kind):
        if typing.get_args(value):
            yield from _literals(value)
        else:
            yield value


def _json_names() -> set[str]:
    """The names in SGLang's code whose text it passes to json.loads; some of them are options."""
    root = Path(importlib.import_module("sglang.srt").__path__[0])
    names: set[str] = set()
    for path in sorted(root.rglob("*.py")):
        names.update(LOADED_AS_JSON.findall(path.read_text(encoding="utf-8")))
    return names


def _kind(action: argparse.Action, engine: str, json_names: set[str]) -> dict[str, Any]:
    """What a value must be, beyond a word: ``{"kind": json, fraction, count, whole or number}``.

    ``auto`` beside a count: -1 and "auto" are accepted too.
    """
    if action.nargs == 0 or action.choices:
        return {}
    if action.dest in FRACTIONS[engine]:
        return {"kind": "fraction"}
    kind = "json" if action.dest in json_names else _type_kind(action.type)
    if kind == "whole" and action.dest in COUNTS[engine]:
        return {"kind": "count", "auto": True} if _takes_it(action.type, "auto") else {"kind": "count"}
    if kind == "whole" and _takes_it(action.type, "64k"):
        return {}  # numbers with a suffix: left to the parser
    return {"kind": kind} if kind else {}


def _type_kind(convert: Any) -> str | None:
    """Which texts a parser's type accepts, found by trying: the functions themselves do not tell."""
    if convert in (None, str) or _takes_it(convert, "x"):
        return None
    if _takes_it(convert, "{}") and not _takes_it(convert, '{"a"'):
        return "json"
    if not _takes_it(convert, "7"):
        return None
    return "number" if _takes_it(convert, "0.5") else "whole"


def _takes_it(convert: Any, text: str) -> bool:
    try:
        return convert(text) is not None
    except (ValueError, TypeError, LookupError, AttributeError, ImportError, argparse.ArgumentTypeError):
        return False


def parse(engine: str, argvs: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """For each list of arguments (without the command itself) ``{"error": None or text, "values": {dest: repr}}``."""
    parser = build(engine)
    return [_parse(parser, argv) for argv in argvs]


def _parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> dict[str, Any]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            values = vars(parser.parse_args(list(argv)))
    except (SystemExit, ValueError) as error:
        return {
            "error": said.getvalue().strip().splitlines()[-1] if said.getvalue().strip() else str(error),
            "values": {},
        }
    return {"error": None, "values": {name: _plain(value) for name, value in values.items()}}


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return repr(value)


def arguments_of(engine: str, argv: Sequence[str]) -> list[str]:
    """The arguments for the engine's parser: a command without its first words, if they are there."""
    for index, word in enumerate(argv[:3]):
        if word in HEADS[engine]:
            return list(argv[index + 1 :])
    return list(argv)


def first_exception(error: BaseException) -> str:
    """An exception in words, and where it differs the one that it all began with."""
    begin = error
    for _step in range(50):
        earlier = begin.__cause__ or (None if begin.__suppress_context__ else begin.__context__)
        if earlier is None:
            break
        begin = earlier
    said = f"{type(error).__name__}: {error}"
    if begin is not error:
        said += f" (it began with {type(begin).__name__}: {begin})"
    return said if len(said) <= LONGEST_ERROR else f"{said[:LONGEST_ERROR]}..."


def answer(what: str, engine: str, argvs: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The answer to one question; an engine that cannot be asked answers with its first exception."""
    try:
        found = dump(engine)
        if what != "dump":
            found["answers"] = parse(engine, [arguments_of(engine, argv) for argv in argvs])
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        traceback.print_exc()
        return {"error": first_exception(error)}
    if what == "errors":
        found["answers"] = [{"error": one["error"]} for one in found["answers"]]
    return found


def main(more: Callable[[str], dict[str, Any]] = lambda _engine: {}) -> int:
    """Run the command; the last line on standard output is the answer."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("what", choices=["dump", "parse", "errors"])
    arguments.add_argument("engine", choices=ENGINES)
    arguments.add_argument("argvs", nargs="?", help="JSON; without it, standard input")
    chosen = arguments.parse_args()
    argvs = [] if chosen.what == "dump" else json.loads(sys.stdin.read() if chosen.argvs is None else chosen.argvs)
    # Neither the folder of this file nor the current one holds the engine's packages.
    if sys.path and sys.path[0] in ("", str(Path(sys.argv[0]).parent), str(Path(sys.argv[0]).resolve().parent)):
        del sys.path[0]
    with contextlib.redirect_stdout(sys.stderr):  # engines print greetings
        found = {**more(chosen.engine), **answer(chosen.what, chosen.engine, argvs)}
    sys.stdout.write(f"\n{MARK}{json.dumps(found)}\n")
    return 1 if "error" in found else 0


if __name__ == "__main__":
    raise SystemExit(main())
