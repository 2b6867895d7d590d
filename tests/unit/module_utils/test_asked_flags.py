# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Engines asked for their options on the device: real processes of a made-up engine whose parser is argparse itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import asked_flags, kept_flags, real_parser
from ansible_collections.jetson.thor.plugins.module_utils.asked_flags import Subject, Unaskable, ask

# The places in which vLLM 0.33 has its parser; everything in them is made up.
VLLM = {
    "__init__.py": "print('a greeting on standard output')\n",
    "version.py": "__version__ = '9.1+cu130'\n",
    "platforms.py": """\
        class Unspecified:
            device_type = ""
        current_platform = Unspecified()
        """,
    "utils/__init__.py": "",
    "utils/argparse_utils.py": "from argparse import ArgumentParser as FlexibleArgumentParser\n",
    "model_executor/models/registry.py": "_TEXT_GENERATION_MODELS = {'OwnForCausalLM': ('own', 'OwnForCausalLM')}\n",
    "model_executor/layers/quantization.py": "QUANTIZATION_METHODS = ['fp8', 'awq']\n",
    "tool_parsers/__init__.py": """\
        class ToolParserManager:
            tool_parsers = {}
            lazy_parsers = {"hermes": ("x", "y"), "qwen3_coder": ("x", "z")}
        """,
    "config/speculative.py": """\
        from typing import Literal
        Heads = Literal["mtp", "eagle3"]
        SpeculativeMethod = Literal["ngram", Heads]
        """,
    "entrypoints/common/cli_args.py": """\
        import argparse
        import json
        from vllm import platforms
        def make_arg_parser(parser):
            if not platforms.current_platform.device_type:
                raise RuntimeError("Failed to infer device type")
            parser.add_argument("model_tag", nargs="?")
            parser.add_argument("--port", type=int, default=8000)
            parser.add_argument("--dtype", choices=["auto", "half"])
            parser.add_argument("--quantization", "-q")
            parser.add_argument("--gpu-memory-utilization", type=float)
            parser.add_argument("--max-num-seqs", type=int)
            parser.add_argument("--tool-call-parser")
            parser.add_argument("--reasoning-parser")
            parser.add_argument("--speculative-config", type=json.loads)
            parser.add_argument("--enforce-eager", action=argparse.BooleanOptionalAction)
            return parser
        """,
}
PARSER = "entrypoints/common/cli_args.py"


