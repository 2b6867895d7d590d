# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Random inventories: services or a refusal with a code, never a traceback; and units mean what their services say.

systemd (``systemd-analyze verify``: its messages, and what it has read) and the shell judge the latter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.filter.plan_text import plan_text
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import role_variables, shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import judge
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.definitions import wanted
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings
from hypothesis import assume, given
from random_inventories import KEYS, WILD, plausible_services, resolved, wild_inventories
from real_catalog import load
from resolved import SGLANG, VLLM, packaged
from sample_host import HOST, SETTINGS

ROOT = Path(__file__).resolve().parents[4]
ROLE = ROOT / "roles" / "serving"
CODE = re.compile(r"THOR-[A-Z]+(-[A-Z]+)+")


@given(wild_inventories())
def test_an_inventory_becomes_services_or_coded_refusals(inventory: tuple[dict[str, Any], dict[str, Any]]) -> None:
    inputs, extra = inventory
    catalog, problems = load(extra)
    resolution = resolve(Inputs(**inputs), catalog)
    found = problems + resolution.problems + judge(resolution.facts, HOST, SETTINGS)
    for problem in found:
        assert CODE.fullmatch(problem.code) and problem.reason and problem.remedy
        assert "\n" not in problem.text() and problem.text().isprintable(), problem.text()
        json.dumps(problem.as_dict(), allow_nan=False, ensure_ascii=False).encode()
    if not problems + resolution.problems:
        json.dumps(resolution.facts, allow_nan=False, ensure_ascii=False).encode()
        plan_text(resolution.facts, 122, 8)
        assert all(isinstance(word, str) for service in resolution.facts for word in service["argv"])


@given(WILD)
def test_role_variables_are_valid_or_refused(value: Any) -> None:
    for name in role_variables.VARIABLES:
        for problem in role_variables.problems({name: value}, lambda one: one):
            assert CODE.fullmatch(problem.code) and problem.variable.startswith(name)
            assert problem.text().isprintable()


@given(KEYS, WILD)
def test_no_value_ends_in_a_traceback(key: Any, value: Any) -> None:
    for spec in (shapes.TEXT, shapes.GIBIBYTES, shapes.REGEX, shapes.FILE):
        shapes.check(value, spec, "here")
        shapes.check_name(key, spec, "here")


# What is rendered


def version() -> int:
    """The version of systemd that judges, which is the device's then."""
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[1])


def host() -> dict[str, Any]:
    """What was observed of the device."""
    return {**HOST, "systemd": version(), "groups": ["render", "video"], "device_nodes": ["/dev/nvidia0", "/dev/nvmap"]}


def stand_in_root(root: Path) -> Path:
    """A root that holds what systemd looks for: its own units, and programs that are there."""
    shutil.copytree("/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    for program in ("usr/bin/python3", "usr/bin/docker", "usr/bin/systemd-tmpfiles", "bin/sh", "bin/true"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).write_text("#!/bin/sh\n", encoding="ascii")
        (root / program).chmod(0o755)
    units = root / "etc/systemd/system"
    units.mkdir(parents=True)
    for path in ROLE.glob("files/thor*.*"):
        if path.suffix in {".target", ".socket", ".service"}:
            shutil.copy(path, units)
    return units


def analyze(root: Path, names: list[str], debug: bool) -> str:
    """What ``systemd-analyze verify`` says of units; its exit status is 0 even for an unknown key."""
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", "--man=no", *names],
        cwd=root / "etc/systemd/system",
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "debug" if debug else "info", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=False,
    )
    return (done.stdout if debug else done.stdout + done.stderr).decode()


def words(line: str) -> list[str]:
    """A command line as systemd shows it (quote_command_line): words in double quotes with C escapes where they need it."""
    escapes = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
    found: list[str] = []
    for match in re.finditer(r'"((?:\\.|[^"\\])*)"|(\S+)', line, re.DOTALL):
        quoted, plain = match.groups()
        found.append(plain or re.sub(r"\\(.)", lambda one: escapes.get(one[1], one[1]), quoted, flags=re.DOTALL))
    return found


