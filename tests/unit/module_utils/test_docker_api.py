# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The client of the Docker Engine API against a fake dockerd."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from fake_dockerd import Dockerd


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    with Dockerd(tmp_path / "docker.sock") as server:
        yield server


def test_a_request_answers_json_text_or_nothing(dockerd: Dockerd) -> None:
    docker = Docker(str(dockerd.path))
    dockerd.add("a/b:1")
    assert docker.get("/images/json")[0]["RepoTags"] == ["a/b:1"]
    created = docker.request("POST", "/containers/create?name=x", {"Image": "a/b:1", "HostConfig": {"Runtime": "runc"}})
    assert created["Id"] and dockerd.headers[-1]["Content-Type"] == "application/json"
    dockerd.log = "plain words"
    assert docker.get("/containers/x/logs") == "plain words"
    assert docker.request("POST", "/containers/x/start") is None
    docker.request("POST", "/images/load", b"archive")
    assert (dockerd.headers[-1]["Content-Type"], dockerd.bodies[-1]) == ("application/x-tar", b"archive")


def test_a_refusal_has_a_status_and_dockerds_words(dockerd: Dockerd) -> None:
    with pytest.raises(DockerError) as error:
        Docker(str(dockerd.path)).get("/images/nosuch/json")
    assert (error.value.status, error.value.message) == (404, "No such image: nosuch")
    dockerd.broken = True
    with pytest.raises(DockerError) as error:
        Docker(str(dockerd.path)).get("/info")
    assert (error.value.status, error.value.message) == (500, "<html>")


def test_an_engine_without_this_api_version_is_asked_in_its_oldest(dockerd: Dockerd) -> None:
    dockerd.minimum = "1.44"
    docker = Docker(str(dockerd.path))
    assert docker.get("/images/json") == []
    assert docker.version == "1.44"
    asked = len(dockerd.asked)
    docker.get("/images/json")
    assert len(dockerd.asked) == asked + 1, "it is remembered"


def test_no_dockerd(tmp_path: Path) -> None:
    with pytest.raises(DockerError) as error:
        Docker(str(tmp_path / "nosuch.sock")).get("/info")
    assert error.value.status is None
    assert str(tmp_path) in error.value.message


def test_a_stream_comes_line_by_line(dockerd: Dockerd) -> None:
    dockerd.pulls = [[{"status": "one"}, 0.3, {"status": "two"}]]
    begin = time.monotonic()
    events = Docker(str(dockerd.path)).stream("POST", "/images/create?fromImage=a&tag=1", {"X-Registry-Auth": "k"})
    seen = [(event["status"], time.monotonic() - begin > 0.2) for event in events]
    assert seen == [("one", False), ("two", True)]
    assert dockerd.headers[-1]["X-Registry-Auth"] == "k"


def test_a_stream_that_goes_silent_times_out(dockerd: Dockerd) -> None:
    for timeout in (0.3, lambda: 0.3):
        dockerd.pulls = [[{"status": "one"}, 5, {"status": "two"}]]
        begin = time.monotonic()
        with pytest.raises(DockerError) as error:
            list(Docker(str(dockerd.path)).stream("POST", "/images/create?fromImage=a&tag=1", timeout=timeout))
        assert error.value.status is None and isinstance(error.value.__cause__, TimeoutError)
        assert time.monotonic() - begin < 3


def test_the_timeout_of_a_stream_may_change_meanwhile(dockerd: Dockerd) -> None:
    dockerd.pulls = [[{"status": "one"}, 0.5, {"status": "two"}]]
    patience = iter([0.2, 5.0, 5.0])
    events = Docker(str(dockerd.path)).stream(
        "POST", "/images/create?fromImage=a&tag=1", timeout=lambda: next(patience)
    )
    assert [event["status"] for event in events] == ["one", "two"]


def test_a_stream_that_is_refused_or_not_json(dockerd: Dockerd) -> None:
    dockerd.pulls = [[(404, "manifest unknown")]]
    with pytest.raises(DockerError) as error:
        list(Docker(str(dockerd.path)).stream("POST", "/images/create?fromImage=a&tag=1"))
    assert (error.value.status, error.value.message) == (404, "manifest unknown")
    dockerd.has("x")
    dockerd.log = "no json\n"
    with pytest.raises(DockerError, match="not a JSON object"):
        list(Docker(str(dockerd.path)).stream("GET", "/containers/x/logs"))


def test_an_endless_answer_is_not_read_to_its_end(dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_api, "MOST_BYTES", 1000)
    dockerd.has("x")
    dockerd.log = "x" * 1000
    assert Docker(str(dockerd.path)).get("/containers/x/logs") == dockerd.log
    dockerd.log = "x" * 1001
    with pytest.raises(DockerError, match=r"does not end.*1,000 bytes"):
        Docker(str(dockerd.path)).get("/containers/x/logs")
    monkeypatch.setattr(docker_api, "LONGEST_LINE", 1000)
    dockerd.log = json.dumps({"status": "x" * 1000})
    with pytest.raises(DockerError, match="not a JSON object"):
        list(Docker(str(dockerd.path)).stream("GET", "/containers/x/logs"))
    dockerd.pulls = [[(500, "y" * 5000)]]
    with pytest.raises(DockerError) as error:
        Docker(str(dockerd.path)).request("POST", "/images/create?fromImage=a&tag=1")
    assert len(error.value.message) <= 1000
    dockerd.log = "[" * 900
    monkeypatch.setattr(docker_api, "LONGEST_LINE", 1 << 20)
    assert Docker(str(dockerd.path)).get("/containers/x/logs") == dockerd.log
