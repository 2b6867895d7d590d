# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Each fault of an index, as the real uv meets it: one code each, with the package, the host and a way out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import package_index
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from toy_environment import ToyEnvironment

FILE = "toy_library-1.0-py3-none-any.whl"
DOWN = "127.0.0.1:PORT does not answer as an index should (attempt 2"
CUT = "the transfer of toy-library==1.0 from the package index was interrupted (attempt 2"
Fault = Callable[[ToyEnvironment], object]


def failed(toy: ToyEnvironment, **more: object) -> str:
    """The failure of the job, which leaves no environment."""
    with pytest.raises(JobFailed) as caught:
        toy.run(**more)
    assert not list((toy.folder / "engines/toy").glob("1.0*")), "nothing has got its final name"
    assert caught.value.extra["problems"][0]["code"] in str(caught.value)
    return str(caught.value)


def _cut(toy: ToyEnvironment) -> None:
    toy.index.cut[FILE] = 100_000


def _other(toy: ToyEnvironment) -> None:
    toy.index.other[FILE] = package_index.wheel("toy-library", "1.0", {"toy_library.py": b"evil"})[1]


def _foreign(toy: ToyEnvironment) -> None:
    toy.index.files["toy_library-1.0-cp39-cp39-manylinux_2_28_riscv64.whl"] = toy.index.files.pop(FILE)


def _source(toy: ToyEnvironment) -> None:
    del toy.index.files[FILE]
    toy.add("toy-library", package_index.source_distribution("toy_library", "1.0", "toy_backend"))


def _no_zip(toy: ToyEnvironment) -> None:
    toy.add("toy-library", (FILE, b"not a wheel" * 100))


@pytest.mark.parametrize(
    ("fault", "code", "words", "requests"),
    [
        (_other, "THOR-PACKAGES-HASH", "toy-library==1.0 from the package index does not have the lock's SHA-256", 1),
        (lambda toy: toy.index.gone.add(FILE), "THOR-PACKAGES-MISSING", "127.0.0.1:PORT does not have toy-library==1.0", 1),
        (lambda toy: toy.index.files.pop(FILE), "THOR-PACKAGES-MISSING", "does not have toy-library", 0),
        (_foreign, "THOR-PACKAGES-PLATFORM", "the index has no wheel of toy-library==1.0 for this platform", 0),
        (_source, "THOR-PACKAGES-PLATFORM", "the index has no wheel of toy-library==1.0 for this platform", 0),
        (_cut, "THOR-PACKAGES-CUT", CUT, 4),  # uv itself asks twice
        (lambda toy: setattr(toy.index, "status", 500), "THOR-PACKAGES-INDEX", DOWN, 0),
        (lambda toy: setattr(toy.index, "status", 429), "THOR-PACKAGES-INDEX", DOWN, 0),
        (lambda toy: setattr(toy.index, "silent", True), "THOR-PACKAGES-INDEX", DOWN, 0),
        (lambda toy: setattr(toy.index, "status", 403), "THOR-PACKAGES-DENIED", "127.0.0.1:PORT denies access", 0),
        (lambda toy: setattr(toy.index, "password", "s3cret"), "THOR-PACKAGES-DENIED", "127.0.0.1:PORT denies access", 0),
        (_no_zip, "THOR-PACKAGES-FAILED", "for an unknown reason, so it was not tried again; the installer says", 1),
    ],
)  # fmt: skip
def test_a_fault_of_the_index(toy: ToyEnvironment, fault: Fault, code: str, words: str, requests: int) -> None:
    fault(toy)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", failed(toy))
    assert text.startswith(f"{code}: thor_services[toy 1.0].packages: ") and words in text
    # The attempt in which the other package has arrived does not count, and that may be the first or the second.
    more = 2 if code == "THOR-PACKAGES-CUT" else 0
    assert toy.index.requests.count(f"/files/{FILE}") in {requests, requests + more}


def test_a_slow_index_is_waited_for_while_it_sends(toy: ToyEnvironment) -> None:
    toy.index.pause = 0.15  # 19 blocks of the library: longer than the timeout of conftest.py, which is for silence
    begin = time.monotonic()
    assert toy.run()["path"] and time.monotonic() - begin > 2
    assert toy.index.requests.count(f"/files/{FILE}") == 1