def engine(folder: Path, **changes: str) -> list[str]:
    """A Python environment with that engine; the command of its Python. ``changes``: other contents of files."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for name, content in {**VLLM, **changes}.items():
        path = packages / "vllm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = content.splitlines()
        margin = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        path.write_text("".join(f"{line[margin:]}\n" for line in lines), encoding="utf-8")
    return [str(folder / "bin/python3")]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may read, like /opt/thor/engines: the question is asked without privileges."""
    folder = Path(tempfile.mkdtemp(prefix="thor-test-"))
    folder.chmod(0o755)
    yield folder / "environment"
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the kept lists."""
    monkeypatch.setattr(kept_flags, "KEPT", tmp_path / "flags")
    return tmp_path / "flags"


def subject(argvs: dict[str, list[str]]) -> Subject:
    """The made-up engine with these services."""
    return Subject("vllm", "9.1", "0123456789ab", "vllm", argvs)


def test_an_engine_says_what_it_knows_and_what_it_refuses(place: Path, kept: Path) -> None:
    argvs = {
        "good": ["serve", "/models/x", "--port", "8001", "--enforce-eager"],
        "bad": ["serve", "/models/x", "--port", "many"],
        "unknown": ["serve", "/models/x", "--prot", "8001", "--no-enforce-eager"],
        "short": ["/models/x", "--enforce"],
    }
    answer = ask(engine(place), "vllm", argvs)
    assert answer["engine_version"] == "9.1"
    assert answer["options"]["--dtype"] == {"choices": ["auto", "half"]}
    assert answer["options"]["--quantization"] == {"aliases": ["-q"], "choices": ["fp8", "awq"]}
    assert answer["options"]["--gpu-memory-utilization"] == {"kind": "fraction"}
    # From the engine's registries; this one has no parsers of reasoning where others keep them.
    assert answer["options"]["--tool-call-parser"] == {"choices": ["hermes", "qwen3_coder"]}
    assert answer["options"]["--reasoning-parser"] == {}
    assert answer["options"]["--speculative-config"] == {"kind": "json", "methods": ["eagle3", "mtp", "ngram"]}
    assert answer["options"]["--max-num-seqs"] == {"kind": "count"}
    assert answer["options"]["--enforce-eager"] == {"takes": "none", "negation": "--no-enforce-eager"}
    assert set(answer["errors"]) == {"bad", "unknown"}  # argparse lets an abbreviation pass
    found = {one.variable: one for one in asked_flags.settle(subject(argvs), lambda: answer)}
    assert [path.name for path in kept.iterdir()] == ["vllm-0123456789ab.json"]
    known = kept_flags.read("vllm", "0123456789ab")
    asked = {name: kept_flags.is_asked(known, "vllm", {name: argv}) for name, argv in argvs.items()}
    assert asked == {"good": True, "bad": False, "unknown": False, "short": False}, "what is refused is asked again"
    assert [one.split("'")[1] for one in found] == ["bad", "unknown", "short"]
    bad, unknown, short = found.values()
    assert bad.code == "THOR-FLAG-VALUE" and "argument --port: invalid int value: 'many'" in bad.reason
    assert (unknown.code, unknown.value, unknown.remedy) == ("THOR-FLAG-UNKNOWN", "--prot", "Did you mean '--port'?")
    assert (short.code, short.value) == ("THOR-FLAG-UNKNOWN", "--enforce")


def test_a_model_that_neither_the_engine_nor_its_transformers_know_is_refused(place: Path) -> None:
    """Both are read in the engine's own Python, without being imported: this Transformers cannot be."""
    command = engine(place)
    (packages,) = place.glob("lib/python3*/site-packages")
    (packages / "transformers/models/other").mkdir(parents=True)
    (packages / "transformers/__init__.py").write_text("raise RuntimeError('imported')\n")
    (packages / "transformers/models/other/modeling_other.py").write_text(
        "class Other:\n    _supports_attention_backend = True\n__all__ = ['OtherForCausalLM', 'OtherPreTrainedModel']\n"
    )
    argvs = {name: ["serve", "/models/x"] for name in ("own", "other", "none", "unread")}
    wanted = {"own": ["OwnModel"], "other": ["OtherForCausalLM"], "none": ["NoneForCausalLM"]}
    answer = ask(command, "vllm", argvs)
    assert (answer["architectures"], answer["transformers"]) == (["OwnForCausalLM"], ["OtherForCausalLM"])
    asked = Subject("vllm", "9.1", "0123456789ab", "vllm", argvs, wanted)
    (problem,) = asked_flags.settle(asked, answer.copy)
    assert (problem.code, problem.variable) == ("THOR-MODEL-ARCHITECTURE", "thor_services['none'].model")
    assert "NoneForCausalLM" in problem.reason and "neither do its Transformers" in problem.reason
    known = kept_flags.read("vllm", "0123456789ab")
    assert known is not None and known["architectures"] == ["OwnForCausalLM"]
    fine = {name: kept_flags.is_asked(known, "vllm", {name: argvs[name]}, wanted) for name in argvs}
    assert fine == {"own": True, "other": True, "none": False, "unread": True}
    # A version that keeps its registry elsewhere, or has no Transformers, is not concluded about.
    for missing in ("architectures", "transformers"):
        less = {key: value for key, value in answer.items() if key != missing}
        assert asked_flags.settle(asked, less.copy) == []


def test_a_command_in_any_form_is_reduced_to_the_arguments_of_the_parser() -> None:
    wanted = ["--host", "serve"]
    assert real_parser.arguments_of("vllm", ["vllm", "serve", *wanted]) == wanted
    assert real_parser.arguments_of("vllm", ["serve", *wanted]) == wanted
    assert real_parser.arguments_of("sglang", ["python", "-m", "sglang.launch_server", *wanted]) == wanted
    assert real_parser.arguments_of("sglang", ["serve", *wanted]) == wanted
    assert real_parser.arguments_of("sglang", ["--model-path", "x", *wanted]) == ["--model-path", "x", *wanted]


