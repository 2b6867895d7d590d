# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Sources of builds: fetched, verified, bounded."""

from __future__ import annotations

import gzip
import os
import random
import tarfile
from pathlib import Path

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.builds import source as sources
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from toy_build import ToyBuild


def test_the_pinned_commit_is_built_and_not_a_later_one(job: ToyBuild) -> None:
    source = job.repository()
    result = job.run(source)
    assert job.engines() == ["v1", Path(result["path"]).name]
    assert not list(job.folder.glob("state/src/toy/*/.git"))


def test_a_damaged_archive_is_refused_and_not_kept(job: ToyBuild) -> None:
    source = job.archive()
    with (job.folder / "toy.tar.gz").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-CHECKSUM.*toy.tar.gz"):
        job.run(source)
    assert job.engines() == []
    assert [path.name for path in job.folder.glob("state/src/toy/*") if not path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "source",
    [
        {"archive": "http://127.0.0.1:9/toy.tar.gz", "sha256": "0" * 64},
        {"git": "/nonexistent/toy.git", "commit": "0" * 40},
    ],
    ids=["archive", "git"],
)
def test_an_unreachable_source_is_reported_with_its_address(job: ToyBuild, source: dict[str, str]) -> None:
    with pytest.raises(JobFailed, match="THOR-SOURCE-UNREACHABLE") as caught:
        job.run(source)
    assert (source.get("archive") or source["git"]) in str(caught.value)


def test_an_endless_archive_is_cut_off(job: ToyBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    source = job.archive()
    monkeypatch.setattr(sources, "ARCHIVE_BYTES", 100)
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-CHECKSUM.*larger than 100 bytes"):
        job.run(source)
    # A server that announces no length is stopped as well.
    with hub_server.running() as hub:
        hub.endless = "files"
        hub.files["/toy.tar.gz"] = b""
        with pytest.raises(JobFailed, match="larger than 100 bytes"):
            job.run({**source, "archive": f"{hub.url}/toy.tar.gz"})
        assert hub.poured < 20_000_000, "no more than the sockets hold"
    assert not any(path.stat().st_size > 2 << 20 for path in job.folder.glob("state/src/toy/.*/.archive"))


def test_an_interrupted_download_is_not_reported_as_damage(job: ToyBuild) -> None:
    with hub_server.running() as hub:
        hub.files["/toy.tar.gz"] = b"x" * 100_000
        hub.cut_after = 1000
        with pytest.raises(JobFailed, match=r"THOR-SOURCE-UNREACHABLE.*1,000 of 100,000 bytes"):
            job.run({"archive": f"{hub.url}/toy.tar.gz", "sha256": "0" * 64})


@pytest.mark.parametrize("limit", ["SOURCE_BYTES", "SOURCE_FILES"])
def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tar.gz"
    (tmp_path / "zeros").write_bytes(bytes(1 << 20))
    with tarfile.open(path, "w:gz") as tar:
        for number in range(5):
            tar.add(tmp_path / "zeros", f"z{number}")
    monkeypatch.setattr(sources, limit, {"SOURCE_BYTES": 3 << 20, "SOURCE_FILES": 3}[limit])
    (tmp_path / "to").mkdir()
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-CHECKSUM.*unpacks to more than"):
        sources.unpack(path, tmp_path / "to", "")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"x" * 2000, mtime=0)[:-9], b"\xfd7zXZ\0" + b"x" * 600, b"BZh9" + b"x" * 600],
)
def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(JobFailed, match="THOR-SOURCE-CHECKSUM"):
        sources.unpack(tmp_path / "a", tmp_path / "to", "")


def test_an_endless_repository_does_not_fill_the_disk(job: ToyBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    job.write("noise", random.Random(1).randbytes(300_000).hex())
    source = job.repository()
    monkeypatch.setattr(sources, "SOURCE_BYTES", 100_000)
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-UNREACHABLE.*more than 100,000 bytes"):
        job.run(source)


def test_a_clock_in_the_past_is_recognized_in_the_words_of_git(
    job: ToyBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message of git with GnuTLS, as Ubuntu has it (curl, lib/vtls/gtls.c)."""
    program = tmp_path / "git"
    program.write_text(
        "#!/bin/sh\necho 'fatal: server certificate verification failed: certificate not activated' >&2\nexit 128\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(JobFailed, match=r"THOR-CLOCK-WRONG.*timedatectl"):
        job.run({"git": "https://127.0.0.1:9/x.git", "commit": "0" * 40})


def test_a_commit_that_the_repository_does_not_have_is_reported(job: ToyBuild) -> None:
    source = {**job.repository(), "commit": "f" * 40}
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-UNREACHABLE.*ffffffff"):
        job.run(source)


def test_an_archive_that_would_leave_its_folder_is_refused(tmp_path: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python does not look")
    path = tmp_path / "a.tar"
    (tmp_path / "x").write_text("x")
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "x", "../../escaped")
    (tmp_path / "to").mkdir()
    with pytest.raises(JobFailed, match="THOR-SOURCE-CHECKSUM"):
        sources.unpack(path, tmp_path / "to", "")
