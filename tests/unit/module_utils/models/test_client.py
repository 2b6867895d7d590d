# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The transfer by the hub's own client."""

from __future__ import annotations

from pathlib import Path

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.models import client, fetch
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST
from model_store import (
    BIG,
    BUFFER,
    FILES,
    Recorder,
    content,
    in_process,
    is_alive,
    model,
    problem_of,
    run,
    sha,
    wait_for,
)


def test_a_checksum_error_names_the_file_and_both_hashes(hub: hub_server.Hub, place: Path) -> None:
    hub.corrupt = {"model.gguf"}
    problem = problem_of(model(hub, place, retries=0))
    wrong = sha(BIG[:-1] + bytes([BIG[-1] ^ 1]))
    assert (problem["variable"], problem["value"]) == ("file", "model.gguf")
    assert sha(BIG) in problem["reason"]
    assert wrong[:16] in problem["reason"]


def test_an_endless_file_stops_at_its_size(hub: hub_server.Hub, place: Path) -> None:
    """modelscope-hub 0.5.1 counts by itself (_download_with_resume); later versions must, too."""
    hub.endless = "files"
    problem = problem_of(model(hub, place, retries=0, include=["config.json"]))
    assert problem["code"] == "THOR-CHECKSUM" and problem["value"] == "config.json"
    assert hub.poured < 20_000_000, "no more than the sockets hold"
    assert sum(path.stat().st_size for path in place.parents[1].rglob("config.json*")) <= len(FILES["config.json"])


def test_an_endless_error_does_not_take_all_memory(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CLIENT_CODE", client.CLIENT_CODE.replace("1 << 31", "1 << 28"))
    hub.endless = "errors"
    problem = problem_of(model(hub, place, retries=0, include=["config.json"]))
    assert problem["code"] == "THOR-HUB-ANSWER"
    assert hub.poured < 4 << 28


def test_a_client_that_fails_for_its_own_reason_is_not_blamed_on_the_network(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = client.CLIENT_CODE.replace("        api.download_file(", "        {}['nosuch']; api.download_file(")
    monkeypatch.setattr(client, "CLIENT_CODE", broken)
    problem = problem_of(model(hub, place, retries=0))
    assert problem["code"] == "THOR-HUB-CLIENT" and "KeyError: 'nosuch'" in problem["reason"]


@pytest.mark.parametrize(
    "client", ["/nonexistent", "/usr"], ids=["no environment", "an environment without modelscope-hub"]
)
def test_a_client_that_does_not_work(hub: hub_server.Hub, place: Path, tmp_path: Path, client: str) -> None:
    if client == "/usr":
        (tmp_path / "venv/bin").mkdir(parents=True)
        (tmp_path / "venv/bin/python").write_text("#!/bin/sh\necho no module named modelscope_hub >&2\nexit 1\n")
        (tmp_path / "venv/bin/python").chmod(0o755)
        client = str(tmp_path / "venv")
    problem = problem_of(model(hub, place, client=client))
    assert (problem["code"], problem["value"]) == ("THOR-HUB-CLIENT", client)


def test_the_token_goes_to_the_hub_only(hub: hub_server.Hub, place: Path) -> None:
    recorder = Recorder()
    hub.file_status = 500
    with pytest.raises(jobs.JobFailed) as caught:
        fetch.run_job(model(hub, place, token="s3cret", retries=0), recorder)
    assert "m_session_id=s3cret" in hub.cookies
    assert "s3cret" not in f"{caught.value} {caught.value.extra} {recorder.lines}"
    assert all("s3cret" not in path.read_text() for path in place.parents[1].rglob("*") if path.is_file())
    hub.file_status = 200
    result = fetch.run_job(model(hub, place, token="s3cret"), recorder)
    assert "s3cret" not in f"{result} {recorder.lines} {(place / MANIFEST).read_text()}"


def test_the_client_dies_with_its_job(hub: hub_server.Hub, place: Path) -> None:
    hub.hold = {"model.gguf": 1000}
    with in_process(model(hub, place, idle_timeout=30)) as process:
        assert hub.held.wait(30)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
    wait_for(lambda: not any(is_alive(int(child)) for child in children))


def test_interruptions_are_tolerated_as_long_as_bytes_arrive(hub: hub_server.Hub, place: Path) -> None:
    hub.cut_after = 400_000
    recorder = Recorder()
    fetch.run_job(model(hub, place), recorder)
    assert content(place) == FILES
    assert hub.fetched("model.gguf") == len(BIG)
    assert any("interrupted" in line for line in recorder.lines), (
        "more interruptions than the client tolerates in one go"
    )


def test_a_dead_connection_is_abandoned_and_the_next_run_continues(
    hub: hub_server.Hub,
    place: Path,
) -> None:
    hub.hold = {"model.gguf": 1_000_000}
    problem = problem_of(model(hub, place, idle_timeout=1, retries=0))
    assert problem["code"] == "THOR-TRANSFER-CUT"
    assert "model.gguf" in problem["reason"]
    hub.hold = {}
    hub.resume.set()
    hub.forget()
    run(model(hub, place))
    assert hub.fetched("model.gguf") <= len(BIG) - 1_000_000 + BUFFER


def test_the_reported_error_is_that_of_the_first_file(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A client that reports as the real one does, the last file first.
    code = """
import json, sys
for item in reversed(json.load(sys.stdin)["files"]):
    print(json.dumps({"path": item["path"], "kinds": ["ApiError"], "message": "no", "status": 404, "errno": None}))
print(json.dumps({"end": True}))
"""
    monkeypatch.setattr(client, "CLIENT_CODE", code)
    with pytest.raises(jobs.JobFailed, match=r"has no file config\.json"):
        run(model(hub, place))
