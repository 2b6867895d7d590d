# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which Python environments are due on a host, why, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils import kept_flags
from ansible_collections.jetson.thor.plugins.module_utils.environments import index
from ansible_collections.jetson.thor.plugins.module_utils.environments.inputs import fingerprint
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import role_variables
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import environments, shares, text
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.environments import EnvironmentSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import plan
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import GIB, judge, unsaid
from sample_host import HOST, SETTINGS, host, service

ROOT = Path(__file__).resolve().parents[4]
TAG = "cp312-aarch64"
SHA256 = "5" * 64
CHOSEN = EnvironmentSettings()
LOCK = {"path": f"/locks/vllm-0.33.0-{TAG}.txt", "sha256": SHA256, "packages": 199, "bytes": 4_000_000_000}
PACKAGES = {
    "requirement": "vllm[audio]==0.33.0",
    "locks": {TAG: LOCK},
    "apt": ["g++", "python3-dev"],
    "cuda_code": {"required": ["*/torch/lib/libtorch_cuda.so"], "lost": {}},
}
TORCH = "lib/python3.12/site-packages/torch/lib/libtorch_cuda.so"
CODE = {"machine_code": {"sm_110": 1}, "ptx": {}, "runs": True}
PROOF = {"libraries": {TORCH: CODE}, "runs": [TORCH], "lacks": []}
MODEL = {"source": "hub", "hub": "modelscope", "id": "a/b", "revision": "master", "include": ["x.gguf"], "intact": True}


def vllm(**changes: Any) -> dict[str, Any]:
    """A service of vLLM as Python packages."""
    base = {
        "kind": "packages",
        "role": environments.ROLE,
        "engine": "vllm",
        "version": "0.33.0",
        "source": None,
        "packages": PACKAGES,
        "argv": ["vllm", "serve", "/models/a/b"],
    }
    return service(**{**base, **changes})


def made(**changes: Any) -> dict[str, Any]:
    """The environments of a host that has what vllm() needs."""
    there = {
        "path": f"/opt/thor/engines/vllm/0.33.0-{fingerprint(SHA256, TAG)}",
        "fingerprint": fingerprint(SHA256, TAG),
        "bytes": 8_600_000_000,
        "packages": 199,
        "python": "3.12.3",
        "damaged": None,
        "cuda_code": PROOF,
        "options": None,
    }
    return {"vllm": {"0.33.0": {**there, **changes}}}


def settled(**changes: Any) -> dict[str, Any]:
    """A host that has everything that vllm() needs."""
    return host(**{"models": {"/models/a/b": MODEL}, "environments": made(), **changes})


def reasons(found: dict[str, Any], chosen: EnvironmentSettings = CHOSEN) -> tuple[str, ...]:
    """Why the environment of vllm() is due on a host."""
    due = environments.due([vllm()], found, chosen)
    return due[0].reasons if due else ()


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


def steps(
    found: dict[str, Any], *services: dict[str, Any], chosen: EnvironmentSettings = CHOSEN
) -> list[tuple[str, str]]:
    """What the role would do on a host, as kind and subject."""
    planned = plan("thor01", services or [vllm()], found, replace(SETTINGS, environments=chosen))
    assert planned.problems == ()
    return [(str(step.kind), step.subject) for step in planned.steps if step.concern == environments.ROLE]


def test_each_missing_version_is_one_environment_with_the_arguments_of_its_services() -> None:
    older = {**PACKAGES, "requirement": "vllm==0.31.0", "locks": {TAG: {**LOCK, "path": "/locks/older.txt"}}}
    services = [
        vllm(),
        vllm(name="code", argv=["vllm", "serve", "/models/c"]),
        vllm(name="old", version="0.31.0", packages=older),
        vllm(name="refused", version=None),
        vllm(name="unknown", version="9.9", packages=None),
        service(name="built"),
    ]
    due = environments.due(services, HOST, CHOSEN)
    assert [(one.version, one.lock, one.keep) for one in due] == [
        ("0.33.0", LOCK["path"], ("0.33.0", "0.31.0")),
        ("0.31.0", "/locks/older.txt", ("0.33.0", "0.31.0")),
    ]
    assert due[0].argvs == {"chat": ["serve", "/models/a/b"], "code": ["serve", "/models/c"]}
    assert (due[0].packages, due[0].bytes, due[0].reasons) == (199, 4_000_000_000, ("not installed yet",))


