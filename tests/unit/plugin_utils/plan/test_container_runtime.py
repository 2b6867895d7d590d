# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done so that a host runs containers, and what stands in the way."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import environment_key
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host, toolkit
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import container_runtime
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import plan
from docker_info import INFO
from sample_host import HOST as BARE
from sample_host import SETTINGS as PLAN
from sample_host import service

ROOT = Path(__file__).resolve().parents[4]
VERSION = "1.18.1-1"
SETTINGS: dict[str, Any] = {
    "docker_source": "distribution",
    "docker_packages": {"distribution": ["docker.io"], "docker-ce": ["docker-ce", "docker-ce-cli"]},
    "toolkit_version": VERSION,
    "daemon_options": {},
    "default_runtime": "",
    "data_root": "",
    "no_iptables_raw": "auto",
}
SERVICES: list[dict[str, Any]] = [{"name": "chat", "kind": "image"}]
HOST: dict[str, Any] = {
    "architecture": "aarch64",
    "l4t": "38.2.0",
    "docker": {
        "client": "/usr/bin/docker",
        "daemon": "/usr/bin/dockerd",
        "foreign": None,
        "running": True,
        "enabled": True,
        "environment": {},
        "drop_in": None,
        "pending": None,
        **docker_host.describe(INFO, []),
    },
    "container_packages": {"gpg": "2.4", "docker.io": "26.1.5", **dict.fromkeys(toolkit.PACKAGES, VERSION)},
    "held_packages": [],
    "package_work": [],
    "docker_installer": False,
    "jetpack_toolkit": None,
    "toolkit_available": [],
    "dpkg_interrupted": False,
    "daemon_json": {"runtimes": container_runtime.NVIDIA_RUNTIME},
    "daemon_json_error": None,
    "container_toolkit": "1.18.1",
    "cdi": {"unit": True, "renewed": {"l4t": "38.2.0", "toolkit": VERSION}},
    "raw_table": True,
    "proxy": {"there": False, "apt": True, "docker": True},
}

# A whole host, and a service of it that runs in a container.
THOR: dict[str, Any] = {**BARE, **HOST}
IMAGE = "nvcr.io/nvidia/vllm:25.10-py3"
SERVED = [service(kind="image", role="serving", engine="vllm", image=IMAGE, image_bytes=1000, environment={})]


def host(**changes: Any) -> dict[str, Any]:
    """A configured host with these differences."""
    made = copy.deepcopy(HOST)
    for key, value in changes.items():
        made[key] = {**made[key], **value} if isinstance(value, dict) and isinstance(made[key], dict) else value
    return made


def steps(observed: dict[str, Any], services: list[dict[str, Any]] = SERVICES, **settings: Any) -> dict[str, Any]:
    """The steps of a host."""
    return container_runtime.steps(observed, services, {**SETTINGS, **settings})


def test_a_configured_host_needs_nothing() -> None:
    decided = steps(host())
    assert decided["any"] is False
    assert decided["unproven"] == decided["problems"] == []


def test_a_host_without_containers_is_left_alone() -> None:
    bare = host(docker=None, daemon_json_error="line 1, column 1: x", container_packages={})
    decided = steps(bare, [{"name": "chat", "kind": "build"}])
    assert decided == {"needed": False, "problems": [], "any": False}


def test_a_fresh_host_gets_everything() -> None:
    fresh = host(docker=None, container_toolkit=None)
    fresh |= {"container_packages": {}, "daemon_json": None, "cdi": {"unit": False, "renewed": None}}
    decided = steps(fresh)
    assert decided["docker"] == ["docker.io"] and not decided["docker_repository"]
    assert decided["toolkit"] == [f"{name}={VERSION}" for name in toolkit.PACKAGES]
    assert decided["toolkit_repository"] and "hold" not in decided, "a hold would block nvidia-jetpack later"
    assert decided["gpg"] and decided["configure"] and decided["enable"] and decided["cdi"]
    assert decided["architecture"] == "arm64", "never another machine's packages"
    assert len(decided["unproven"]) == 2
    other = steps(fresh, docker_source="docker-ce")
    assert other["docker_repository"] and other["docker"] == ["docker-ce", "docker-ce-cli"]