def test_an_index_that_cuts_for_a_while_is_enough(toy: ToyEnvironment) -> None:
    _cut(toy)
    toy.index.cuts = 1
    assert toy.run()["path"]


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("http://127.0.0.1:9/simple", "THOR-PACKAGES-INDEX", "127.0.0.1:9 does not answer as an index should"),
        ("http://no-such-host.invalid/simple", "THOR-PACKAGES-INDEX", "no-such-host.invalid does not answer as an index should"),
        ("https://127.0.0.1:PORT/simple", "THOR-PACKAGES-INDEX", "a TLS connection to 127.0.0.1:PORT is not possible"),
    ],
)  # fmt: skip
def test_no_index_at_an_address(toy: ToyEnvironment, address: str, code: str, words: str) -> None:
    port = toy.index.url.rpartition(":")[2]
    text = failed(toy, pip_arguments=f"--index-url {address.replace('PORT', port)}")
    assert text.startswith(f"{code}: ") and words.replace("PORT", port) in text


def test_a_folder_of_wheels_is_enough(toy: ToyEnvironment) -> None:
    wheels = toy.folder / "wheels"
    wheels.mkdir()
    for name, data in toy.index.files.items():
        (wheels / name).write_bytes(data)
    toy.run(pip_arguments=f"--no-index --find-links {wheels}")
    assert not toy.index.requests
    (wheels / FILE).unlink()
    (toy.folder / "engines").rename(toy.folder / "before")
    text = failed(toy, pip_arguments=f"--no-index --find-links {wheels}")
    assert text.startswith("THOR-PACKAGES-MISSING: ") and "toy-library" in text
    text = failed(toy, pip_arguments=f"--no-index --find-links {toy.folder}/no")
    assert text.startswith("THOR-PACKAGES-MISSING: ") and "Failed to read" in text


def test_of_several_indexes_the_one_with_the_locked_file_counts(toy: ToyEnvironment) -> None:
    with package_index.serving() as other:
        other.add((FILE, package_index.wheel("toy-library", "1.0", {"other.py": b""})[1]))
        toy.run(pip_arguments=f"--index-url {toy.index.simple} --extra-index-url {other.simple}")
        assert f"/files/{FILE}" not in other.requests, "the lock was made from the default index"
        shutil.rmtree(toy.folder / "engines")
        toy.run(pip_arguments=f"--index-url {other.simple} --extra-index-url {toy.index.simple}")
        assert f"/files/{FILE}" in other.requests
        shutil.rmtree(toy.folder / "engines")
        _other(toy)
        text = failed(toy, pip_arguments=f"--index-url {other.simple} --extra-index-url {toy.index.simple}")
        assert text.startswith("THOR-PACKAGES-HASH: ")


def test_a_proxy_that_is_down(toy: ToyEnvironment) -> None:
    text = failed(toy, pip_arguments="--index-url http://index.example.org/simple --proxy 127.0.0.1:9")
    assert text.startswith("THOR-PACKAGES-INDEX: ") and "index.example.org" in text and not toy.index.requests


def test_passwords_are_used_and_never_shown(
    toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    start: Any = subprocess.Popen

    def popen(command: list[object], **more: object) -> object:
        seen.append(" ".join(map(str, command)))
        return start(command, **more)

    monkeypatch.setattr(subprocess, "Popen", popen)
    toy.index.password = "s3cret/word"
    address = toy.index.simple.replace("http://", "http://thor:s3cret%2Fword@")
    result = toy.run(pip_arguments=f"--index-url {address}")
    wrong = failed_again(toy, address.replace("s3cret", "wr0ng"))
    assert wrong.startswith("THOR-PACKAGES-DENIED: ")
    said = json.dumps(result) + wrong + "".join(capfd.readouterr()) + "\n".join(seen)
    assert "s3cret" not in said and "wr0ng" not in said
    assert len(seen) >= 4, "uv ran"
    written = [path.read_text(errors="replace") for path in (toy.folder / "engines").rglob("*") if path.is_file()]
    assert not any("s3cret" in text for text in written)


def failed_again(toy: ToyEnvironment, address: str) -> str:
    """The failure of a second installation."""
    (toy.folder / "engines").rename(toy.folder / "before")
    return failed(toy, pip_arguments=f"--index-url {address}")


def test_arguments_that_cannot_be_translated(toy: ToyEnvironment) -> None:
    text = failed(toy, pip_arguments="--pre")
    assert text.startswith("THOR-PACKAGES-ARGUMENTS: ") and "--pre has no equivalent" in text