def test_an_environment_that_is_as_it_should_be_is_not_due() -> None:
    assert reasons(settled()) == ()
    assert plan("thor01", [vllm()], settled(), SETTINGS).due == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fingerprint": "0" * 12}, "its lock has changed"),
        ({"fingerprint": "0" * 12, "python": "3.13.5"}, "Python: 3.13 -> 3.12"),
        (
            {"damaged": "torch/lib/libtorch_cuda.so has another size"},
            "damaged on disk: torch/lib/libtorch_cuda.so has another size",
        ),
    ],
)
def test_a_changed_lock_another_python_and_damage_are_reasons(change: dict[str, Any], reason: str) -> None:
    found = settled(environments=made(**change))
    assert reasons(found) == (reason,)
    assert steps(found) == [("install", "vllm 0.33.0")]


def test_a_new_patch_release_of_python_is_not_a_reason() -> None:
    assert reasons(settled(environments=made(python="3.12.9"))) == ()


@pytest.mark.parametrize("proof", [None, {"libraries": {"lib/other.so": CODE}, "runs": ["lib/other.so"], "lacks": []}])
def test_unproven_cuda_code_is_proven_and_nothing_is_fetched(proof: Any) -> None:
    found = settled(environments=made(cuda_code=proof))
    assert steps(found) == [("check", "vllm 0.33.0")]
    (due,) = environments.due([vllm()], found, CHOSEN)
    assert due.is_installed and due.disk_bytes == 0
    planned = plan("thor01", [vllm()], found, SETTINGS)
    assert planned.steps[0].bytes is None and planned.due == (environments.ROLE,)


def test_no_proof_is_asked_for_where_none_is_wanted() -> None:
    found = settled(environments=made(cuda_code=None))
    assert reasons(found, replace(CHOSEN, prove_cuda_code=False)) == ()
    assert environments.due([vllm(packages={**PACKAGES, "cuda_code": None})], found, CHOSEN) == []
    (due,) = environments.due([vllm()], HOST, replace(CHOSEN, prove_cuda_code=False))
    assert "cuda_code" not in due.arguments()


def test_the_role_has_what_it_reads() -> None:
    (due,) = environments.due([vllm()], HOST, CHOSEN)
    tasks = (ROOT / "roles/python_engine/tasks/environments.yml").read_text(encoding="utf-8")
    (task, _observe) = yaml.safe_load(tasks)
    read = {
        key
        for key in ("engine", "version", "lock", "argvs", "wanted", "cuda_code", "keep")
        if f"item['{key}']" in str(task)
    }
    assert set(due.arguments()) == read
    assert due.arguments()["keep"] == ["0.33.0"]


@pytest.mark.parametrize(
    ("python", "compiler", "missing"),
    [
        ({"headers": True, "venv": True}, "g++ 13.3.0", []),
        ({"headers": False, "venv": True}, "g++ 13.3.0", ["python3-dev"]),
        ({"headers": True, "venv": False}, None, ["g++", "python3-venv"]),
    ],
)
def test_only_debian_packages_whose_content_is_missing_are_installed(
    python: dict[str, bool], compiler: str | None, missing: list[str]
) -> None:
    bare = host(toolchain={**HOST["toolchain"], "compiler": compiler}, python={**HOST["python"], **python})
    assert environments.lacking([vllm()], bare, CHOSEN) == missing
    assert steps(bare) == [*(("install", name) for name in missing), ("install", "vllm 0.33.0")]


def test_a_compiler_that_was_removed_is_installed_again_and_a_package_that_nobody_observes_is_not() -> None:
    toolchain = {**HOST["toolchain"], "compiler": None}
    found = settled(toolchain=toolchain, python={**HOST["python"], "venv": False})
    assert steps(found) == [("install", "g++")], "python3-venv is only for installing"
    numa = vllm(packages={**PACKAGES, "apt": ["libnuma1"]})
    assert steps(settled(), numa) == []
    assert steps(host(), numa) == [("install", "libnuma1"), ("install", "vllm 0.33.0")]


def test_an_engine_that_compiles_nothing_needs_no_compiler() -> None:
    toolchain = {**HOST["toolchain"], "compiler": None}
    assert environments.lacking([vllm(packages={**PACKAGES, "apt": []})], host(toolchain=toolchain), CHOSEN) == []


def test_a_missing_compiler_is_refused_where_the_role_may_not_install_it() -> None:
    chosen = replace(SETTINGS, environments=replace(CHOSEN, install_packages=False))
    bare = host(toolchain={**HOST["toolchain"], "compiler": None}, python={**HOST["python"], "headers": False})
    problem = only(judge([vllm()], bare, chosen))
    assert (problem.code, problem.variable) == ("THOR-COMPILER-MISSING", "python_engine_install_packages")
    assert "This host lacks a C++ compiler and Python's header files. vllm needs that" in problem.reason
    assert "apt-get install g++ python3-dev" in problem.remedy
    assert judge([vllm()], HOST, chosen) == []


