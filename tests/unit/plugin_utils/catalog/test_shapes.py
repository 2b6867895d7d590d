# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Values of an inventory have ranges and characters, not only types; each refusal names its place."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import real_catalog
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution

ROOT = Path(__file__).resolve().parents[4]
FILES = ROOT / "roles" / "catalog" / "files"
CHAT = "qwen3-8b-q5-k-m-llama-cpp"
FP4 = "qwen3-8b-fp4-vllm"
EVIL = "evil\n[Service]\nExecStartPre=+/usr/bin/touch /root/pwned\n#"
MODEL = {"modelscope": "a/b", "file": "c.gguf", "bytes": 1}
PROFILE = {"engine": "llama.cpp", "model": "qwen3-8b-q5-k-m", "served_name": "q", "memory_gib": 30}
ENGINE = {
    "role": "llama_cpp",
    "command": ["serve"],
    "listen": {"address": "host", "port": "port"},
    "api": "chat",
    "port": 8000,
    "source": {"git": "https://example.org/a.git"},
    "version": "1",
    "versions": {"1": {"commit": "a" * 40}},
}


def run(*profiles: Any, extra: dict[str, Any] | None = None, **settings: Any) -> Resolution:
    """Resolve with the real catalog; every problem can be shown and be JSON."""
    resolution = real_catalog.run(*profiles, extra=extra, **settings)
    for problem in resolution.problems:
        assert "\n" not in problem.text() and len(problem.text()) < 1500
        json.dumps(problem.as_dict(), allow_nan=False).encode()
    return resolution


def said(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.code, problem.variable) for problem in problems]


def test_the_name_of_a_profile_cannot_become_a_command() -> None:
    resolution = run(EVIL, extra={"profiles": {EVIL: PROFILE}})
    assert (
        said(resolution.problems)
        == [
            ("THOR-NAME-INVALID", f"thor_extra_profiles[{EVIL!r}]"),
            ("THOR-PROFILE-UNKNOWN", "thor_profiles[0].profile"),
        ]
        or said(resolution.problems)[1][0] == "THOR-VALUE-INVALID"
    )
    assert resolution.facts == []
    assert "a line break at position 5" in resolution.problems[0].text()


@pytest.mark.parametrize(
    "change",
    [
        {"memory_gib": -1},
        {"memory_gib": 0},
        {"memory_gib": float("nan")},
        {"memory_gib": float("inf")},
        {"memory_gib": 10**400},
        {"memory_gib": True},
        {"start_timeout": 0},
        {"start_timeout": -5},
        {"start_timeout": 10**9},
        {"start_timeout": False},
        {"port": True},
        {"port": 0},
        {"port": 10**5000},
        {"served_name": "two words"},
        {"served_name": "--agent"},
        {"served_name": "a,b"},
        {"served_name": "a\x00"},
        {"served_name": ""},
        {"version": "26.10\n"},
        {"name": "a\nb"},
        {"name": "\ud800"},
        {"address": "fe80::1%eth0\n--port"},
        {"address": "fe80::1%eth0"},
        {"address": "224.0.0.1"},
        {"address": "localhost"},
        {"environment": {"A B": "1"}},
        {"environment": {"A=B": "1"}},
        {"environment": {"": "1"}},
        {"environment": {1: "1"}},
        {"environment": {"A": "1\nEVIL=2"}},
        {"environment": {"A": "\x00"}},
        {"environment": {"A": "\ud800"}},
        {"environment": {"A": float("nan")}},
        {"environment": {"A": None}},
        {"environment": {"A": "x" * 40000}},
        {"environment": {f"A{number}": "x" * 30000 for number in range(5)}},
        {"options": {"ctx-size": float("inf")}},
        {"options": {"ctx-size": 10**5000}},
        {"options": {"ctx-size": "\x00"}},
        {"options": {"ctx-size": datetime.date(2026, 1, 1)}},
        {"options": {"ctx size": 1}},
        {"options": {None: 1}},
        {"options": {"chat-template-kwargs": {"a": datetime.date(2026, 1, 1)}}},
        {"options": {"chat-template-kwargs": {"a": float("nan")}}},
        {"options": {"chat-template-kwargs": {(1, 2): "a"}}},
        {"options": {"grammar": "x" * 40000}},
        {"options": {"grammar": "--agent"}},
        {"options": {"override-tensor": ["a=b,c=d", "e=f"]}},
        {"options": {"override-tensor": []}},
        {10**5000: 1},
    ],
    ids=shapes.shown,
)
def test_the_keys_of_a_service_have_ranges_and_characters(change: dict[str, Any]) -> None:
    problems = run({"profile": CHAT, **change}).problems
    assert problems, "nothing was said of it"
    key = next(iter(change))
    place = f"thor_profiles[0].{key}" if isinstance(key, str) else "thor_profiles[0][int]"
    assert all(place in problem.variable for problem in problems), said(problems)


