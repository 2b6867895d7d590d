# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Images of engines: what is needed, pulled, proven, recorded and removed; against a fake dockerd."""

from __future__ import annotations

import base64
import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.module_utils.images import derive, inventory
from ansible_collections.jetson.thor.plugins.module_utils.images import pull as image_pull
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolkit
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import images as plan
from container_helper import docker_run
from fake_dockerd import CONTAINERD, Dockerd, Handler

VLLM, SGLANG = "hub:5000/nvidia/vllm:25.10-py3", "hub:5000/nvidia/sglang:25.10-py3"
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
KEY = "very-secret-key"


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "RECORD", tmp_path / "images.json")
    monkeypatch.setattr(inventory, "PID_FILE", tmp_path / "docker.pid")
    naming = [(tmp_path / "units", "thor-*.service"), (tmp_path / "state", "before.json")]
    monkeypatch.setattr(image_pull, "NAMING", naming)
    monkeypatch.setattr(image_pull, "PAUSE_SECONDS", (0,))
    for folder, _pattern in naming:
        folder.mkdir()


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockerd]:
    server = Dockerd(tmp_path)
    server.architecture = docker_api.ARCHITECTURES.get(platform.machine(), platform.machine())
    server.root.mkdir()
    (tmp_path / "docker.pid").write_text(str(os.getpid()))
    server.start()
    ask = docker_api.Docker
    for module in (inventory, image_pull, derive):
        monkeypatch.setattr(module, "Docker", lambda _path="", timeout=5.0: ask(server.path, timeout))
    monkeypatch.setattr(inventory, "dockerd_runs", lambda: True)
    yield server
    server.shutdown()
    server.server_close()


def image(reference: str = VLLM, digest: str | None = None, engine: str = "vllm") -> dict[str, Any]:
    fixed = {"version": "25.10", "bytes": 1, "extras": []}
    return {"reference": reference, "digest": digest, "engine": engine, **fixed}


