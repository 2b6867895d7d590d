# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the gateway's files; the real nginx reads them in tests/unit/roles/gateway."""

from __future__ import annotations

from dataclasses import replace

import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import data_plane
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import Client, Gateway, GatewayFile

CHAT = replace(resolved.service(resolved.LLAMA, name="chat"), served_name="qwen3")
HASH = "ab" * 32
GATEWAY = Gateway(
    port=443,
    address="0.0.0.0",
    names=("thor01", "10.0.0.7"),
    body_bytes=1024,
    clients=(Client(name="robot7", sha256=HASH, models=("qwen3",), concurrency=4),),
    certificate="/etc/thor/gateway/tls.crt",
    key="/etc/thor/gateway/tls.key",
    metrics=True,
)


def files(gateway: Gateway = GATEWAY, keys: dict[str, str] | None = None) -> dict[str, GatewayFile]:
    """The files by the last part of their path."""
    return {file.path.rsplit("/", 1)[1]: file for file in data_plane.files(gateway, [CHAT], keys or {})}


def test_only_files_with_keys_are_secret_and_they_are_roots_alone() -> None:
    found = files()
    assert {name for name, file in found.items() if file.secret} == {"clients.lua", "engine_keys.lua"}
    assert all((file.mode == "0600") == file.secret for file in found.values())


def test_keys_are_in_no_other_file() -> None:
    found = files(keys={"chat": "engine-secret", "gone": "other-secret"})
    assert [name for name, file in found.items() if HASH in file.content] == ["clients.lua"]
    assert [name for name, file in found.items() if "engine-secret" in file.content] == ["engine_keys.lua"]
    assert not [name for name, file in found.items() if "other-secret" in file.content]


def test_nginx_gets_the_address_the_names_and_the_certificate() -> None:
    text = files()["nginx.conf"].content
    assert "listen 0.0.0.0:443 ssl " in text and "server_name thor01 10.0.0.7;" in text
    assert "client_max_body_size 1024;" in text and "ssl_certificate /etc/thor/gateway/tls.crt;" in text
    assert "listen [::]:443 ssl " in files(replace(GATEWAY, address="::"))["nginx.conf"].content


def test_plain_http_has_no_certificate() -> None:
    text = files(replace(GATEWAY, address="127.0.0.1", certificate="", key=""))["nginx.conf"].content
    assert "listen 127.0.0.1:443 default_server" in text and "ssl_" not in text


def test_a_model_names_its_whole_service() -> None:
    text = files()["clients.lua"].content
    assert f'["{HASH}"] = {{' in text and '["chat"] = true,' in text and '["concurrency"] = 4,' in text
    other = replace(GATEWAY, clients=(Client(name="robot7", sha256=HASH, models=("drives",)),))
    assert '["chat"] = true' not in files(other)["clients.lua"].content


def test_a_client_that_reads_metrics_has_no_models() -> None:
    client = Client(name="eyes", sha256=HASH.upper(), models=None, metrics=True)
    text = files(replace(GATEWAY, clients=(client,)))["clients.lua"].content
    assert '["all"] = false,' in text and '["metrics"] = true,' in text and HASH in text


def test_scripts_come_before_the_configuration_that_loads_them() -> None:
    paths = [file.path for file in data_plane.files(GATEWAY, [CHAT], {})]
    assert paths[-2:] == ["/etc/thor/gateway/nginx.conf", "/etc/logrotate.d/thor-gateway"]
    assert "/etc/thor/gateway/lua/gateway.lua" in paths


def test_the_log_is_rotated_by_the_process_that_writes_it() -> None:
    text = files()["thor-gateway"].content
    assert "/var/log/thor/gateway/access.log {" in text and "/run/thor-gateway/nginx.pid" in text