def test_an_endlessly_nested_value_is_refused() -> None:
    value: dict[str, Any] = {}
    for _level in range(200):
        value = {"a": value}
    assert [problem.code for problem in run({"profile": CHAT, "options": {"grammar": value}}).problems] == [
        "THOR-VALUE-INVALID"
    ]


@pytest.mark.parametrize(
    ("noun", "base", "change"),
    [
        ("profiles", PROFILE, {"memory_gib": -3}),
        ("profiles", PROFILE, {"served_name": "a b"}),
        ("profiles", PROFILE, {"start_timeout": 0}),
        ("profiles", PROFILE, {"environment": {"A B": 1}}),
        ("profiles", PROFILE, {"options": {"a\nb": 1}}),
        ("models", MODEL, {"id": "../../etc"}),
        ("models", MODEL, {"id": "a/.."}),
        ("models", MODEL, {"id": "a/b c"}),
        ("models", MODEL, {"id": "/a/b"}),
        ("models", MODEL, {"file": "../../etc/shadow"}),
        ("models", MODEL, {"file": "a/../../b"}),
        ("models", MODEL, {"file": "/etc/shadow"}),
        ("models", MODEL, {"file": "-m"}),
        ("models", MODEL, {"file": ".thor-manifest.json"}),
        ("models", MODEL, {"include": ["../*"]}),
        ("models", MODEL, {"include": ["a\nb"]}),
        ("models", MODEL, {"revision": "a b"}),
        ("models", MODEL, {"revision": "-x"}),
        ("models", MODEL, {"bytes": -1}),
        ("models", MODEL, {"bytes": 10**30}),
        ("models", MODEL, {"checksum": "sha256:short"}),
        ("models", MODEL, {"url": "file:///etc/shadow"}),
        ("models", MODEL, {"url": "https://example.org/a b"}),
        ("models", MODEL, {"path": "../opt"}),
        ("engines", ENGINE, {"command": []}),
        ("engines", ENGINE, {"command": ["../../bin/sh", "-c", "reboot"]}),
        ("engines", ENGINE, {"command": ["serve", "a\nb"]}),
        ("engines", ENGINE, {"listen": {"address": "a b", "port": "port"}}),
        ("engines", ENGINE, {"role": "cmake_build"}),
        ("engines", ENGINE, {"role": None}),
        ("engines", ENGINE, {"image": {"bytes": 0}}),
        ("engines", ENGINE, {"image": {"environment": {"A B": "1"}}}),
        ("engines", ENGINE, {"packages": {"apt": ["gcc; reboot"]}}),
        ("engines", ENGINE, {"packages": {"cuda_code": {"required": ["../*.so"]}}}),
        ("engines", ENGINE, {"health": "health"}),
        ("engines", ENGINE, {"gpu": {"evidence": ["("]}}),
        ("engines", ENGINE, {"progress": {"match": "[a"}}),
        ("engines", ENGINE, {"programs": {"convert": "ffmpeg; reboot"}}),
        ("engines", ENGINE, {"image": {"python_packages": {"chat": ["--index-url=http://evil"]}}}),
        ("engines", ENGINE, {"versions": {"1": {}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "a:1", "packages": "a==1"}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "a:1", "commit": "a" * 40}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "--privileged"}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "a b"}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "a:{version}"}}}),
        ("engines", ENGINE, {"versions": {"1": {"packages": "a"}}}),
        ("engines", ENGINE, {"versions": {"1": {"packages": "--index-url=http://evil"}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "a:1"}, "../x": {"image": "a:1"}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "a:1"}, 2: {"image": "a:1"}}}),
        ("engines", ENGINE, {"versions": {"1": {"image": "a:1", "digest": "latest"}}}),
        ("engines", ENGINE, {"source": {"git": "ext::sh -c reboot", "commit": "a" * 40}}),
        ("engines", ENGINE, {"source": {"git": "--upload-pack=reboot", "commit": "a" * 40}}),
        ("engines", ENGINE, {"source": {"git": "-u@x:y", "commit": "a" * 40}}),
        ("engines", ENGINE, {"source": {"git": "git@-oProxyCommand=x:y", "commit": "a" * 40}}),
        ("engines", ENGINE, {"source": {"git": "git@-x:y", "commit": "a" * 40}}),
        ("engines", ENGINE, {"source": {"git": "ssh://-oProxyCommand=reboot/y", "commit": "a" * 40}}),
        ("engines", ENGINE, {"versions": {"1": {"source": {"git": "https://example.org/a.git"}}}}),
        ("engines", ENGINE, {"source": {"archive": "https://example.org/a.tar.gz"}}),
    ],
    ids=lambda part: repr(part)[:60],
)
def test_entries_of_the_catalog_have_ranges_and_characters(noun: str, base: Any, change: dict[str, Any]) -> None:
    assert run(extra={noun: {"mine": base}}).problems == []
    problems = run(extra={noun: {"mine": {**base, **change}}}).problems
    assert problems, "nothing was said of it"
    assert all(
        f"thor_extra_{noun}['mine'].{next(iter(change))}" in one.variable or "versions" in one.variable
        for one in problems
    )


