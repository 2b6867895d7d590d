# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the gateway of a host shows the right certificate, and refuses who has no key."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients.api import where
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

SECONDS = 10.0  # for the connection, and for each read
LONGEST = 65536  # bytes of an answer
WHAT = "refusal without a key"
PATH = "/v1/models"


class Wrong(Exception):
    """What is wrong, with its code."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.problem = Problem(code, "thor_gateway", None, reason, remedy)


def check(gateway: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of what the module verify returns. ``fingerprint``: the SHA-256 of the certificate; empty for plain HTTP."""
    began, problems, answer = time.monotonic(), [], ""
    try:
        answer = _ask(gateway)
    except Wrong as error:
        problems = [error.problem]
    return {
        "name": "gateway",
        "request": WHAT,
        "api": "gateway",
        "endpoint": where(gateway["address"], gateway["port"], PATH).replace(
            "http:", "https:" if gateway["tls"] else "http:", 1
        ),
        "seconds": round(time.monotonic() - began, 3),
        "tokens": None,
        "tokens_per_second": None,
        "answer": answer,
        "problems": [one.as_dict() for one in problems],
        "messages": [one.text() for one in problems],
        "state": "failed" if problems else "ok",
        "ok": not problems,
    }


def _ask(gateway: Mapping[str, Any]) -> str:
    """What it answered, in words. Raises Wrong."""
    try:
        connection = _connect(gateway)
        try:
            connection.request("GET", PATH)
            response = connection.getresponse()
            status, body = response.status, response.read(LONGEST)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        reason = f"It does not answer on {gateway['address']}:{gateway['port']}: {error or type(error).__name__}."
        raise Wrong("THOR-GATEWAY-DOWN", reason, "Read sudo journalctl -u thor-gateway, then run site.yml.") from error
    if status != http.client.UNAUTHORIZED or not _is_refusal(body):
        reason = (
            f"A request without a key was answered with {status}, and not with 401 and an error as OpenAI shapes it."
        )
        remedy = "sudo systemctl cat thor-gateway and /etc/thor/gateway show who changes it; run site.yml."
        raise Wrong("THOR-GATEWAY-OPEN", reason, remedy)
    return "401, as it should be"


def _connect(gateway: Mapping[str, Any]) -> http.client.HTTPConnection:
    """A connection to the gateway; with TLS only if it shows its own certificate."""
    address, port = gateway["address"], gateway["port"]
    if not gateway["tls"]:
        return http.client.HTTPConnection(address, port, timeout=SECONDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The one certificate is expected, and no authority: its SHA-256 is compared instead.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    raw = socket.create_connection((address, port), timeout=SECONDS)
    try:
        secured = context.wrap_socket(raw, server_hostname=address)
    except BaseException:
        raw.close()
        raise
    shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
    if shown != gateway["fingerprint"]:
        secured.close()
        reason = f"It shows another certificate (SHA-256 {shown[:16]}...) than the one that was made for it."
        raise Wrong("THOR-GATEWAY-TLS", reason, "Run site.yml; if it stays, see which program listens on that port.")
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    connection.sock = secured
    return connection


def _is_refusal(body: bytes) -> bool:
    """Whether an error has the shape of OpenAI's."""
    try:
        error = json.loads(body)["error"]
        return {"message", "type", "param", "code"} <= set(error) and isinstance(error["message"], str)
    except (ValueError, TypeError, KeyError):
        return False
