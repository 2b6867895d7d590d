# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module service_logs: it reads, in check mode too, and says which services there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import known_secrets
from ansible_collections.jetson.thor.plugins.module_utils.redaction import Secrets, digest
from ansible_collections.jetson.thor.plugins.module_utils.services import journal

KEY = "robot-key-0123456789abcdef"


def said(text: str) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1795737600000000", "SYSLOG_IDENTIFIER": "thor-chat", "MESSAGE": text})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What journalctl is asked for; it answers two entries."""
    commands: list[Any] = []

    def run(command: Any) -> str:
        commands.append(list(command))
        return f"{said('ready')}\n{said(f'refused {KEY}')}\n"

    monkeypatch.setattr(journal, "run", run)
    monkeypatch.setattr(journal, "names", lambda _disk: ["chat", "gateway"])
    monkeypatch.setattr(known_secrets, "on_host", lambda digests: Secrets(digests=frozenset(digests)))
    return commands


def test_it_keeps_its_promises(asked: list[Any], tmp_path: Path) -> None:
    arguments = {"services": ["chat"], "since": "1 hour ago", "lines": 7, "digests": [digest(KEY)]}
    result = module_promises.keep_reading("service_logs", arguments, tmp_path)
    assert result["lines"] == [
        "2026-11-27T00:00:00Z thor-chat: ready",
        "2026-11-27T00:00:00Z thor-chat: refused [redacted]",
    ]
    assert {"--lines=7", "--since=1 hour ago", "--unit=thor-chat.service", "--unit=thor-chat-proxy.service"} <= set(
        asked[0]
    )


def test_without_a_name_all_services_of_the_host_are_read(asked: list[Any]) -> None:
    module_promises.run("service_logs", {})
    assert {"--unit=thor-chat.service", "--unit=thor-gateway.service"} <= set(asked[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"services": ["chatt"]}, "THOR-LOGS-SERVICE: .*thor_service = chatt: .* Those of this host: chat, gateway"),
        ({"lines": 0}, "THOR-LOGS-INVALID: .*thor_logs_lines = 0: .* from 1 to 100000"),
    ],
)
@pytest.mark.usefixtures("asked")
def test_bad_input_is_refused_with_the_way_out(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        module_promises.run("service_logs", arguments)


@pytest.mark.usefixtures("asked")
def test_a_time_that_journalctl_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_command: Any) -> str:
        raise journal.Refused("Failed to parse timestamp: whenever")

    monkeypatch.setattr(journal, "run", run)
    with pytest.raises(AssertionError, match=r"thor_logs_since = .*whenever.*: journalctl refuses: Failed to parse"):
        module_promises.run("service_logs", {"since": "whenever"})