def test_another_python_than_any_lock_has_is_refused_with_the_command_that_makes_a_lock() -> None:
    newer = host(python={**HOST["python"], "version": "3.13.5", "tag": "cp313"})
    problem = only(judge([vllm()], newer, SETTINGS))
    assert (problem.code, problem.variable, problem.value) == ("THOR-PYTHON-VERSION", "thor_host.python", "3.13.5")
    assert "There are locks for Python 3.12 on aarch64." in problem.reason
    assert "script/lock --packages 'vllm[audio]==0.33.0' --python 3.13 --machine aarch64" in problem.remedy
    assert environments.due([vllm()], newer, CHOSEN) == []
    made = "script/lock --packages 'vllm[audio]==0.33.0' --with six --python 3.12 --machine aarch64"
    added = vllm(packages={**PACKAGES, "locks": {TAG: {**LOCK, "command": made}}})
    assert "--with six --python 3.13 --machine aarch64" in only(judge([added], newer, SETTINGS)).remedy


def test_a_platform_without_a_lock_is_refused() -> None:
    problem = only(judge([vllm()], host(architecture="x86_64"), SETTINGS))
    assert (problem.code, problem.variable) == ("THOR-LOCK-MISSING", "thor_services['chat'].version")
    assert "no lock for Python 3.12 on x86_64. There are locks for Python 3.12 on aarch64." in problem.reason
    assert "--python 3.12 --machine x86_64" in problem.remedy
    without = vllm(packages={**PACKAGES, "locks": {}})
    assert judge([without], HOST, SETTINGS) == [], "resolve has refused a version without any lock"


def test_a_host_without_python_is_refused_and_its_headers_are_not_mentioned() -> None:
    chosen = replace(SETTINGS, environments=replace(CHOSEN, install_packages=False))
    none = {"version": None, "tag": None, "path": "/usr/bin/python3", "headers": False, "venv": False}
    problem = only(judge([vllm()], host(python=none), chosen))
    assert problem.code == "THOR-PYTHON-VERSION" and "apt-get install python3" in problem.remedy


def test_a_lock_that_is_missing_because_it_is_invalid_is_one_problem() -> None:
    invalid = Problem("THOR-LOCK-INVALID", "thor_package_locks", "x.txt", "line 7", "Make it again.")
    judged = judge([vllm()], host(architecture="x86_64"), SETTINGS)
    assert len(judged) == 1 and unsaid(judged, [invalid]) == [] and unsaid(judged, []) == judged


def test_the_disk_must_hold_what_is_unpacked_and_no_more_if_it_is_there() -> None:
    small = settled(environments={})
    small["disks"]["/opt/thor"].update(free_bytes=10 * GIB, device=2)
    small["disks"]["/var/lib/thor"].update(device=2)
    problem = only(judge([vllm()], small, SETTINGS))
    assert problem.code == "THOR-DISK-FULL" and "the environment of vllm 0.33.0 9.2 GB" in problem.reason
    assert problem.reason.startswith("9.2 GB are still needed"), "hard links: once on one disk"
    assert judge([vllm()], {**small, "environments": made()}, SETTINGS) == []


def test_another_disk_for_uv_must_hold_it_too() -> None:
    two = settled(environments={})
    two["disks"]["/opt/thor"].update(device=2)
    two["disks"]["/var/lib/thor"].update(free_bytes=10 * GIB, device=3)
    problem = only(judge([vllm()], two, SETTINGS))
    assert problem.variable == "thor_host.disks['/var/lib/thor']"


def test_a_wrong_clock_is_refused_where_packages_are_to_be_fetched() -> None:
    wrong = {"time": 1758840600.0, "behind_s": 86400, "synchronized": False}
    problem = only(judge([vllm()], settled(environments={}, clock=wrong), SETTINGS))
    assert problem.code == "THOR-CLOCK-WRONG" and "the packages of vllm" in problem.reason
    assert judge([vllm()], settled(clock=wrong, environments=made(cuda_code=None)), SETTINGS) == []


def test_arguments_that_only_pip_takes_are_refused_where_environments_are_used() -> None:
    chosen = replace(SETTINGS, environments=replace(CHOSEN, pip_arguments="--retries 9"))
    problem = only(judge([vllm()], HOST, chosen))
    assert problem.code == "THOR-PACKAGES-ARGUMENTS" and "--retries" in problem.reason
    assert plan("thor01", [vllm()], None, chosen).problems == (problem,), "without contact, too"
    mirror = replace(CHOSEN, pip_arguments="--index-url https://me:secret@mirror.example/simple")
    assert judge([vllm()], HOST, replace(SETTINGS, environments=mirror)) == []
    assert judge([service(kind="build")], HOST, chosen) == []


