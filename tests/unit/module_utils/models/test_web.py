# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Failures of a connection that a retry does not change."""

from __future__ import annotations

import ssl
import urllib.error
from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import web
from model_store import model, problem_of, url


def test_a_certificate_failure_is_not_retried(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL's messages, as Python passes them on."""
    said = "certificate verify failed: certificate is not yet valid (_ssl.c:1016)"
    asked: list[str] = []

    def refuse(_spec: Any, url: str, _headers: Any) -> Any:
        asked.append(url)
        raise urllib.error.URLError(ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {said}"))

    monkeypatch.setattr(web, "open_url", refuse)
    for spec in (model(hub, place, retries=5), url(hub, place.parent, retries=5)):
        problem = problem_of(spec)
        assert problem["code"] == "THOR-CLOCK-WRONG" and "timedatectl" in problem["remedy"]
    assert len(asked) == 2
    said = "certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1016)"
    problem = problem_of(model(hub, place, retries=5))
    assert problem["code"] == "THOR-HUB-UNREACHABLE" and "update-ca-certificates" in problem["remedy"]
    assert len(asked) == 3


@pytest.mark.parametrize("token", ["hf_secret\n", "hf_secret\r\nX-Evil: yes", "hf_s\u00e9cret"])
def test_no_message_has_a_token_that_fits_in_no_header(token: str) -> None:
    spec = {"token": token, "endpoint": "http://127.0.0.1:9", "idle_timeout": 1}
    cookie = {"Cookie": f"m_session_id={token}"}
    for ask, headers in ((web.open_hub, {}), (web.open_url, cookie)):
        with pytest.raises(urllib.error.URLError) as caught:
            ask(spec, "http://127.0.0.1:9/a", headers)
        assert "cret" not in web.why(caught.value) and "the header" in web.why(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://hub.example/a", "https://HUB.example:443/b", True),
        ("http://hub.example/a", "http://hub.example:80", True),
        ("http://hub.example/a", "https://hub.example/a", False),
        ("https://hub.example/a", "https://hub.example:8443/a", False),
        ("https://hub.example/a", "https://hub.example.evil/a", False),
        ("https://hub.example:x/a", "https://hub.example/a", False),
    ],
)
def test_who_answers_at_an_address(one: str, other: str, same: bool) -> None:
    assert (web.origin(one) == web.origin(other)) is same
