# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Secrets of services: in no fact, no unit, no argument and no message; handed over by a file that is root's."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.jetson.thor.plugins.filter.plan_text import plan_text
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, is_secret
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import (
    FOLDER,
    SecretFiles,
)
from ansible_collections.jetson.thor.plugins.modules import service_secrets as module
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.definitions import wanted
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.secrets import service_secrets
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings
from real_catalog import BUILT_IN, load
from sample_host import HOST

ROLE = Path(__file__).resolve().parents[4] / "roles" / "serving"
CHAT, VLLM = "qwen3-8b-q5-k-m-llama-cpp", "qwen3-8b-vllm"
TOKEN = "hf_veryverysecret"


def run(*profiles: Any, **settings: Any) -> Resolution:
    return resolve(Inputs(list(profiles), **settings), BUILT_IN)


def test_a_service_has_the_names_of_its_secrets_alone() -> None:
    resolution = run({"profile": VLLM, "secrets": {"HF_TOKEN": TOKEN, "MY_KEY": TOKEN}}, CHAT)
    assert {problem.code for problem in resolution.problems} == {"THOR-PORT-DUPLICATE"}
    assert [service["secrets"] for service in resolution.facts] == [["HF_TOKEN", "MY_KEY"], []]
    assert TOKEN not in json.dumps(resolution.facts)
    assert TOKEN not in str(plan_text(resolution.facts, 122, 8))


def test_a_profile_has_secrets_too() -> None:
    extra = {
        "mine": {
            "engine": "vllm",
            "model": "qwen3-8b",
            "served_name": "q",
            "memory_gib": 30,
            "secrets": {"A_KEY": TOKEN},
        }
    }
    catalog, problems = load({"profiles": extra})
    assert problems == []
    entry = {"profile": "mine", "secrets": {"HF_TOKEN": TOKEN}}
    assert resolve(Inputs([entry]), catalog).facts[0]["secrets"] == ["A_KEY", "HF_TOKEN"]
    assert service_secrets([entry, CHAT], extra) == {"mine": {"A_KEY": TOKEN, "HF_TOKEN": TOKEN}}
    assert service_secrets([{**entry, "name": "chat"}, "mine"], extra) == {
        "chat": {"A_KEY": TOKEN, "HF_TOKEN": TOKEN},
        "mine": {"A_KEY": TOKEN},
    }


@pytest.mark.parametrize(
    ("profile", "change", "instead"),
    [
        (CHAT, {"options": {"hf-token": TOKEN}}, "secrets: {HF_TOKEN: ...}"),
        (CHAT, {"options": {"api-key": TOKEN}}, "secrets: {LLAMA_API_KEY: ...}"),
        (VLLM, {"options": {"hf-token": TOKEN}}, "secrets: {HF_TOKEN: ...}"),
        (VLLM, {"options": {"api-key": [TOKEN]}}, "secrets: {VLLM_API_KEY: ...}"),
        ("qwen3-8b-sglang", {"options": {"api-key": TOKEN}}, "gateway"),
        (VLLM, {"environment": {"HF_TOKEN": TOKEN}}, "secrets: {HF_TOKEN: ...}"),
        (VLLM, {"environment": {"AWS_SECRET_ACCESS_KEY": TOKEN}}, "secrets: {AWS_SECRET_ACCESS_KEY: ...}"),
        (VLLM, {"environment": {"DB_PASSWORD": TOKEN}}, "secrets: {DB_PASSWORD: ...}"),
        (VLLM, {"environment": {"MY_SECRET": TOKEN}}, "secrets: {MY_SECRET: ...}"),
        (VLLM, {"environment": {"HTTPS_PROXY": f"http://me:{TOKEN}@proxy"}}, "secrets: {HTTPS_PROXY: ...}"),
        (VLLM, {"options": {"model-loader-extra-config": {"aws_secret_access_key": TOKEN}}}, "Leave it out"),
        (VLLM, {"options": {"additional-config": {"api_key": TOKEN}}}, "Leave it out"),
    ],
)
def test_secrets_in_the_open_are_refused_and_not_repeated(profile: str, change: dict[str, Any], instead: str) -> None:
    (problem,) = run({"profile": profile, **change}).problems
    part, values = next(iter(change.items()))
    assert (problem.code, problem.variable) == ("THOR-SECRET-PLAIN", f"thor_profiles[0].{part}[{next(iter(values))!r}]")
    assert instead in problem.remedy
    assert TOKEN not in problem.text() and TOKEN not in json.dumps(problem.as_dict())