@pytest.mark.parametrize("noun", ["engines", "models", "profiles"])
@pytest.mark.parametrize("name", ["", "a b", "../x", ".x", "a/b", "a\nb", "\ud800", "x" * 200, 7, None, True, 1.5])
def test_names_of_entries_are_checked(noun: str, name: Any) -> None:
    base = {"engines": ENGINE, "models": MODEL, "profiles": PROFILE}[noun]
    problem = run(extra={noun: {name: base}}).problems[0]
    assert problem.code in {"THOR-NAME-INVALID", "THOR-TYPE-INVALID"}
    assert problem.variable.startswith(f"thor_extra_{noun}[")
    # The others are still there.
    assert run(CHAT, extra={noun: {name: base}}).facts


@pytest.mark.parametrize("own", [0, 7, "", "x", [], ["x"], False, True, 1.5])
def test_entries_must_be_a_mapping(own: Any) -> None:
    for noun in ("engines", "models", "profiles"):
        assert said(run(CHAT, extra={noun: own}).problems) == [("THOR-TYPE-INVALID", f"thor_extra_{noun}")]


def test_an_engine_that_is_started_with_a_file_needs_a_model_that_names_one() -> None:
    models = {"m": {"modelscope": "a/b", "bytes": 1}}
    problem = run(extra={"models": models, "profiles": {"p": {**PROFILE, "model": "m"}}}).problems[0]
    assert (problem.code, problem.variable) == ("THOR-KEY-MISSING", "thor_extra_profiles['p'].model")
    assert "thor_extra_models['m'].file" in problem.remedy


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("engine_versions", {"vllm": "a b"}),
        ("engine_versions", {"vllm": 26.1}),
        ("engine_versions", {7: "26.05"}),
        ("engine_versions", "26.05"),
        ("address", 7),
        ("address", None),
        ("address", "127.0.0.1\n"),
        ("allow_broken", "maybe"),
        ("allow_unauthenticated", 2),
        ("ngc_registry", "cache.example.org/x y"),
        ("ngc_registry", "-x\n"),
        ("ngc_registry", None),
        ("package_locks", "packages"),
        ("package_locks", 7),
        ("device_memory_gib", -1),
        ("device_memory_gib", float("nan")),
        ("device_memory_gib", float("inf")),
        ("device_memory_gib", "much"),
        ("device_memory_gib", True),
    ],
)
def test_variables_of_a_whole_host_have_ranges_and_characters(key: str, value: Any) -> None:
    problems = run(FP4, **{key: value}).problems
    assert len(problems) == 1 and problems[0].variable.startswith(f"thor_{key}")


def test_numbers_are_written_without_exponents() -> None:
    options = {"temp": 1e-05, "typical": -1e-07, "min-p": 0.5}
    argv = run({"profile": CHAT, "options": options}).facts[0]["argv"]
    found = {name: argv[argv.index(f"--{name}") + 1] for name in options}
    assert found == {"temp": "0.00001", "typical": "-0.0000001", "min-p": "0.5"}


def test_the_plan_refuses_everything_at_once_and_without_a_traceback(tmp_path: Path) -> None:
    inventory = {
        "thor": {
            "hosts": {"thor01": {}},
            "vars": {
                "thor_profiles": [CHAT, {"profile": "mine", "port": 8001, "served_name": "a b"}],
                "thor_extra_profiles": {EVIL: PROFILE, "mine": PROFILE},
                "thor_device_memory_gib": float("nan"),
                "thor_memory_reserve_gib": "{{ -5 }}",
                "serving_stop_timeout": 0,
            },
        }
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", tmp_path / "hosts.yml", "playbooks/plan.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 2 and "Traceback" not in output, output
    for words in (
        "THOR-NAME-INVALID: thor_extra_profiles['evil",
        "THOR-VALUE-INVALID: thor_device_memory_gib",
        "THOR-VALUE-INVALID: thor_memory_reserve_gib",
        "THOR-VALUE-INVALID: serving_stop_timeout",
        "THOR-VALUE-INVALID: thor_profiles[1].served_name",
    ):
        assert words in output, output
