# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What dockerd says about a failed pull, as problems."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_dockerd import Dockerd, Handler
from image_runs import VLLM, failed, image, pulled, run, spec


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
def test_dockerds_words_become_a_code(refusal: tuple[int, str], code: str, dockerd: Dockerd, tmp_path: Path) -> None:
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
def test_only_known_transient_errors_are_retried(words: str, asked: int, dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [[(500, words)] for _number in range(9)]
    assert " ".join(words.split()) in failed(tmp_path, spec(image(), attempts=3))
    assert 9 - len(dockerd.pulls) == asked


@pytest.mark.usefixtures("dockerd")
@pytest.mark.parametrize(("content", "asked"), [(b"[7]\n", 1), (b"x" * 100, 1), (None, 3)])
def test_a_broken_connection_is_retried_and_a_strange_answer_is_not(
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


def test_a_clock_in_the_past_does_not_weaken_tls(dockerd: Dockerd, tmp_path: Path) -> None:
    begin = "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time"
    dockerd.pulls = [[(500, f"{begin} 2025-09-25T22:50:00Z is before 2026-09-01T00:00:00Z")]]
    said = failed(tmp_path, spec(image(), attempts=3))
    assert said.startswith("THOR-CLOCK-WRONG: ") and "timedatectl" in said and "insecure" not in said
    dockerd.pulls = [[(500, f"{begin} 2026-11-26T00:00:00Z is after 2026-11-01T00:00:00Z")]]
    said = failed(tmp_path, spec(image(), attempts=3))
    assert said.startswith("THOR-REGISTRY-DOWN: ") and "has expired" in said and "insecure" not in said


def test_the_name_of_an_image_is_not_a_reason(dockerd: Dockerd, tmp_path: Path) -> None:
    name = "hub:5000/denied/unauthorized-eof:503"
    dockerd.pulls = [
        [(500, f"error getting hub:5000/denied/unauthorized-eof from {name}, https://hub:5000/v2/denied/EOF")]
    ]
    assert failed(tmp_path, spec(image(name), attempts=3)).startswith("THOR-IMAGE-FAILED: ")