@pytest.mark.parametrize(
    ("profile", "change"),
    [
        (CHAT, {"options": {"api-key": "123456789012"}}),
        (CHAT, {"options": {"api-key": 123456789012}}),
        (VLLM, {"environment": {"HF_TOKEN": "987654321098"}}),
        (CHAT, {"environment": {"LLAMA_API_KEY": 1234567890}}),
        (VLLM, {"environment": {"VLLM_API_KEY": "true"}}),
    ],
)
def test_a_key_of_digits_is_a_key(profile: str, change: dict[str, Any]) -> None:
    problems = run({"profile": profile, **change}).problems
    assert "THOR-SECRET-PLAIN" in [problem.code for problem in problems]
    value = str(next(iter(next(iter(change.values())).values())))
    assert f"= {value}" not in "".join(problem.text() for problem in problems).replace('"', "")
    assert not [problem for problem in problems if problem.as_dict()["value"] is not None]


@pytest.mark.parametrize(
    ("noun", "entry", "key"),
    [
        (
            "models",
            {"url": f"https://me:{TOKEN}@example.org/x.gguf", "path": "a", "file": "x.gguf"},
            "url",
        ),
        (
            "models",
            {"url": f"https://{TOKEN}@example.org/x.gguf", "path": "a", "file": "x.gguf"},
            "url",
        ),
        ("engines", {"source": {"git": f"https://me:{TOKEN}@example.org/x.git", "commit": "0c1e570"}}, "source.git"),
        (
            "engines",
            {"versions": {"0c1e570": {"source": {"archive": f"https://{TOKEN}@example.org/x", "sha256": "0" * 64}}}},
            "source.archive",
        ),
        ("engines", {"command": ["llama-server", "--model", "{file}", "--api-key", TOKEN]}, "command"),
        ("engines", {"command": ["llama-server", "--model", "{file}", f"--api_key={TOKEN}"]}, "command"),
    ],
)
def test_secrets_in_the_catalog_are_refused_and_not_repeated(noun: str, entry: dict[str, Any], key: str) -> None:
    name = "llama.cpp" if noun == "engines" else "mine"
    _catalog, problems = load({noun: {name: {"bytes": 5, **entry} if noun == "models" else entry}})
    found = [problem for problem in problems if problem.code == "THOR-SECRET-PLAIN"]
    assert [
        problem.variable.startswith(f"thor_extra_{noun}") and problem.variable.endswith(key) for problem in found
    ] == [True]
    assert TOKEN not in "".join(problem.text() + json.dumps(problem.as_dict()) for problem in problems)


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "PYTHONPATH"])
def test_variables_that_steer_programs_are_not_secrets(name: str) -> None:
    (problem,) = run({"profile": CHAT, "secrets": {name: TOKEN}}).problems
    assert (problem.code, problem.variable) == ("THOR-NAME-INVALID", f"thor_profiles[0].secrets[{name!r}]")