def test_a_number_counts_as_a_text() -> None:
    number: Any = 5
    chosen = replace(CHOSEN, pip_arguments=number)
    assert role_variables.problems({"thor_pip_extra_args": 5}, lambda one: one) == []
    assert only(environments.wrong_arguments([vllm()], chosen)).code == "THOR-PACKAGES-ARGUMENTS"


def test_the_section_says_where_packages_come_from() -> None:
    mirror = replace(SETTINGS, environments=replace(CHOSEN, pip_arguments="-i https://me:secret@mirror.example/simple"))
    for settings, source in ((SETTINGS, "the package index"), (mirror, "https://****@mirror.example/simple")):
        assert shares.of_environments([vllm()], HOST, settings).section["source"] == source


@pytest.mark.parametrize("value", [["--no-index"], {"a": 1}, None])
def test_arguments_of_a_wrong_type_are_only_the_problem_that_resolve_reported(value: Any) -> None:
    chosen = replace(SETTINGS, environments=replace(CHOSEN, pip_arguments=value))
    reported = role_variables.problems({"thor_pip_extra_args": value}, lambda one: one)
    assert [one.code for one in reported] == ["THOR-TYPE-INVALID"]
    assert plan("thor01", [vllm()], None, chosen, reported).problems == tuple(reported)
    assert plan("thor01", [vllm()], HOST, chosen, reported).problems == tuple(reported)


def test_every_source_of_packages_that_the_documentation_names_is_accepted() -> None:
    page = (
        (ROOT / "docs/operations.md")
        .read_text(encoding="utf-8")
        .split("| where packages come from |")[1]
        .split("\n\n")[0]
    )
    shown = re.findall(r"\| `(.+)` \|$", page, re.MULTILINE)
    assert len(shown) == 6
    for arguments in shown:
        assert index.problem(arguments) is None, arguments


def test_without_an_observation_the_plan_is_for_a_thor_or_for_what_has_a_lock() -> None:
    planned = plan("thor01", [vllm()], None, SETTINGS)
    assert [step.subject for step in planned.steps if step.bytes == LOCK["bytes"]] == ["vllm 0.33.0"]
    assert "install vllm 0.33.0 (4 GB)" in text.lines(planned)[0]
    other = {"cp311-x86_64": {**LOCK, "path": "/locks/cpu.txt"}}
    for locks, expected in ((other, "/locks/cpu.txt"), ({**other, TAG: LOCK}, LOCK["path"])):
        mixed = vllm(packages={**PACKAGES, "locks": locks})
        section = plan("thor01", [mixed], None, SETTINGS).sections(environments.ROLE)[environments.ROLE]
        assert [one["lock"] for one in section["environments"]] == [expected]


def test_a_service_starts_again_when_its_environment_is_renewed_and_not_for_a_proof() -> None:
    step = plan("thor01", [vllm()], settled(environments={}), SETTINGS).steps[0]
    assert shares._renews_engine(step, vllm(), HOST)
    proof = plan("thor01", [vllm()], settled(environments=made(cuda_code=None)), SETTINGS).steps[0]
    assert not shares._renews_engine(proof, vllm(), HOST)


def test_settings_that_nobody_chose_are_those_of_the_role() -> None:
    defaults = yaml.safe_load((ROOT / "roles/python_engine/defaults/main.yml").read_text(encoding="utf-8"))
    assert defaults["python_engine_install_packages"] == EnvironmentSettings().install_packages


def test_an_engine_without_a_stored_list_is_asked_for_its_options_once() -> None:
    asking = vllm(parser="vllm", flags_checked=False)
    (due,) = environments.due([asking], settled(), CHOSEN)
    assert due.is_installed and "its options are not known" in due.reasons[0]
    assert due.arguments()["parser"] == "vllm"
    accepted = [kept_flags.digest_of("vllm", asking["argv"])]
    name = f"vllm-{fingerprint(SHA256, TAG)}"
    kept = {name: {"engine_version": "0.33.0", "options": {}, "accepted": accepted}}
    assert environments.due([asking], settled(flags=kept), CHOSEN) == []
    changed = {**asking, "argv": [*asking["argv"], "--enforce-eager"]}
    (again,) = environments.due([changed], settled(flags=kept), CHOSEN)
    assert again.is_installed and "has not accepted these arguments" in again.reasons[0]
    (fresh,) = environments.due([asking], host(), CHOSEN)
    assert not fresh.is_installed and fresh.reasons == ("not installed yet",)
    assert "parser" not in environments.due([vllm()], host(), CHOSEN)[0].arguments()