CRASH = "try:\n    import libcudart_of_nowhere\nexcept ImportError as error:\n    raise RuntimeError('no kernels') from error\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"__init__.py": CRASH},
            "RuntimeError: no kernels (it began with ModuleNotFoundError: No module named 'libcudart_of_nowhere')",
        ),
        ({"__init__.py": "import sys\nsys.exit('this build needs a GPU')\n"}, "SystemExit: this build needs a GPU"),
        ({"__init__.py": "import os\nprint('last words', flush=True)\nos.abort()\n"}, "its last output: last words"),
        ({"__init__.py": "import os\nos._exit(0)\n"}, "it ended with 0 and did not answer; its last output: none"),
        ({PARSER: "def make_arg_parser(parser):\n    return 7\n"}, "AttributeError: 'int' object has no attribute"),
        (
            {PARSER: "def make_arg_parser(parser):\n    return parser\n", "version.py": ""},
            "has no attribute '__version__'",
        ),
        ({PARSER: ""}, "no make_arg_parser in vllm.entrypoints.launchers.cli_args"),
        (
            {"__init__.py": "import os\nos.write(1, b'\\nthor-flags: [garbage]\\n')\nos._exit(0)\n"},
            "it answered something else than its options: [garbage]",
        ),
        (
            {"__init__.py": "import os\nos.write(1, b'\\nthor-flags: {\"options\": 7}\\n')\nos._exit(0)\n"},
            "it answered something else than its options",
        ),
    ],
)
def test_an_engine_that_cannot_be_asked_is_named_with_its_first_exception(
    place: Path, kept: Path, changes: dict[str, str], words: str
) -> None:
    argvs = {"chat": ["serve", "--port", "1"]}
    command = engine(place, **changes)
    (problem,) = asked_flags.settle(subject(argvs), lambda: ask(command, "vllm", argvs))
    assert problem.code == "THOR-ENGINE-UNASKABLE" and words in problem.reason and len(problem.text()) < 3000
    assert not kept.exists()


def test_an_engine_that_hangs_is_ended_with_all_that_it_has_started(place: Path) -> None:
    command = engine(
        place,
        **{
            "__init__.py": "import os, time\nprint('loading', flush=True)\nif not os.fork():\n    time.sleep(543.21)\ntime.sleep(543.21)\n"
        },
    )
    begin = time.monotonic()
    with pytest.raises(Unaskable, match=r"did not answer within 2 s; its last output: loading"):
        ask(command, "vllm", {}, seconds=2)
    assert time.monotonic() - begin < 20
    assert not _processes(command[0])


def test_an_engine_that_prints_without_end_is_ended(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_flags, "MOST_OUTPUT", 200_000)
    command = engine(place, **{"__init__.py": "while True:\n    print('x' * 1000)\n"})
    with pytest.raises(Unaskable, match="it printed more than 200,000 bytes") as caught:
        ask(command, "vllm", {}, seconds=60)
    assert len(str(caught.value)) < 1000
    assert not _processes(command[0])


def test_a_list_that_is_too_long_is_not_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_flags, "LONGEST_LIST", 100)
    with pytest.raises(Unaskable, match=r"its list of options has [\d,]+ bytes, more than the 100 that"):
        ask(engine(place), "vllm", {})


def test_a_python_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unaskable, match="no-such-python"):
        ask([str(tmp_path / "no-such-python")], "vllm", {})


def test_the_question_is_asked_without_gpu_network_and_privileges(place: Path) -> None:
    program = """\
        import json, os, socket
        def tried(call):
            try:
                return bool(call())
            except OSError as error:
                return type(error).__name__
        seen = {
            "user": os.getuid(), "groups": os.getgroups(), "gpu": os.environ["CUDA_VISIBLE_DEVICES"],
            "offline": os.environ["HF_HUB_OFFLINE"], "secret": os.environ.get("THOR_SECRET"), "cwd": os.getcwd() == os.environ["HOME"],
            "network": tried(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
        }
        raise RuntimeError(json.dumps(seen))
        """
    command = engine(place, **{"__init__.py": program})
    os.environ["THOR_SECRET"] = "hunter2"
    try:
        with pytest.raises(Unaskable) as caught:
            ask(command, "vllm", {})
    finally:
        del os.environ["THOR_SECRET"]
    seen = json.loads(str(caught.value).partition("RuntimeError: ")[2])
    assert (seen["gpu"], seen["offline"], seen["secret"], seen["cwd"]) == ("", "1", None, True)
    if os.geteuid() == 0:
        assert (seen["user"], seen["groups"]) == (65534, [])
        confined = asked_flags._works(asked_flags.NO_NETWORK)
        # A port with nobody on it refuses; without a network there is no way to it.
        assert seen["network"] == ("OSError" if confined else "ConnectionRefusedError")
    else:
        assert seen["user"] == os.getuid()


def test_the_answer_of_a_container_is_read_from_its_terminal() -> None:
    answers = [{"error": None}, {"error": "x: error: argument --port"}]
    found = {"engine_version": "9", "options": {"--port": {"takes": "value"}}, "removed": {}, "answers": answers}
    output = f"INFO a greeting\r\n\r\n{real_parser.MARK}{json.dumps(found)}\r\n"
    answer = asked_flags.read_answer(output, {"a": [], "b": []}, 0)
    assert answer["errors"] == {"b": "x: error: argument --port"} and answer["options"] == {"--port": {}}


def _processes(program: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if program.encode() in words:
            found.append(str(path))
    return found