def spec(*wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    values = {
        "registry": "hub:5000",
        "registry_user": "$oauthtoken",
        "registry_key": "",
        "require_gpu": False,
        "l4t": "38.2.0",
        "toolkit": "1.18.1-1",
        "prune": False,
        "derive": True,
        "pip_arguments": "--index-url http://hub/simple",
        "environment": {"http_proxy": "http://proxy:3128"},
        "stall_timeout": 300,
        "attempts": 1,
    }
    return {"images": list(wanted), **values, **more}


def layers(*names: str, total: int = 10) -> list[Any]:
    """The events of a pull that goes well, as the classic store tells them."""
    events: list[Any] = [{"status": "Pulling from nvidia/vllm", "id": "25.10-py3"}]
    events += [{"status": "Pulling fs layer", "id": name} for name in names]
    for name in names:
        for status in ("Downloading", "Extracting"):
            events.append({"status": status, "id": name, "progressDetail": {"current": total, "total": total}})
        events.append({"status": "Pull complete", "id": name})
    return events


def pulled(digest: str = ONE) -> list[Any]:
    return [*layers("aaa", "bbb"), {"status": f"Digest: {digest}"}, {"status": "Status: Downloaded newer image"}]


def run(tmp_path: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    return image_pull.run_job(arguments, Reporter(tmp_path))


def failed(tmp_path: Path, arguments: dict[str, Any]) -> str:
    with pytest.raises(JobFailed) as error:
        run(tmp_path, arguments)
    return str(error.value)


# References, needs, facts


def test_references_come_apart() -> None:
    assert inventory.split(VLLM) == ("hub:5000/nvidia/vllm", "25.10-py3")
    assert inventory.split("hub:5000/nvidia/vllm") == ("hub:5000/nvidia/vllm", "latest")
    assert inventory.by_digest(VLLM, ONE) == f"hub:5000/nvidia/vllm@{ONE}"
    for reference, registry in {
        VLLM: "hub:5000",
        "nvcr.io/nvidia/vllm:1": "nvcr.io",
        "localhost/a": "localhost",
        "vllm/vllm-openai:latest": "docker.io",
        "debian": "docker.io",
    }.items():
        assert inventory.registry_of(reference) == registry


def service(reference: str | None, digest: str | None = None) -> dict[str, Any]:
    return {"engine": "vllm", "version": "25.10", "image": reference, "image_digest": digest, "image_bytes": 5}


PLAIN = inventory.container_environment({})
KEYS = [inventory.environment_key(PLAIN)]


def test_each_image_is_needed_once() -> None:
    services = [service(VLLM), service(None), service(VLLM, ONE), {"engine": "llama.cpp", "version": "1"}]
    assert inventory.needed(services) == [
        {
            "reference": VLLM,
            "digest": ONE,
            "engine": "vllm",
            "version": "25.10",
            "bytes": 5,
            "extras": [],
            "environments": [PLAIN],
        }
    ]
    listens = {**service(VLLM), "python_packages": ["soundfile==2", "librosa==1"]}
    (needed,) = inventory.needed([service(VLLM), listens, listens])
    assert needed["extras"] == [["librosa==1", "soundfile==2"]], "once, whatever their order"
    other = {**service(VLLM), "environment": {"NVIDIA_DISABLE_REQUIRE": "1"}}
    (needed,) = inventory.needed([service(VLLM), other, service(VLLM), other])
    assert needed["environments"] == [PLAIN, {**PLAIN, "NVIDIA_DISABLE_REQUIRE": "1"}], "each once"


def test_observation_holds_the_record_against_dockerd(dockerd: Dockerd) -> None:
    assert inventory.observe() == {"images": {}, "superseded_images": []}
    record = inventory.read_record()
    inventory.note(record, VLLM, ONE, "arm64")
    inventory.note(record, SGLANG, TWO, "arm64")
    inventory.write_record(record)
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{ONE}")
    dockerd.add(SGLANG, f"hub:5000/nvidia/sglang@{ONE}")  # the tag is there, on another image
    found = inventory.observe()["images"]
    assert found[VLLM] == {"digest": ONE, "present": True, "architecture": "arm64", "proof": None, "extras": {}}
    assert not found[SGLANG]["present"]


def test_a_stopped_dockerd_is_not_touched(dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory.write_record({"images": {VLLM: {"digest": ONE}}, "superseded": []})
    monkeypatch.setattr(inventory, "dockerd_runs", lambda: False)
    assert inventory.observe()["images"][VLLM]["present"] is False
    assert dockerd.asked == []


def test_a_running_dockerd_is_known_by_its_process(tmp_path: Path) -> None:
    assert not inventory.dockerd_runs()
    for text in ("", "0", "no number", str(os.getpid()), "999999999"):
        (tmp_path / "docker.pid").write_text(text)
        assert not inventory.dockerd_runs(), "that is another process, or none"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', '{"images": {"a": 1, "b": {"digest": 5}}}'])
def test_a_damaged_record_is_an_empty_one(text: str) -> None:
    inventory.RECORD.write_text(text)
    assert inventory.read_record() == {"images": {}, "superseded": []}


def test_a_new_digest_keeps_the_old_one_to_be_collected() -> None:
    record = inventory.read_record()
    inventory.note(record, VLLM, ONE, "arm64")
    record["images"][VLLM]["proof"] = {"gpu": True}
    inventory.note(record, VLLM, ONE, "arm64")
    assert record["images"][VLLM]["proof"] == {"gpu": True}
    inventory.note(record, VLLM, TWO, "arm64")
    assert record["images"][VLLM]["proof"] is None
    assert record["superseded"] == [{"reference": VLLM, "digest": ONE}]
    inventory.note(record, VLLM, ONE, "arm64")
    assert record["superseded"] == [{"reference": VLLM, "digest": TWO}]


# Pulling


def test_an_unlocked_image_is_recorded_and_told(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    result = run(tmp_path, spec(image()))
    assert (result["changed"], result["pulled"], result["checked"]) == (True, [VLLM], [VLLM])
    entry = {"engine": "vllm", "version": "25.10", "image": VLLM, "digest": ONE}
    assert result["unlocked"] == [entry]
    assert f"script/lock --digest vllm:25.10={ONE}" in result["warnings"][0]
    assert result["diff"]["after"] == f"{VLLM} {ONE}\n" and result["diff"]["before"] == ""
    record = inventory.read_record()["images"][VLLM]
    assert record["digest"] == ONE and record["proof"]["l4t"] == "38.2.0"
    assert VLLM in dockerd.names()
    again = run(tmp_path, spec(image()))
    assert (again["changed"], again["pulled"], again["checked"]) == (False, [], [])


def test_a_locked_image_is_pulled_by_its_digest_and_tagged(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled(TWO)]
    result = run(tmp_path, spec(image(digest=TWO)))
    assert ("POST", f"/images/hub:5000/nvidia/vllm@{TWO}/tag") in dockerd.asked
    assert result["unlocked"] == [] and result["warnings"] == []
    assert dockerd.names() == {VLLM, f"hub:5000/nvidia/vllm@{TWO}"}


def test_in_the_containerd_store_an_image_gets_its_name_by_digest_too(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.status = CONTAINERD
    dockerd.pulls = [pulled(), pulled()]
    run(tmp_path, spec(image()))
    assert dockerd.pulls == []


def test_the_recorded_digest_outlives_a_moved_tag(dockerd: Dockerd, tmp_path: Path) -> None:
    inventory.write_record({"images": {VLLM: {"digest": ONE}}, "superseded": []})
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{TWO}")  # somebody pulled the tag anew, and pruned
    dockerd.pulls = [pulled(ONE)]
    assert run(tmp_path, spec(image()))["pulled"] == [VLLM]
    assert inventory.read_record()["images"][VLLM]["digest"] == ONE


def test_an_image_that_is_there_is_adopted_without_a_registry(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{ONE}")
    result = run(tmp_path, spec(image()))
    assert (result["changed"], result["pulled"], result["images"]) == (False, [], {VLLM: ONE})


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ((404, "manifest for hub:5000/nvidia/vllm:9 not found: manifest unknown: manifest unknown"), "UNKNOWN"),
        ((404, 'failed to resolve reference "hub:5000/nvidia/vllm:9": hub:5000/nvidia/vllm:9: not found'), "UNKNOWN"),
        ((400, "invalid reference format: repository name (Nvidia/vllm) must be lowercase"), "UNKNOWN"),
        ((500, "unauthorized: authentication required"), "DENIED"),
        ((500, 'Head "http://hub:5000/v2/nvidia/vllm/manifests/9": no basic auth credentials'), "DENIED"),
        ((500, "unexpected status from HEAD request to http://hub:5000/v2/x/manifests/9: 401 Unauthorized"), "DENIED"),
        ((500, "pull access denied, repository does not exist or may require authorization"), "DENIED"),
        ((500, "unexpected status from HEAD request to https://nvcr.io/v2/x: 403 Forbidden"), "DENIED"),
        ((500, 'Get "https://hub:5000/v2/": dial tcp: lookup hub on 127.0.0.11:53: no such host'), "DOWN"),
        ((500, 'Get "http://hub:5000/v2/": dial tcp 127.0.0.1:5099: connect: connection refused'), "DOWN"),
        ((500, "received unexpected HTTP status: 503 Service Unavailable"), "DOWN"),
        ((500, 'Get "https://hub:5000/v2/": tls: failed to verify certificate: x509: unknown authority'), "DOWN"),
        ((500, 'Get "https://hub:5000/v2/": http: server gave HTTP response to HTTPS client'), "DOWN"),
        ((500, "no matching manifest for linux/arm64/v8 in the manifest list entries"), "PLATFORM"),
        ((500, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device"), "DISK"),
        ((500, "unexpected EOF"), "INTERRUPTED"),
        # Docker 29 with the containerd store, seen on a Thor.
        ((500, "error from registry: denied\ndenied"), "DENIED"),
        ((500, "error from registry: requested access to the resource is denied"), "DENIED"),
        ((500, "error from registry: authentication required"), "DENIED"),
        ((500, "error from registry: unauthorized to access repository: a/b, action: pull"), "DENIED"),
        ((500, "error from registry: incorrect username or password"), "DENIED"),
        ((500, "failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden"), "DENIED"),
        (
            (500, "unexpected status from HEAD request to https://nvcr.io/v2/x/manifests/1: 402 Payment Required"),
            "DENIED",
        ),
        ((500, "pull access denied for x, repository does not exist or may require 'docker login'"), "DENIED"),
        ((500, "error from registry: manifest unknown"), "UNKNOWN"),
        (
            (404, "repository hub:5000/nvidia/nosuch not found: name unknown: repository name not known to registry"),
            "UNKNOWN",
        ),
        ((500, "failed to authorize: failed to fetch anonymous token: Get https://x/: dial tcp: i/o timeout"), "DOWN"),
        ((500, "error from registry: service unavailable"), "DOWN"),
        (
            (500, "unknown: unexpected status from HEAD request to https://hub/v2/x/manifests/9: 502 Bad Gateway"),
            "DOWN",
        ),
        ((500, "Get https://hub:5000/v2/: net/http: TLS handshake timeout"), "DOWN"),
        ((500, "proxyconnect tcp: Proxy Authentication Required"), "DOWN"),
        ((500, 'Get "https://hub:5000/v2/": proxyconnect tcp: Forbidden'), "DOWN"),
        ((500, 'Get "https://hub:5000/v2/": proxyconnect tcp: Unauthorized'), "DOWN"),
        ((403, "The client does not have permission for manifest: nvidia/vllm/9/manifest.json"), "DENIED"),
        ((500, "error from registry: The operation requires authentication"), "DENIED"),
        ((500, "error from registry: permission_denied: read_package"), "DENIED"),
        ((500, "error from registry: permission denied"), "DENIED"),
        ((500, "rpc error: code = PermissionDenied desc = caller lacks the role"), "DENIED"),
        ((500, "error from registry: insufficient permissions to pull"), "DENIED"),
        ((500, "error from registry: token expired"), "DENIED"),
        ((500, "error from registry: the token has expired"), "DENIED"),
        ((500, "error from registry: Invalid API key"), "DENIED"),
        ((500, "error from registry: You must be logged in to pull"), "DENIED"),
        (
            (
                500,
                "failed to copy: httpReadSeeker: failed open: read tcp 10.0.0.5:501->1.2.3.4:443: connection reset by peer",
            ),
            "INTERRUPTED",
        ),
        ((500, "stream error: stream ID 3; INTERNAL_ERROR; received from peer"), "INTERRUPTED"),
        ((500, "context canceled"), "INTERRUPTED"),  # dockerd was restarted
        ((500, "unexpected http code: 502"), "DOWN"),
        (
            (404, "image with reference x was found but does not provide the specified platform (linux/arm64)"),
            "PLATFORM",
        ),
        ((500, "error from registry: unauthorized"), "DENIED"),
        # Nobody has met these: they are shown as they are.
        ((500, "error from registry: unknown error"), "FAILED"),
        ((500, "error from registry: the moon is in the wrong house"), "FAILED"),
        ((500, "mkdir /var/lib/docker/tmp/GetImageBlob1: permission denied"), "FAILED"),
        ((500, "dial unix /var/run/docker.sock: connect: permission denied"), "FAILED"),
        ((500, "error from registry: exceeded the maximum size limit of a manifest"), "FAILED"),
        ((500, "<html>"), "FAILED"),
    ],
)
def test_what_dockerd_says_becomes_a_code(
    refusal: tuple[int, str], code: str, dockerd: Dockerd, tmp_path: Path
) -> None:
    dockerd.pulls = [[refusal]]
    said = failed(tmp_path, spec(image()))
    assert said.startswith("THOR-REGISTRY-DOWN: " if code == "DOWN" else f"THOR-IMAGE-{code}: ")
    assert VLLM in said and " ".join(refusal[1].split()) in said
    # The containerd store says the same in the middle of a stream.
    dockerd.pulls = [[{"error": refusal[1], "errorDetail": {"message": refusal[1]}}]]
    assert failed(tmp_path, spec(image())) == said


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("error from registry: denied\ndenied", 1),
        (
            "error from registry: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
            1,
        ),
        ("something that nobody has said before", 1),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", 1),
        ("manifest unknown", 1),
        ("unexpected EOF", 3),
        ("received unexpected HTTP status: 503 Service Unavailable", 3),
        ("dial tcp: lookup hub: no such host", 3),
    ],
)
def test_only_what_is_known_to_pass_is_tried_again(words: str, asked: int, dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[(500, words)] for _number in range(9)]
    assert " ".join(words.split()) in failed(tmp_path, spec(image(), attempts=3))
    assert 9 - len(dockerd.pulls) == asked


@pytest.mark.usefixtures("dockerd")
@pytest.mark.parametrize(("content", "asked"), [(b"[7]\n", 1), (b"x" * 100, 1), (None, 3)])
def test_a_connection_that_broke_is_made_again_and_a_strange_answer_is_not(
    content: bytes | None, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulls: list[int] = []

    def pull(self: Handler, _query: dict[str, str]) -> None:
        pulls.append(1)
        if content is not None:  # else it ends without an answer
            self.answer(200, content.decode())

    monkeypatch.setattr(Handler, "pull", pull)
    assert failed(tmp_path, spec(image(), attempts=3)).startswith("THOR-IMAGE-DOCKER: ")
    assert len(pulls) == asked


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating",
            "come back",
        ),
        ("error from registry: You have reached your unauthenticated pull rate limit. https://x", "within six hours"),
        (
            "unexpected status from HEAD request to https://hub/v2/: 429 Too Many Requests (Retry-After: 2999-01-01T00:00:00Z)",
            "2999-01-01",
        ),
        ("error from registry: Rate exceeded, retry-after: 2h", "come back in 7200 s"),
        ("You have reached your pull limit. You may increase the limit by authenticating", "within six hours"),
        ("error from registry: the authenticated pull limit is reached", "within six hours"),
        ("error from registry: this organization has exceeded its pull limit", "within six hours"),
        ("error from registry: pull QPS exceeded", "within six hours"),
        ("error from registry: the quota has been exceeded", "within six hours"),
        ("error from registry: retry-after: 5h, allowed: 44000/minute", "come back in 18000 s"),
        (f"toomanyrequests: retry-after: {'9' * 400}s", "within six hours"),
    ],
)
def test_a_rate_limit_says_when_to_come_back(words: str, told: str, dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[(500, words)], [(500, words)]]
    said = failed(tmp_path, spec(image("vllm/vllm-openai:latest"), attempts=3))
    assert said.startswith("THOR-REGISTRY-LIMIT: ") and told in said and words in said
    assert len(dockerd.pulls) == 1, "asking again would only count"


def test_a_short_rate_limit_is_waited_for(dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    limit = (500, "toomanyrequests: retry-after: 226.294µs, allowed: 44000/minute")
    dockerd.pulls = [[limit], [(500, "429 Too Many Requests, retry after 90s")], pulled()]
    assert run(tmp_path, spec(image(), attempts=3))["pulled"] == [VLLM]
    assert [one for one in waited if one >= 1][-1] == 90


def test_a_clock_in_the_past_weakens_no_tls(dockerd: Dockerd, tmp_path: Path) -> None:
    begin = "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time"
    dockerd.pulls = [[(500, f"{begin} 2025-09-25T22:50:00Z is before 2026-09-01T00:00:00Z")]]
    said = failed(tmp_path, spec(image(), attempts=3))
    assert said.startswith("THOR-CLOCK-WRONG: ") and "timedatectl" in said and "insecure" not in said
    dockerd.pulls = [[(500, f"{begin} 2026-11-26T00:00:00Z is after 2026-11-01T00:00:00Z")]]
    said = failed(tmp_path, spec(image(), attempts=3))
    assert said.startswith("THOR-REGISTRY-DOWN: ") and "has expired" in said and "insecure" not in said


def test_the_name_of_an_image_is_no_reason(dockerd: Dockerd, tmp_path: Path) -> None:
    name = "hub:5000/denied/unauthorized-eof:503"
    dockerd.pulls = [
        [(500, f"error getting hub:5000/denied/unauthorized-eof from {name}, https://hub:5000/v2/denied/EOF")]
    ]
    assert failed(tmp_path, spec(image(name), attempts=3)).startswith("THOR-IMAGE-FAILED: ")


def test_all_images_are_asked_for_and_all_problems_told(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[(404, "manifest unknown")], pulled()]
    with pytest.raises(JobFailed) as error:
        run(tmp_path, spec(image(), image(SGLANG, engine="sglang")))
    assert "THOR-IMAGE-UNKNOWN" in str(error.value) and SGLANG not in str(error.value)
    assert error.value.extra["pulled"] == [SGLANG]
    assert [one["code"] for one in error.value.extra["problems"]] == ["THOR-IMAGE-UNKNOWN"]
    # A registry that is down is so for all of them.
    dockerd.pulls = [[(500, "connection refused")], pulled()]
    failed(tmp_path, spec(image(), image(SGLANG, TWO, engine="sglang")))
    assert len(dockerd.pulls) == 1


def test_dockerd_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = docker_api.Docker
    monkeypatch.setattr(image_pull, "Docker", lambda **_more: ask(str(tmp_path / "nosuch"), 1))
    assert failed(tmp_path, spec(image())).startswith("THOR-IMAGE-DOCKER: ")


def test_the_key_goes_to_its_registry_alone_and_is_nowhere_told(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[(500, f"unauthorized: {KEY} is wrong")]]
    with pytest.raises(JobFailed) as error:
        run(tmp_path, spec(image(), registry_key=KEY))
    assert "THOR-IMAGE-DENIED" in str(error.value) and "thor_ngc_key" in str(error.value)
    assert KEY not in str(error.value) and KEY not in json.dumps(error.value.extra)
    sent = [one["X-Registry-Auth"] for one in dockerd.headers if "X-Registry-Auth" in one]
    login = {"username": "$oauthtoken", "password": KEY, "serveraddress": "hub:5000"}
    assert [json.loads(base64.urlsafe_b64decode(one)) for one in sent] == [login]
    dockerd.pulls = [pulled()]
    run(tmp_path, spec(image("vllm/vllm-openai:latest"), registry_key=KEY))
    assert len([one for one in dockerd.headers if "X-Registry-Auth" in one]) == 1


def test_a_pull_that_goes_silent_is_cut_and_asked_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[*layers("aaa")[:3], 10], pulled()]
    begin = time.monotonic()
    assert run(tmp_path, spec(image(), stall_timeout=1, attempts=3))["pulled"] == [VLLM]
    assert time.monotonic() - begin < 8


def test_a_pull_that_talks_and_does_not_move_is_cut_too(dockerd: Dockerd, tmp_path: Path) -> None:
    same = {"status": "Downloading", "id": "bbb", "progressDetail": {"current": 4, "total": 9}}
    start = [{"status": "Pulling fs layer", "id": name} for name in ("aaa", "bbb")]
    waiting = {"status": "Retrying in 5 seconds", "id": "bbb", "progressDetail": {}}
    dockerd.pulls = [[*start, *[same, waiting, 0.2] * 20]]
    said = failed(tmp_path, spec(image(), stall_timeout=1))
    assert "THOR-IMAGE-INTERRUPTED" in said and "engine_image_stall_timeout" in said
    assert "0 of 2 layers" in said, "how far it got"


def test_attempts_count_what_brings_nothing_that_lasts(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.status = CONTAINERD

    def cut(current: int) -> list[Any]:
        return [
            {"status": "Pulling fs layer", "id": "aaa"},
            {
                "status": "Downloading",
                "id": "aaa",
                "progressDetail": {"current": current * 100_000, "total": 9_000_000},
            },
            {"error": "unexpected EOF"},
        ]

    dockerd.pulls = [cut(10), cut(20), cut(30), cut(30), cut(30), pulled(), pulled()]
    assert run(tmp_path, spec(image(), attempts=3))["pulled"] == [VLLM]
    inventory.RECORD.unlink()
    dockerd.images.clear()
    dockerd.pulls = [cut(30), cut(31), cut(32), cut(33), pulled()]
    assert "attempt 3 that brought nothing" in failed(tmp_path, spec(image(), attempts=3))
    assert len(dockerd.pulls) == 1


def test_unpacking_may_take_longer_than_a_stall() -> None:
    tracker = image_pull.Tracker(1)
    tracker.see({"status": "Pulling fs layer", "id": "aaa"})
    assert tracker.patience() <= 1
    tracker.see({"status": "Download complete", "id": "aaa"})
    assert tracker.patience() > 1000


@pytest.mark.parametrize("detail", [None, [], "x", {"current": "x", "total": []}, {"current": None}])
def test_progress_that_tells_no_number_is_none(detail: Any) -> None:
    tracker = image_pull.Tracker(1)
    tracker.see({"status": "Pulling fs layer", "id": "aaa"})
    tracker.see({"status": "Downloading", "id": "aaa", "progressDetail": detail})
    assert (tracker.bytes_done, tracker.bytes_total) == (0, 0)


def test_layers_are_held_in_their_order_in_the_classic_store(dockerd: Dockerd, tmp_path: Path) -> None:
    ids = dockerd.root / "image/overlay2/distribution/diffid-by-digest/sha256"
    ids.mkdir(parents=True)
    for name in "abc":
        (ids / (name * 64)).write_text(f"sha256:{name}-unpacked")
    events = [{"status": "Pulling fs layer", "id": name * 12} for name in "abc"]
    done = [{"status": "Pull complete", "id": name * 12} for name in "acb"]
    dockerd.pulls = [[*events, done[0], done[1], {"error": "unexpected EOF"}]]
    failed(tmp_path, spec(image()))

    def held() -> list[list[str]]:
        found = []
        for (_method, path), body in zip(dockerd.asked, dockerd.bodies, strict=True):
            if path == "/images/load":
                with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                    config = archive.extractfile(archive.getnames()[0])
                    assert config is not None
                    found.append(json.loads(config.read())["rootfs"]["diff_ids"])
        return found

    assert held() == [["sha256:a-unpacked"]], "c waits for b: it could not be found again"
    # What is held already must not give way to less when dockerd tells of it layer by layer.
    short = image_pull._short(VLLM)
    dockerd.add(
        f"thor-partial:{short}", layers=["sha256:a-unpacked", "sha256:b-unpacked"], Labels={"thor-partial": short}
    )
    there = [{"status": "Already exists", "id": name * 12} for name in "ab"]
    finished = [{"status": "Pull complete", "id": "c" * 12}, {"status": f"Digest: {ONE}"}]
    dockerd.asked.clear()
    dockerd.bodies.clear()
    dockerd.pulls = [[*there, events[2], *finished]]
    run(tmp_path, spec(image()))
    assert held() == [["sha256:a-unpacked", "sha256:b-unpacked", "sha256:c-unpacked"]]
    assert dockerd.names() == {VLLM, f"hub:5000/nvidia/vllm@{ONE}"}, "in the end only the image is left"


def test_a_disk_that_is_too_small_is_found_before_it_is_full(
    dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_pull, "_free", lambda _path: 24)
    dockerd.pulls = [[*layers("aaa"), 5, {"status": f"Digest: {ONE}"}]]
    assert "THOR-IMAGE-DISK" in failed(tmp_path, spec(image()))
    monkeypatch.setattr(image_pull, "_free", lambda _path: 51)
    dockerd.pulls = [pulled()]
    assert run(tmp_path, spec(image()))["pulled"] == [VLLM]


def test_an_image_of_another_machine_is_removed_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.architecture = "riscv64"
    dockerd.pulls = [pulled()]
    assert "THOR-IMAGE-PLATFORM" in failed(tmp_path, spec(image()))
    assert dockerd.names() == set() and inventory.read_record()["images"] == {}


def test_progress_is_told_in_bytes_and_layers(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[*layers("aaa", "bbb", total=5_000_000), 0.6, {"status": f"Digest: {ONE}"}]]
    shown: list[Any] = []

    class Report(Reporter):
        def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
            shown.append((done, total, unit, text))

    image_pull.run_job(spec(image()), Report(tmp_path))
    assert (10_000_000, 10_000_000, "B", f"{VLLM}, layer 2 of 2") in shown


# Proof


def test_the_proof_has_no_privilege_and_leaves_no_container(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    dockerd.containers = ["thor-proof"]  # a run was killed in the middle of it
    dockerd.log = "GPU 0: NVIDIA Thor"
    run(tmp_path, spec(image(), require_gpu=True))
    bodies = [json.loads(body) for body in dockerd.bodies if b"HostConfig" in body]
    host = bodies[0]["HostConfig"]
    assert (host["Runtime"], host["NetworkMode"], host["CapDrop"]) == ("nvidia", "none", ["ALL"])
    assert bodies[0]["Image"] == f"hub:5000/nvidia/vllm@{ONE}"
    assert "cuInit" in bodies[0]["Entrypoint"][2]
    assert dockerd.containers == []
    proof = inventory.read_record()["images"][VLLM]["proof"]
    assert proof["gpu"] is True and proof["output"] == "GPU 0: NVIDIA Thor" and proof["toolkit"] == "1.18.1-1"
    result = run(tmp_path, spec(image(), require_gpu=True, toolkit="1.20.0-1"))
    assert (result["changed"], result["checked"]) == (False, [VLLM])


def test_the_proof_is_the_services_container(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    environment = inventory.container_environment({"NVIDIA_DISABLE_REQUIRE": "1", "VLLM_USE_MODELSCOPE": "true"})
    run(tmp_path, spec({**image(), "environments": [PLAIN, environment]}, require_gpu=True))
    first, second = [json.loads(body) for body in dockerd.bodies if b"HostConfig" in body]
    assert "NVIDIA_VISIBLE_DEVICES=all" in first["Env"] and "NVIDIA_DISABLE_REQUIRE=1" not in first["Env"]
    # As the role serving starts it.
    words = docker_run(service={"environment": environment})
    assert sorted(second["Env"]) == sorted(word[len("--env=") :] for word in words if word.startswith("--env="))
    host = second["HostConfig"]
    assert f"--runtime={host['Runtime']}" in words
    assert [f"--cap-drop={one}" for one in host["CapDrop"]] == [word for word in words if word.startswith("--cap-")]
    assert [f"--security-opt={one}" for one in host["SecurityOpt"]] == [
        word for word in words if word.startswith("--security-opt")
    ]
    record = inventory.read_record()["images"][VLLM]["proof"]
    assert record["environments"] == sorted([*KEYS, inventory.environment_key(environment)])
    assert "true" not in json.dumps(record["environments"]), "values may be nobody's business"
    again = run(tmp_path, spec({**image(), "environments": [environment]}, require_gpu=True))
    assert again["checked"] == []
    more = inventory.container_environment({"NVIDIA_VISIBLE_DEVICES": "0"})
    again = run(tmp_path, spec({**image(), "environments": [environment, more]}, require_gpu=True))
    assert again["checked"] == [VLLM]


def test_an_image_that_wants_a_newer_driver_is_told_so(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    dockerd.exit_code, dockerd.log = 128, "requirements not met: unsatisfied condition: cuda>=13.4 (cuda=13.2)"
    said = failed(tmp_path, spec(image(), require_gpu=True))
    assert "THOR-GPU-HIDDEN" in said and "cuda>=13.4" in said and 'NVIDIA_DISABLE_REQUIRE: "1"' in said


@pytest.mark.parametrize("how", ["ends with 1", "no runtime", "hangs"])
def test_a_gpu_that_cannot_be_seen(how: str, dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dockerd.pulls = [pulled()]
    dockerd.exit_code, dockerd.log = 1, "cuInit: 801 CUDA devices: 0"
    if how == "no runtime":
        dockerd.runtimes = {"runc"}
    if how == "hangs":
        monkeypatch.setattr(image_pull, "PROOF_SECONDS", 0.3)
        dockerd.runs_for = 3.0
    said = failed(tmp_path, spec(image(), require_gpu=True))
    assert "THOR-GPU-HIDDEN" in said and "nvidia-smi on the host" in said
    assert {"ends with 1": "cuInit: 801", "no runtime": "unknown or invalid runtime", "hangs": "not answer"}[
        how
    ] in said
    assert dockerd.containers == []
    assert inventory.read_record()["images"][VLLM]["proof"] is None, "it is there, and is tried again"


# Collection


def _two_images(dockerd: Dockerd) -> None:
    record = inventory.read_record()
    inventory.note(record, SGLANG, TWO, None)
    inventory.note(record, VLLM, ONE, None)
    record["images"][VLLM]["proof"] = {"gpu": False, "l4t": "38.2.0", "toolkit": "1.18.1-1"}
    inventory.write_record(record)
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{ONE}")
    dockerd.add(SGLANG, f"hub:5000/nvidia/sglang@{TWO}")
    dockerd.add("a-persons:image")


def test_what_nobody_wants_goes_where_one_asks_for_it(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    assert run(tmp_path, spec(image()))["pruned"] == []
    todo = image_pull.plan(spec(image(), prune=True), inventory.read_record(), inventory.Local(dockerd.images))
    assert todo["prune"] == [f"hub:5000/nvidia/sglang@{TWO}"]
    assert image_pull.forecast(todo, inventory.read_record()) == [f"{VLLM} {ONE}"]
    result = run(tmp_path, spec(image(), prune=True))
    assert (result["changed"], result["pruned"]) == (True, [f"hub:5000/nvidia/sglang@{TWO}"])
    assert dockerd.names() == {VLLM, f"hub:5000/nvidia/vllm@{ONE}", "a-persons:image"}
    assert list(inventory.read_record()["images"]) == [VLLM]
    assert run(tmp_path, spec(image(), prune=True))["changed"] is False


@pytest.mark.parametrize("place", ["units/thor-chat.service", "state/before.json"])
def test_what_a_unit_names_stays(place: str, dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    (tmp_path / place).write_text(f"ExecStart=docker run hub:5000/nvidia/sglang@{TWO} serve")
    result = run(tmp_path, spec(image(), prune=True))
    assert (result["changed"], result["pruned"]) == (False, [])
    assert "names it" in result["kept"][f"hub:5000/nvidia/sglang@{TWO}"]


def test_what_a_container_uses_stays(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    dockerd.in_use = {SGLANG}
    result = run(tmp_path, spec(image(), prune=True))
    assert (result["pruned"], list(result["kept"])) == ([], [f"hub:5000/nvidia/sglang@{TWO}"])
    assert SGLANG in inventory.read_record()["images"]


def test_a_name_that_a_person_gave_stays(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    dockerd.images[1]["RepoTags"].append("a-persons:sglang")
    run(tmp_path, spec(image(), prune=True))
    assert dockerd.names() >= {"a-persons:sglang", "a-persons:image"} and SGLANG not in dockerd.names()


def test_the_digest_that_a_lock_replaced_goes_too(dockerd: Dockerd, tmp_path: Path) -> None:
    _two_images(dockerd)
    dockerd.pulls = [pulled(TWO)]
    arguments = spec(image(digest=TWO), image(SGLANG, engine="sglang"), prune=True)
    todo = image_pull.plan(arguments, inventory.read_record(), inventory.Local(dockerd.images))
    assert (todo["pull"], todo["prune"]) == ([VLLM], [f"hub:5000/nvidia/vllm@{ONE}"])
    assert run(tmp_path, arguments)["pruned"] == [f"hub:5000/nvidia/vllm@{ONE}"]
    assert f"hub:5000/nvidia/vllm@{TWO}" in dockerd.names()


def test_a_plan_on_a_host_without_docker() -> None:
    todo = image_pull.plan(spec(image(), image(SGLANG)), inventory.read_record(), inventory.Local([]))
    assert (todo["pull"], todo["check"]) == ([VLLM, SGLANG], [VLLM, SGLANG])
    assert image_pull.forecast(todo, inventory.read_record()) == [f"{SGLANG} (pulled)", f"{VLLM} (pulled)"]


# Python packages


SOUND = ["librosa==0.11.0", "soundfile==0.14.0"]
LACKS = {"soundfile": "ModuleNotFoundError: No module named 'soundfile'"}
DERIVED = f"sha256:{'d' * 64}"


def listening() -> dict[str, Any]:
    return {**image(), "extras": [SOUND]}


def test_an_image_that_has_what_its_service_needs_is_used_as_it_is(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    result = run(tmp_path, spec(listening()))
    assert result["derived"] == []
    assert inventory.read_record()["images"][VLLM]["extras"] == {" ".join(SOUND): {"id": None}}
    dockerd.asked.clear()
    plan = image_pull.plan(
        spec(listening()), inventory.read_record(), inventory.Local.ask(docker_api.Docker(dockerd.path))
    )
    assert not any(plan.values()), "it is asked once"


def test_what_is_missing_is_added_in_a_derived_image_and_nothing_else_is(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    result = run(tmp_path, spec(listening()))
    assert result["derived"] == [f"{VLLM} with {', '.join(SOUND)}"] and result["changed"]
    assert inventory.read_record()["images"][VLLM]["extras"] == {" ".join(SOUND): {"id": DERIVED}}
    created = [
        json.loads(body)
        for (_, path), body in zip(dockerd.asked, dockerd.bodies, strict=True)
        if "create" in path and body
    ]
    pip = next(one for one in created if any("pip" in word for word in one["Cmd"]))
    asked = json.loads(dockerd.laid[derive.ASKED])
    assert asked["arguments"] == ["--index-url", "http://hub/simple", "soundfile==0.14.0"], "librosa is there"
    assert asked["environment"]["http_proxy"] == "http://proxy:3128"
    assert pip["HostConfig"]["NetworkMode"] == "host"
    assert "proxy" not in json.dumps(pip) and "hub/simple" not in json.dumps(pip), (
        "what a container is given becomes the image's"
    )
    looks = [one for one in created if any("import_module" in word for word in one["Cmd"])]
    assert len(looks) == 2 and looks[1]["Image"] == DERIVED, "and the derived image was asked again"
    assert all(one["HostConfig"]["NetworkMode"] == "none" for one in looks)
    committed = next(
        json.loads(body) for (_, path), body in zip(dockerd.asked, dockerd.bodies, strict=True) if path == "/commit"
    )
    assert (committed["Cmd"], committed["Env"]) == (["bash"], ["A=b"]), "it starts as the image that it comes from"
    assert dockerd.containers == []
    assert inventory.observe()["images"][VLLM]["extras"][" ".join(SOUND)] == {"id": DERIVED, "present": True}


def test_a_derived_image_that_is_gone_is_made_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    run(tmp_path, spec(listening()))
    dockerd.images = [one for one in dockerd.images if one["Id"] != DERIVED]
    dockerd.lacking = dict(LACKS)
    host = {**inventory.observe(), "l4t": "38.2.0", "container_packages": {toolkit.PACKAGES[0]: "1.18.1-1"}}
    services = [{"image": VLLM, "engine": "vllm", "version": "25.10", "python_packages": SOUND}]
    assert plan.work(services, host, require_gpu=False)["todo"] == [f"look for Python packages in {VLLM}"]
    assert run(tmp_path, spec(listening()))["derived"]


@pytest.mark.parametrize(("extend", "code", "words"), [(False, 0, "it lacks"), (True, 1, "pip ended with 1")])
def test_an_image_that_cannot_be_extended_is_refused(
    dockerd: Dockerd, tmp_path: Path, extend: bool, code: int, words: str
) -> None:
    dockerd.pulls, dockerd.lacking, dockerd.pip_exit_code = [pulled()], dict(LACKS), code
    dockerd.log = "ERROR: No matching distribution found for soundfile\r\n"
    text = failed(tmp_path, spec(listening(), derive=extend))
    assert "THOR-IMAGE-EXTRAS" in text and VLLM in text and words in text and "soundfile==0.14.0" in text
    assert "No matching distribution" in text if extend else "No module named 'soundfile'" in text
    assert inventory.read_record()["images"][VLLM]["extras"] == {}


def test_derived_images_that_nobody_names_are_collected(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    run(tmp_path, spec(listening()))
    old = f"sha256:{'e' * 64}"
    dockerd.add("thor-derived:1", image_id=old)
    assert run(tmp_path, spec(listening(), prune=True))["pruned"] == [old]
    assert dockerd.find(DERIVED) is not None


def test_a_derived_image_goes_with_the_service_that_wanted_it(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    run(tmp_path, spec(listening()))
    host = {**inventory.observe(), "l4t": "38.2.0", "container_packages": {toolkit.PACKAGES[0]: "1.18.1-1"}}
    services = [{"image": VLLM, "engine": "vllm", "version": "25.10"}]
    todo = plan.work(services, host, require_gpu=False, prune=True)["todo"]
    assert todo == [f"remove {VLLM} with {' '.join(SOUND)}"]
    unit = tmp_path / "units/thor-speech.service"
    unit.write_text(f"ExecStart=docker run {DERIVED} serve")
    arguments = spec(image(), prune=True)
    assert run(tmp_path, arguments)["pruned"] == [], "the service is not switched yet"
    unit.unlink()
    dockerd.in_use = {DERIVED}
    result = run(tmp_path, arguments)
    assert result["pruned"] == [] and DERIVED in result["kept"], "somebody's container is no failure"
    dockerd.in_use = set()
    planned = image_pull.plan(arguments, inventory.read_record(), inventory.Local.ask(docker_api.Docker(dockerd.path)))
    assert planned["prune"] == run(tmp_path, arguments)["pruned"] == [DERIVED]
    assert inventory.read_record()["images"][VLLM]["extras"] == {}


def test_arguments_for_pip_that_cannot_be_taken_apart_are_named(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    text = failed(tmp_path, spec(listening(), pip_arguments="--index-url 'http"))
    assert "THOR-IMAGE-EXTRAS" in text and "thor_pip_extra_args = " in text and "No closing quotation" in text


def test_a_derived_image_that_does_not_help_is_removed_again(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls, dockerd.lacking = [pulled()], dict(LACKS)
    dockerd.stubborn = True
    assert "it lacks" in failed(tmp_path, spec(listening()))
    assert dockerd.find(DERIVED) is None


@pytest.mark.parametrize(
    "log", ["failed: [", "failed: {x}", 'failed: {"nosuch": "why"}', "failed: " + '{"a":' * 20_000 + "}", "nothing"]
)
def test_what_an_image_prints_is_not_believed(log: str, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    dockerd.add("a:1")
    monkeypatch.setattr(Dockerd, "says", lambda _self: log)
    with pytest.raises(derive.CannotExtend, match="cannot be asked for soundfile"):
        derive.lacking(docker_api.Docker(dockerd.path), "a:1", ["soundfile==1"])