def dumped(text: str) -> dict[str, dict[str, list[str]]]:
    """The units of a dump: ``{unit: {key: [values]}}``; commands stand under the names of their directives. systemd 257 draws arrows."""
    units: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    command = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"\t(?:->|→) Unit (\S+):", line):
            current = units.setdefault(match[1], {})
        elif match := re.fullmatch(r"\t\t(?:->|→) (Exec\w+):", line):
            command = match[1]
        elif match := re.fullmatch(r"\t+(Command Line|\w+): (.*)", line):
            current.setdefault(command if match[1] == "Command Line" else match[1], []).append(match[2])
    return units


def test_a_unit_means_what_its_service_says(tmp_path: Path) -> None:
    services: list[Service] = []

    @given(plausible_services(most=1))
    def collect(inputs: dict[str, Any]) -> None:
        resolution = resolved(inputs)
        assume(not resolution.problems)
        services.extend(resolution.services)

    collect()
    services.extend(packaged(profile) for profile in (VLLM, SGLANG))
    units = stand_in_root(tmp_path)
    meant: dict[str, dict[str, Any]] = {}
    rendered = wanted(services, host(), Settings(), {}).services
    for index, (service, files) in enumerate(zip(services, rendered, strict=True)):
        name = f"thor-u{index}-{service.name}.service"
        meant[name] = service.to_facts()
        (units / name).write_text(files.unit, encoding="utf-8")
        assert json.loads(files.config)["port"] == service.engine_port
    template = (ROLE / "templates/service.j2").read_text(encoding="utf-8")
    directives = {*re.findall(r"^(\w+)=", template, re.MULTILINE)}
    for name in meant:
        for line in (units / name).read_text(encoding="utf-8").splitlines():
            # No text of a person begins a line or stands in a comment.
            assert (
                line.startswith(("[", "    ")) or line == "" or line in template or line.split("=")[0] in directives
            ), line
    names = sorted(meant)
    for begin in range(0, len(names), 200):
        batch = names[begin : begin + 200]
        assert analyze(tmp_path, batch, debug=False) == ""
        read = dumped(analyze(tmp_path, batch, debug=True))
        for name in batch:
            check_unit(read[name], meant[name], units / name)
    check_shell(list(meant.values()))


def check_unit(read: dict[str, list[str]], service: dict[str, Any], unit: Path) -> None:
    """What systemd has read of one unit, held against the service."""
    (command,) = read["ExecStart"]
    given_words = words(command)
    # $$ is one dollar when the command is run; a single one would be a variable.
    assert all("$" not in word.replace("$$", "") for word in given_words)
    argv = [word.replace("$$", "$") for word in given_words]
    head = argv.index("--")
    assert argv[:head][-2:] == ["--config", f"/etc/thor/services/{service['name']}.json"]
    own = argv[head + 1 :]
    environment = dict(line.split("=", 1) for line in read["Environment"])
    if service["kind"] != "image":
        assert [Path(own[0]).name, *own[1:]] == service["argv"], unit
    else:
        said = service["entrypoint"]
        # The entrypoint is, or replaces, the first words.
        passed = service["argv"][said["instead_of"] :] if said else service["argv"]
        assert own[len(own) - len(passed) :] == passed, unit
        environment = dict(word.removeprefix("--env=").split("=", 1) for word in own if word.startswith("--env="))
    tree = own[0].partition("/bin/")[0]
    filled = {key: value.replace("{environment}", tree) for key, value in service["environment"].items()}
    assert {key: environment[key] for key in filled} == (
        filled if service["kind"] == "packages" else service["environment"]
    ), unit
    assert set(read) & {"ExecStartPost", "ExecCondition", "ExecReload", "ExecStop"} == set()
    assert len(read.get("ExecStartPre", [])) <= 1 and len(read.get("ExecStopPost", [])) <= 1
    assert read["Description"][0].startswith(f"jetson.thor: {service['name']}, ")


def check_shell(services: list[dict[str, Any]]) -> None:
    """The commands that plan.yml shows, as a shell reads them."""
    lines = [line for line in plan_text(services, 122, 8) if " runs: " in line]
    # A word may hold a line break, and then its line goes on.
    script = "\n".join(f"printf '%s\\0' {line.split(' runs: ', 1)[1]}" for line in lines)
    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.decode().split("\0")[:-1] == [word for service in services for word in service["argv"]]
