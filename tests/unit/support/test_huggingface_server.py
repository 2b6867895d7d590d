# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The double of Hugging Face is accepted by the real client, huggingface_hub: its command and its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_server
import pytest
from model_store import FILES, ID

# One question to the real API, in a process of its own: the address is read when the package is imported.
ASK = """
import json, sys
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
api = HfApi(token=sys.argv[2] or False)
try:
    said = eval(sys.argv[1])
except HfHubHTTPError as error:
    said = [type(error).__name__, error.response.status_code]
print(json.dumps(said))
"""


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch) -> Iterator[huggingface_server.HuggingFace]:
    """A hub with one model."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with huggingface_server.running() as hub:
        hub.push(ID, dict(FILES))
        yield hub


def environment(face: huggingface_server.HuggingFace, home: Path) -> dict[str, str]:
    """The client's environment: nothing of this machine's."""
    own = {"HF_ENDPOINT": face.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HOME": str(home)}
    own |= {"HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return {key: value for key, value in os.environ.items() if not key.startswith("HF_")} | own


def asked(face: huggingface_server.HuggingFace, home: Path, question: str, token: str = "") -> Any:
    """What the real API makes of the double's answer."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, question, token],
        env=environment(face, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("names", [[], ["model.gguf", "config.json"]], ids=["all files", "files by name"])
def test_its_command_downloads_a_model(face: huggingface_server.HuggingFace, tmp_path: Path, names: list[str]) -> None:
    command = [str(Path(sys.executable).parent / "hf"), "download", ID, *names, "--local-dir", str(tmp_path / "model")]
    subprocess.run(command, env=environment(face, tmp_path), capture_output=True, check=True)
    for name, content in FILES.items():
        if not names or name in names:
            assert (tmp_path / "model" / name).read_bytes() == content
    assert not names or not (tmp_path / "model/empty").exists()


def test_its_api_reads_the_model_and_the_pages_of_its_files(
    face: huggingface_server.HuggingFace, tmp_path: Path
) -> None:
    commit = face.repositories[ID].branches["main"]
    assert asked(face, tmp_path, f"[api.model_info({ID!r}).sha, api.model_info({ID!r}).gated]") == [commit, False]
    face.page = 2
    listing = "[[f.path, f.size, f.blob_id, f.lfs and f.lfs.sha256] for f in api.list_repo_tree(%r, recursive=True) if hasattr(f, 'size')]"
    found = asked(face, tmp_path, listing % ID)
    assert {name: size for name, size, _blob, _lfs in found} == {name: len(data) for name, data in FILES.items()}
    blobs = {name: blob for name, _size, blob, lfs in found if not lfs}
    assert blobs["config.json"] == huggingface_server.blob_id(FILES["config.json"])
    assert [name for name, _size, _blob, lfs in found if lfs] == ["model.gguf"]


@pytest.mark.parametrize(
    ("changes", "question", "token", "error"),
    [
        ({}, "api.model_info('acme/none').sha", "", ["RepositoryNotFoundError", 401]),
        ({}, "api.model_info('acme/none').sha", "hf_reader", ["RepositoryNotFoundError", 404]),
        ({}, f"api.model_info({ID!r}, revision='v9').sha", "", ["RevisionNotFoundError", 404]),
        ({"private": True}, f"api.model_info({ID!r}).sha", "hf_nobody", ["RepositoryNotFoundError", 404]),
        ({}, f"api.model_info({ID!r}).sha", "hf_wrong", ["HfHubHTTPError", 401]),
    ],
)
def test_its_refusals_are_the_clients_own_errors(
    face: huggingface_server.HuggingFace,
    tmp_path: Path,
    changes: dict[str, Any],
    question: str,
    token: str,
    error: list[Any],
) -> None:
    vars(face.repositories[ID]).update(changes)
    assert asked(face, tmp_path, question, token) == error


@pytest.mark.parametrize(("token", "status"), [("", 401), ("hf_nobody", 403)])
def test_a_gated_model_is_the_clients_own_error(
    face: huggingface_server.HuggingFace, tmp_path: Path, token: str, status: int
) -> None:
    face.repositories[ID].gated = "auto"
    assert asked(face, tmp_path, f"api.model_info({ID!r}).gated", token) == "auto"
    download = f"[api.hf_hub_download({ID!r}, 'config.json', local_dir={str(tmp_path / 'model')!r})]"
    assert asked(face, tmp_path, download, token) == ["GatedRepoError", status]


def test_its_rate_limit_is_understood(face: huggingface_server.HuggingFace, tmp_path: Path) -> None:
    face.limited, face.rate_limit = (
        1,
        {"RateLimit": '"api";r=0;t=55', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'},
    )
    assert asked(face, tmp_path, f"api.model_info({ID!r}).sha") == ["HfHubHTTPError", 429]