def test_an_existing_docker_is_used() -> None:
    decided = steps(host(container_packages={"docker-ce": "5:28.0"}), docker_source="distribution")
    assert decided["docker"] == []


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"container_packages": {"libnvidia-container1": "1.16.2-1"}}, "toolkit"),
        ({"dpkg_interrupted": True}, "dpkg"),
        ({"docker": {"enabled": False}}, "enable"),
        ({"docker": {"running": False}}, "configure"),
        ({"docker": {"pending": "restart"}}, "configure"),
        ({"docker": {"effective": daemon_json.effective({**INFO, "Runtimes": {}})}}, "configure"),
        ({"daemon_json": None}, "configure"),
        ({"l4t": "38.4.0"}, "cdi"),
        ({"cdi": {"renewed": None}}, "cdi"),
        ({"cdi": {"renewed": {"l4t": "38.2.0", "toolkit": "1.20.0-1"}}}, "cdi"),
    ],
)
def test_each_difference_leads_to_its_step(changes: dict[str, Any], step: str) -> None:
    decided = steps(host(**changes))
    assert decided["any"] and decided[step], decided


@pytest.mark.parametrize(
    "settings",
    [
        {"daemon_options": {"insecure-registries": ["other:5000"]}},
        {"default_runtime": "nvidia"},
        {"data_root": "/data/docker"},
        {"no_iptables_raw": "always"},
    ],
)
def test_a_setting_that_dockerd_lacks_is_configured(settings: dict[str, Any]) -> None:
    assert steps(host(), **settings)["configure"]


def test_a_password_in_a_proxy_does_not_cause_a_change_on_every_run() -> None:
    options = {"proxies": {"http-proxy": "http://me:s3cret@proxy:3128"}}
    there = host(daemon_json=daemon_json.redact({**HOST["daemon_json"], **options}))
    decided = steps(there, daemon_options=options)
    assert not decided["configure"]
    assert container_runtime.daemon_options({**SETTINGS, "daemon_options": options})["proxies"] == options["proxies"]


def image_steps(changes: dict[str, Any], proved_with: str = VERSION, **settings: Any) -> list[str]:
    """What the role engine_image has to do on a host that has a checked image, after container_runtime has acted."""
    proof = {"gpu": True, "l4t": "38.2.0", "toolkit": proved_with, "environments": [environment_key({})]}
    images = {IMAGE: {"digest": "sha256:1", "present": True, "extras": {}, "proof": proof}}
    wanted = replace(PLAN, container_runtime={**SETTINGS, **settings})
    planned = plan("thor01", SERVED, {**BARE, **host(**changes), "images": images}, wanted)
    assert not planned.problems
    return [str(step.kind) for step in planned.steps if step.concern == "engine_image"]


def test_another_toolkit_means_another_gpu_check() -> None:
    assert image_steps({}) == []
    old = {"container_packages": dict.fromkeys(toolkit.PACKAGES, "1.16.2-1")}
    assert image_steps(old, proved_with="1.16.2-1") == ["check"]


def test_images_are_pulled_into_another_data_root() -> None:
    assert image_steps({}, data_root="/data/docker") == ["pull"]
    assert image_steps({}, data_root="/var/lib/docker") == []
    in_containerd = {"docker": {"containerd_store": True}}
    assert image_steps(in_containerd, data_root="/data/docker") == [], "images are in containerd's root"


def test_an_unregistered_runtime_is_reported_with_all_other_problems() -> None:
    """Only a running dockerd that should have it is a problem; one that is configured first is not."""
    silent = host(docker={"runtimes": []})
    wanted = replace(PLAN, container_runtime=SETTINGS)
    refused = plan("thor01", SERVED, {**BARE, **silent, "memory": {"total_bytes": 1}}, wanted)
    assert {problem.code for problem in refused.problems} == {"THOR-RUNTIME-MISSING", "THOR-MEMORY-OVER"}


def test_a_password_in_a_proxy_is_not_in_the_plan() -> None:
    """The plan becomes a fact: it is cached, and printed with -v."""
    options = {"proxies": {"http-proxy": "http://me:s3cret@proxy:3128"}}
    planned = plan(
        "thor01", SERVED, THOR, replace(PLAN, container_runtime={**SETTINGS, "daemon_options": options})
    ).as_dict()
    assert planned["container_runtime"]["configure"], planned
    assert "s3cret" not in json.dumps(planned)


@pytest.mark.parametrize(
    ("mode", "raw", "version", "environment"),
    [
        ("auto", True, "28.2.0", None),
        ("auto", None, "28.2.0", None),
        ("auto", False, "28.2.0", {"DOCKER_INSECURE_NO_IPTABLES_RAW": "1"}),
        ("auto", False, "26.1.5", None),
        ("auto", False, None, {"DOCKER_INSECURE_NO_IPTABLES_RAW": "1"}),
        ("always", None, "26.1.5", {"DOCKER_INSECURE_NO_IPTABLES_RAW": "1"}),
        ("never", False, "28.2.0", {}),
    ],
)
def test_docker_does_without_the_raw_table_if_it_is_missing(
    mode: str, raw: bool | None, version: str | None, environment: dict[str, str] | None
) -> None:
    observed = host(raw_table=raw, docker={"version": version})
    assert steps(observed, no_iptables_raw=mode)["environment"] == environment