def test_an_option_that_an_own_engine_calls_a_secret_is_one() -> None:
    own = {"llama.cpp": {"secret_options": {"jinja-word": "MY_WORD"}}}
    catalog, _problems = load({"engines": own})
    found = resolve(Inputs([{"profile": CHAT, "options": {"jinja-word": "12345678"}}]), catalog).problems
    assert "THOR-SECRET-PLAIN" in [problem.code for problem in found]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secrets": TOKEN}, "THOR-TYPE-INVALID"),
        ({"secrets": {"HF_TOKEN": [TOKEN]}}, "THOR-TYPE-INVALID"),
        ({"secrets": [{"HF_TOKEN": TOKEN}]}, "THOR-TYPE-INVALID"),
        ({"environment": [{"HF_TOKEN": TOKEN}]}, "THOR-TYPE-INVALID"),
        ({"secrets": {"HF_TOKEN": f"{TOKEN}\n"}}, "THOR-VALUE-INVALID"),
        ({"secrets": {"HF_TOKEN": "short"}}, "THOR-VALUE-INVALID"),
        ({"secrets": {"HF TOKEN": TOKEN}}, "THOR-NAME-INVALID"),
        ({"secrets": {"LLAMA_ARG_TOOLS": TOKEN}}, "THOR-OPTION-UNSAFE"),
        ({"secrets": {"X": TOKEN}, "environment": {"X": "1"}}, "THOR-VALUE-INVALID"),
        ({"environment": {"HF_TOKEN": f"{TOKEN}\n"}}, "THOR-VALUE-INVALID"),
        ({"options": {"hf-tokn": TOKEN, "api-key": TOKEN}}, "THOR-FLAG-UNKNOWN"),
    ],
)
def test_no_message_repeats_a_secret(change: dict[str, Any], code: str) -> None:
    problems = run({"profile": CHAT, **change}).problems
    assert code in [problem.code for problem in problems]
    hidden = [problem for problem in problems if "tokn" not in problem.variable]
    assert TOKEN not in "".join(problem.text() + json.dumps(problem.as_dict()) for problem in hidden)


def test_nor_does_one_that_speaks_of_what_the_secret_stands_in() -> None:
    entry = {"profile": CHAT, "secrets": {"HF_TOKEN": TOKEN}}
    for written in ({"chat": entry}, [[entry]]):
        problems = resolve(Inputs(written), BUILT_IN).problems
        assert [problem.code for problem in problems] == ["THOR-TYPE-INVALID"]
        assert TOKEN not in problems[0].text() + json.dumps(problems[0].as_dict())


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("HF_TOKEN", TOKEN, True),
        ("api-key", TOKEN, True),
        ("OPENAI_API_KEY", TOKEN, True),
        ("OPENAI_APIKEY", TOKEN, True),
        ("PGPASSWORD", TOKEN, True),
        ("HF_TOKEN", "987654321098", True),
        ("VLLM_API_KEY", "true", True),
        ("api-key", 123456789012, True),
        ("HUGGING_FACE_HUB_TOKEN", "1", True),
        ("HF_TOKEN", "false", False),
        ("api-key", False, False),
        ("GITHUB_PAT", TOKEN, True),
        ("DB_PASS", TOKEN, True),
        ("MY_CREDENTIALS", TOKEN, True),
        ("SECRET_KEY_BASE", TOKEN, True),
        ("OPENAI_API_KEYS", TOKEN, True),
        ("DATABASE_URL", f"postgres://me:{TOKEN}@db/x", True),
        ("HTTPS_PROXY", f"http://me:{TOKEN}@proxy:3128", True),
        ("HTTPS_PROXY", "http://proxy:3128/?a=b@c", False),
        ("GIT_BASE", "ssh://git@example.org/x", False),
        ("model-loader-extra-config", {"a": [{"aws_secret_access_key": TOKEN}]}, True),
        ("additional-config", f'{{"api_key": "{TOKEN}"}}', True),
        ("hf-overrides", {"classifier_from_token": ["no", "yes"]}, False),
        ("hf-overrides", {"image_token": "<|image|>", "head_key": 5}, False),
        ("json-schema", '{"properties": {"token": {"type": "string"}}}', False),
        ("override-kv", "{not json", False),
        ("DB_PASSWD", TOKEN, True),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("VLLM_MAX_TOKENS", "many", False),
        ("MAX_TOKEN", "512", False),
        ("USE_TOKEN", "true", False),
        ("MONKEY", "banana", False),
        ("ssl-key-file", "/etc/key", False),
        ("hf-token", True, False),
    ],
)
def test_what_is_a_secret_by_its_name(name: str, value: Any, secret: bool) -> None:
    assert is_secret(name, value) is secret
    assert (Problem("THOR-X", f"thor_x[0].environment[{name!r}]", value, "r", "m").as_dict()["value"] is None) is secret


