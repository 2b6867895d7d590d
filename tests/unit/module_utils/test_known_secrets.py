# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The secrets that are on a host."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import known_secrets
from ansible_collections.jetson.thor.plugins.module_utils.redaction import digest, redact
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import SecretFiles

PASSWORD = 'quote" and $dollar `tick` \\ end'


def test_what_services_gateway_and_proxy_have_is_known(tmp_path: Path) -> None:
    SecretFiles(tmp_path).write("chat", {"CODE": PASSWORD, "OTHER": "0123456789"})
    gateway = tmp_path / known_secrets.GATEWAY
    gateway.mkdir(parents=True)
    (gateway / "keys.lua").write_text(f'return {{["{digest("robot-key-0123")}"] = "robot7"}}\n', encoding="utf-8")
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n"
    (gateway / "tls.key").write_text(key, encoding="utf-8")
    proxy = tmp_path / known_secrets.PROXY
    proxy.mkdir()
    (proxy / "docker.env").write_text('HTTP_PROXY="http://me:pr0xy-pass@proxy.example:3128"\n', encoding="utf-8")
    found = known_secrets.on_host([digest("only-the-controller-knows")], tmp_path)
    assert {PASSWORD, "0123456789", "MIGHAgEAMBMGByqGSM49", "pr0xy-pass", "me:pr0xy-pass"} <= found.values
    assert found.names == {"CODE", "OTHER"}
    assert found.digests == {digest("robot-key-0123"), digest("only-the-controller-knows")}
    text = redact(f"a {PASSWORD} b robot-key-0123 c only-the-controller-knows d MIGHAgEAMBMGByqGSM49 e", found)
    assert text == "a [redacted] b [redacted] c [redacted] d [redacted] e"


def test_a_host_without_any_has_none(tmp_path: Path) -> None:
    found = known_secrets.on_host(root=tmp_path)
    assert (found.values, found.names, found.digests) == (frozenset(), frozenset(), frozenset())
