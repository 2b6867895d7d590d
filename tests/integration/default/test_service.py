# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The service answers, is the right version, and its exposure is limited."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

UNIT = "thor-chat.service"
SERVICES = {"chat": 8000, "eyes": 8001, "speech": 8080}
ENDPOINT = "http://127.0.0.1:8000"


def get(host: Any, path: str, body: dict[str, Any] | None = None) -> Any:
    """JSON from the service, requested on the host itself."""
    data = f"--json '{json.dumps(body)}'" if body else ""
    return json.loads(host.check_output(f"curl -sS --fail --max-time 60 {data} {ENDPOINT}{path}"))


def test_it_answers_a_chat(host: Any) -> None:
    question = {"model": "tiny", "messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 8}
    answer = get(host, "/v1/chat/completions", question)
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["usage"]["completion_tokens"] > 0
    assert not answer["choices"][0]["message"].get("reasoning_content")


def test_it_has_the_name_from_the_profile(host: Any) -> None:
    assert [model["id"] for model in get(host, "/v1/models")["data"]] == ["tiny"]


def test_the_running_process_is_the_requested_version(host: Any) -> None:
    assert "0c1e570" in get(host, "/props")["build_info"]


@pytest.mark.parametrize("name", SERVICES)
def test_it_starts_with_the_target_at_boot(host: Any, name: str) -> None:
    for unit in (f"thor-{name}.service", "thor.target"):
        assert host.service(unit).is_running
        assert host.service(unit).is_enabled


@pytest.mark.parametrize("port", SERVICES.values())
def test_it_listens_on_the_loopback_only(host: Any, port: int) -> None:
    listening = host.check_output(f"ss -Hltn sport = :{port}").split()
    assert [word for word in listening if word.endswith(f":{port}")] == [f"127.0.0.1:{port}"]


@pytest.mark.parametrize("name", SERVICES)
def test_it_runs_without_privileges(host: Any, name: str) -> None:
    pid = host.check_output(f"systemctl show -P MainPID thor-{name}.service")
    status = host.file(f"/proc/{pid}/status").content_string
    uids = re.search(r"^Uid:\s+(.*)$", status, re.MULTILINE)
    assert uids is not None
    assert "0" not in uids[1].split()
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


def test_each_has_its_own_account_and_shares_only_the_start(host: Any) -> None:
    def words(name: str, field: str) -> list[str]:
        pid = host.check_output(f"systemctl show -P MainPID thor-{name}.service")
        return str(host.check_output(f"sed -n 's/^{field}:\\t//p' /proc/{pid}/status")).split()

    accounts = {name: words(name, "Uid")[0] for name in SERVICES}
    assert len({*accounts.values(), host.check_output("id -u thor")}) == len(SERVICES) + 1
    shared = {host.check_output(f"getent group {group} | cut -d: -f3") for group in ("render", "thor", "video")}
    for name, account in accounts.items():
        assert set(words(name, "Groups")) == {account, *shared}
        assert host.check_output(f"stat -Lc %u-%a /var/cache/thor/{name}") == f"{account}-700"
    # The shared group may lock a file that it cannot change, and ask to drop the page cache.
    places = "/run/thor /run/thor/gpu.lock /run/thor-drop-caches.sock"
    assert host.check_output(f"stat -c %U:%G-%a {places}").split() == [
        "root:thor-750",
        "root:thor-640",
        "root:thor-660",
    ]
    assert host.check_output("find /etc /opt /srv /usr /var -group thor -perm /070") == ""


@pytest.mark.parametrize("name", SERVICES)
def test_its_exposure_is_limited(host: Any, name: str) -> None:
    # systemd's own measure, 0 (closed) to 10; the rest is the network and the GPU's devices.
    result = host.run(f"systemd-analyze security --no-pager --threshold=30 thor-{name}.service")
    assert result.rc == 0, result.stdout.splitlines()[-1]


def test_no_job_is_left_behind(host: Any) -> None:
    assert host.check_output("systemctl list-units --all --no-legend --plain 'thor-job-*'") == ""


def test_a_secret_reaches_only_its_engine(host: Any) -> None:
    secret = "hf_known-to-everybody-0123456789"
    unit = host.file("/etc/systemd/system/thor-eyes.service").content_string
    place = re.search(r"^EnvironmentFile=(/etc/thor/secrets/\S+)$", unit, re.MULTILINE)
    assert place is not None and secret not in unit
    file = host.file(place[1])
    assert (file.user, file.mode) == ("root", 0o600) and secret in file.content_string
    assert host.file("/etc/thor/secrets").mode == 0o700
    for name, there in (("eyes", True), ("chat", False)):
        main = host.check_output(f"systemctl show -P MainPID thor-{name}.service")
        engine = host.check_output(f"cat /proc/{main}/task/{main}/children").split()[0]
        environment = host.file(f"/proc/{engine}/environ").content_string
        assert (f"HF_TOKEN={secret}" in environment.split("\0")) is there
    # Searched here, because a search on the host would find itself.
    for everything in ("ps -eo args", "journalctl --no-pager", "cat /etc/thor/services/* /var/lib/thor/*.json"):
        assert secret not in host.check_output(everything)
