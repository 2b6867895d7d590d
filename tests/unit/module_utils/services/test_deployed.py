# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be before services are asked or measured: their units on the host, and root."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import sample_image, verify
from ansible_collections.jetson.thor.plugins.module_utils.observe import host as observe
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed
from playbook_run import play

ROOT = Path(__file__).resolve().parents[4]
SERVICE: dict[str, Any] = {
    "name": "chat",
    "unit": "thor-chat.service",
    "api": "chat",
    "api_path": "/v1/chat/completions",
    "address": "127.0.0.1",
    "port": 9,  # nobody listens there
    "served_name": "qwen3",
    "thinking": None,
    "vision": None,
}
QUESTIONS = verify.Questions(prompt="?", max_tokens=4, timeout=5)


@pytest.fixture(name="inventory")
def _inventory(tmp_path: Path) -> Path:
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "thor_profiles": [{"profile": "qwen3-8b-q5-k-m-llama-cpp", "name": "not-deployed-here"}],
        "thor_bench_results": str(tmp_path / "results"),
    }
    path = tmp_path / "hosts.json"
    path.write_text(json.dumps({"thor": {"hosts": {"thor01": host}}}), encoding="utf-8")
    return path


def test_a_service_without_its_unit_is_not_deployed(tmp_path: Path) -> None:
    problem = deployed.missing(SERVICE, tmp_path)
    assert problem is not None
    assert problem.text() == (
        "THOR-NOT-DEPLOYED: thor_services[chat]: The service is not deployed: thor-chat.service is not on this host. "
        "Run site.yml first."
    )
    (tmp_path / "thor-chat.service").write_text("", encoding="utf-8")
    assert deployed.missing(SERVICE, tmp_path) is None
    assert [
        one.variable for one in deployed.all_missing([SERVICE, {**SERVICE, "name": "b", "unit": "b"}], tmp_path)
    ] == ["thor_services[b]"]


def test_only_what_is_deployed_is_asked(tmp_path: Path) -> None:
    (tmp_path / "thor-chat.service").write_text("", encoding="utf-8")
    other = {**SERVICE, "name": "eyes", "unit": "thor-eyes.service", "vision": {"folder": "/models", "file_url": ""}}
    results = verify.verify_services([SERVICE, other], QUESTIONS, lambda service: deployed.missing(service, tmp_path))
    assert [(one["name"], one["problems"][0]["code"], one["state"]) for one in results] == [
        ("chat", "THOR-ANSWER-MISSING", "failed"),
        ("eyes", "THOR-NOT-DEPLOYED", "failed"),
    ]


def test_verify_before_the_first_deployment_says_so_and_nothing_of_connections(inventory: Path) -> None:
    result = play("playbooks/verify.yml", inventory=str(inventory))
    text = result.stdout + result.stderr
    assert result.returncode != 0
    assert "thor01: THOR-NOT-DEPLOYED: thor_services[not-deployed-here]: " in text
    assert "THOR-ANSWER-MISSING" not in text
    assert "refused" not in text.lower().replace("refuse a missing", "")


def test_bench_before_the_first_deployment_says_so_and_without_root_that(inventory: Path) -> None:
    result = play("playbooks/bench.yml", inventory=str(inventory))
    assert result.returncode != 0
    code = (
        "THOR-ROOT-MISSING: ansible_become" if os.geteuid() else "THOR-NOT-DEPLOYED: thor_services[not-deployed-here]"
    )
    assert f"{code}: " in result.stdout + result.stderr


def test_who_may_not_lay_a_picture_down_hears_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: str) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sample_image, "picture_in", refuse)
    sees = {**SERVICE, "vision": {"folder": "/models", "file_url": ""}}
    codes = {}
    for root in (True, False):
        monkeypatch.setattr(deployed, "is_root", lambda root=root: root)
        codes[root] = verify._image_from_folder(sees, QUESTIONS)["problems"][0]["code"]
    assert codes == {True: "THOR-MEDIA-FOLDER", False: "THOR-ROOT-MISSING"}


def test_a_host_says_whether_it_was_seen_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda number=number: number)
        assert observe.observe()["root"] is (number == 0)