def test_no_other_option_of_an_engine_counts_as_a_secret() -> None:
    names = {name[2:] for flags in BUILT_IN.flags.values() for name in flags}
    assert {name for name in names if is_secret(name, "x")} == {
        *("api-key", "hf-token", "admin-api-key", "ssl-keyfile-password")
    }
    environments = {
        name: value for engine in BUILT_IN.engines.values() for name, value in (engine.get("environment") or {}).items()
    }
    assert not [name for name, value in environments.items() if is_secret(name, value)]


# On the device


def test_a_unit_names_the_file_and_a_container_the_variable() -> None:
    entries = [
        {"profile": CHAT, "name": "a", "secrets": {"HF_TOKEN": TOKEN}},
        {"profile": VLLM, "name": "b", "port": 8001, "secrets": {"HF_TOKEN": TOKEN}},
    ]
    services = run(*entries).services
    host = {**HOST, "groups": [], "device_nodes": []}
    spec = wanted(services, host, Settings(), {"a": "0a", "b": "0b"}).spec()
    native, container = spec["services"]
    assert f"\nEnvironmentFile=/{FOLDER}/a-0a.env\n" in native["unit"]
    assert f"\nEnvironmentFile=/{FOLDER}/b-0b.env\n" in container["unit"]
    command = next(line for line in container["unit"].splitlines() if line.startswith("ExecStart="))
    assert "--env=HF_TOKEN" in shlex.split(command)
    assert TOKEN not in json.dumps(spec)


def test_the_module_says_what_changed_and_never_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SecretFiles", lambda: SecretFiles(tmp_path))

    def ask(value: str, check: bool = False) -> dict[str, Any]:
        arguments = {"services": {"chat": {"HF_TOKEN": value}}, "_ansible_check_mode": check}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        output = capsys.readouterr().out
        assert value not in output
        result: dict[str, Any] = json.loads(output)
        return result

    foreseen = ask(TOKEN, check=True)
    assert (foreseen["changed"], foreseen["tags"]) == (True, {"chat": "new"}) and not (tmp_path / FOLDER).exists()
    written = ask(TOKEN)
    assert written["changed"] and (tmp_path / FOLDER / f"chat-{written['tags']['chat']}.env").exists()
    again = ask(TOKEN)
    assert (again["changed"], again["tags"]) == (False, written["tags"])
    other = ask("another-secret")
    assert other["changed"] and other["tags"] != written["tags"]
    assert len(list((tmp_path / FOLDER).iterdir())) == 1, "nothing names the first one any more"


def test_the_role_keeps_what_it_hands_over_out_of_the_log() -> None:
    tasks = [task for path in ROLE.glob("tasks/*.yml") for task in yaml.safe_load(path.read_text(encoding="utf-8"))]
    ours = [task for task in tasks if "jetson.thor.service_secrets" in task]
    assert len(ours) == 1 and all(task["no_log"] is True for task in ours)


# Keys that engines ask for


@pytest.mark.parametrize(("profile", "variable"), [(CHAT, "LLAMA_API_KEY"), (VLLM, "VLLM_API_KEY")])
def test_a_service_that_asks_for_a_key_says_where_it_is(profile: str, variable: str) -> None:
    service = run({"profile": profile, "secrets": {variable: TOKEN}}).facts[0]
    assert (service["api_key"], service["secrets"]) == (variable, [variable])
    assert run({"profile": profile, "secrets": {"HF_TOKEN": TOKEN}}).facts[0]["api_key"] is None