def test_it_does_not_matter_who_set_dockerds_variable() -> None:
    variable = {"DOCKER_INSECURE_NO_IPTABLES_RAW": "1"}
    assert not steps(host(docker={"environment": variable}), no_iptables_raw="always")["configure"]
    # Our variable is removed, somebody else's stays.
    assert steps(host(docker={"environment": variable, "drop_in": "x"}), no_iptables_raw="never")["configure"]
    assert not steps(host(docker={"environment": variable}), no_iptables_raw="never")["configure"]


@pytest.mark.parametrize("version", ["1.17.6-1", "1.9.0-1", "0.99.1"])
def test_a_variable_with_an_old_toolkit_is_refused(version: str) -> None:
    (problem,) = container_runtime.problems(SERVICES, host(), {**SETTINGS, "toolkit_version": version})
    assert problem.code == "THOR-TOOLKIT-OLD" and problem.variable == "container_runtime_toolkit_version"
    assert problem.value == version


@pytest.mark.parametrize("version", ["1.17.7-1", "1.18.0-1", "1.20.0-1", "2.0.0", "1.18.1-1~rc.2"])
def test_a_new_toolkit_is_not_refused(version: str) -> None:
    assert container_runtime.problems(SERVICES, host(), {**SETTINGS, "toolkit_version": version}) == []


def test_an_invalid_version_is_refused() -> None:
    (problem,) = container_runtime.problems(SERVICES, host(), {**SETTINGS, "toolkit_version": "latest"})
    assert problem.code == "THOR-VALUE-INVALID"


def test_an_old_toolkit_on_hold_is_refused_and_its_packages_named() -> None:
    old = {"nvidia-container-toolkit": "1.16.2-1"}
    held = sorted(toolkit.PACKAGES)
    (problem,) = container_runtime.problems(SERVICES, host(container_packages=old, held_packages=held), SETTINGS)
    assert problem.code == "THOR-TOOLKIT-OLD" and problem.value == old
    assert "apt-mark unhold nvidia-container-toolkit" in problem.remedy
    assert container_runtime.problems(SERVICES, host(container_packages=old, held_packages=[]), SETTINGS) == []
    # A hold on a suitable version is a person's own decision.
    newer = host(container_packages=dict.fromkeys(toolkit.PACKAGES, "1.20.0-1"), held_packages=held)
    assert container_runtime.problems(SERVICES, newer, SETTINGS) == []


@pytest.mark.parametrize("version", ["1.18.0-1", "1.17.7-1", "1.20.0-1", "1.19.1-1ubuntu1"])
def test_a_suitable_toolkit_stays_whoever_installed_it(version: str) -> None:
    """JetPack 7.1 brings 1.18.0-1; another version would take nvidia-jetpack away."""
    there = host(
        container_packages=dict.fromkeys(toolkit.PACKAGES, version),
        container_toolkit=version.partition("-")[0],
        cdi={"renewed": {"l4t": "38.2.0", "toolkit": version}},
    )
    decided = steps(there)
    assert decided["toolkit"] == [] and not decided["toolkit_repository"]
    assert decided["any"] is False and decided["unproven"] == decided["problems"] == []


JETPACK_7_1 = {"version": "1.18.0-1", "by": "nvidia-container 7.1-b10", "installed": False}


@pytest.mark.parametrize(
    ("installed", "jetpack", "wanted"),
    [
        ({}, None, VERSION),
        ({}, JETPACK_7_1, "1.18.0-1"),
        (dict.fromkeys(toolkit.PACKAGES, "1.16.2-1"), {**JETPACK_7_1, "installed": True}, "1.18.0-1"),
        ({}, {**JETPACK_7_1, "version": "1.16.2-1"}, VERSION),
        ({"libnvidia-container1": "1.19.0-1"}, None, "1.19.0-1"),
        ({"libnvidia-container1": "1.19.0-1"}, JETPACK_7_1, "1.18.0-1"),
        ({"libnvidia-container1": "1.16.2-1"}, None, VERSION),
        ({"libnvidia-container1": "1.19.0-1", "libnvidia-container-tools": "1.20.0-1"}, None, VERSION),
    ],
)
def test_which_version_gets_installed(installed: dict[str, str], jetpack: dict[str, Any] | None, wanted: str) -> None:
    bare = host(jetpack_toolkit=jetpack)
    bare["container_packages"] = {"gpg": "2.4", "docker.io": "26.1.5", **installed}
    decided = steps(bare)
    assert decided["toolkit"] == [f"{name}={wanted}" for name in toolkit.PACKAGES]
    assert decided["cdi_record"]["toolkit"] == wanted and decided["toolkit_repository"]
    from_jetpack = steps({**bare, "toolkit_available": [f"{name}=1.18.0-1" for name in toolkit.PACKAGES]})
    assert from_jetpack["toolkit_repository"] is (wanted != "1.18.0-1"), "JetPack's own source has it"


def test_the_cdi_unit_is_not_restarted_if_the_toolkit_lacks_it() -> None:
    bare = host(jetpack_toolkit={**JETPACK_7_1, "version": "1.17.8-1"}, cdi={"unit": False, "renewed": None})
    bare["container_packages"] = {"docker.io": "26.1.5"}
    assert steps(bare)["toolkit"] and not steps(bare)["cdi"]
    assert steps({**bare, "jetpack_toolkit": JETPACK_7_1})["cdi"]


def test_docker_is_not_installed_if_jetpacks_installer_would_remove_it_again() -> None:
    bare = host(docker=None, docker_installer=True)
    (problem,) = container_runtime.problems(SERVICES, bare, SETTINGS)
    assert problem.code == "THOR-DOCKER-INSTALLER" and "systemctl start nv-install-docker.service" in problem.remedy
    assert steps(bare)["problems"] and not steps(bare)["any"]
    # While it runs we wait for it, and it does not matter if Docker exists or no service needs it.
    assert container_runtime.problems(SERVICES, {**bare, "package_work": ["nv-install-docker.service"]}, SETTINGS) == []
    assert container_runtime.problems(SERVICES, host(docker_installer=True), SETTINGS) == []
    assert container_runtime.problems([{"name": "chat", "kind": "build"}], bare, SETTINGS) == []


def test_other_refusals() -> None:
    broken = host(
        daemon_json=None, daemon_json_error="line 3, column 3: Expecting ',' delimiter; there is '\"labels\"'"
    )
    (problem,) = container_runtime.problems(SERVICES, broken, SETTINGS)
    assert problem.code == "THOR-DAEMON-JSON" and "line 3, column 3" in problem.text()
    (problem,) = container_runtime.problems(SERVICES, host(daemon_json={"runtimes": []}), SETTINGS)
    assert problem.code == "THOR-DAEMON-JSON" and "runtimes" in problem.reason
    (problem,) = container_runtime.problems(SERVICES, host(docker={"foreign": "a snap"}), SETTINGS)
    assert problem.code == "THOR-DOCKER-FOREIGN"
    assert steps(host(docker={"foreign": "a snap"}))["problems"] == [problem.text()]


def test_a_missing_runtime_is_named() -> None:
    without = {**INFO, "Runtimes": {"runc": {"path": "runc"}}}
    (text,) = steps(host(docker=docker_host.describe(without, [])))["unproven"]
    assert text.startswith("THOR-RUNTIME-MISSING") and "runc" in text
    (text,) = steps(host(container_toolkit="1.17.8"))["unproven"]  # the packages say otherwise
    assert "1.17.8" in text and VERSION in text


def test_the_role_has_the_keys_of_the_lock() -> None:
    defaults = yaml.safe_load((ROOT / "roles/container_runtime/defaults/main.yml").read_text())
    keys = yaml.safe_load((ROOT / "roles/catalog/files/lock.yml").read_text())["keys"]
    for name, prefix in (("docker", "docker_ce"), ("nvidia-container-toolkit", "toolkit")):
        assert defaults[f"container_runtime_{prefix}_key_fingerprint"] == keys[name]["fingerprint"]
        assert defaults[f"container_runtime_{prefix}_key_url"] == keys[name]["url"]


def test_dockerd_is_configured_when_its_proxy_is_not_that_of_the_site() -> None:
    named = {"drop_in": "EnvironmentFile=-/etc/thor/proxy/docker.env\n"}
    right, wrong = {"there": True, "apt": True, "docker": True}, {"there": True, "apt": True, "docker": False}
    assert not steps(host(docker=named, proxy=right), proxy=True)["configure"]
    assert steps(host(docker=named, proxy=wrong), proxy=True)["configure"], "another password"
    assert steps(host(proxy=right), proxy=True)["configure"], "somebody else's, which may go at any time"
    assert steps(host(docker=named, proxy=wrong))["configure"], "thor_proxy is gone"
    assert not steps(host(proxy=wrong))["configure"], "a person's own stays"
