# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""script/wheels with the real pip, against a package index on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import package_index
import pytest
import scripts
from package_index import PackageIndex

wheels = scripts.load("wheels")
HEADER = """\
# requirement: boxed==1.0
# python: 3.12
# machine: aarch64
# glibc: 2.39
# packages: {count}
# bytes: 10
"""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PackageIndex]:
    """An index with an engine, a library for two machines, and the tools that install environments."""
    with package_index.serving() as served:
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
        tool = served.add(package_index.wheel("tool", "2.0", {"tool.py": b""}))
        (tmp_path / "uv.txt").write_text(f"tool==2.0 --hash=sha256:{tool}\n")
        monkeypatch.setattr(wheels, "TOOLS", tmp_path / "uv.txt")
        yield served


def native(index: PackageIndex, platform: str, content: bytes) -> str:
    """Publish a wheel of ``library`` for a platform; returns its sha256."""
    name, data = package_index.wheel("library", "1.0", {"library.so": content})
    return index.add((name.replace("none-any", f"none-{platform}"), data))


def lock(folder: Path, *lines: str, more: str = "") -> Path:
    path = folder / "boxed-1.0-cp312-aarch64.txt"
    packages = "".join(f"{line}\n" for line in lines)
    path.write_text(HEADER.format(count=len(lines)) + more + packages)
    return path


def run(index: PackageIndex, path: Path, folder: Path) -> int:
    status: int = wheels.main([str(path), str(folder), "--index-url", index.simple])
    return status


def test_the_folder_has_the_files_of_the_locks_platform_and_the_tools(
    index: PackageIndex, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    boxed = index.add(package_index.wheel("boxed", "1.0", {"boxed.py": b""}))
    ours = native(index, "manylinux_2_28_aarch64", b"arm")
    native(index, "manylinux_2_28_x86_64", b"intel")
    path = lock(tmp_path, f"boxed==1.0 --hash=sha256:{boxed}", f"library==1.0 --hash=sha256:{ours}")
    assert run(index, path, tmp_path / "wheels") == 0
    there = sorted(file.name for file in (tmp_path / "wheels").iterdir())
    assert there == [
        "boxed-1.0-py3-none-any.whl",
        "library-1.0-py3-none-manylinux_2_28_aarch64.whl",
        "tool-2.0-py3-none-any.whl",
    ]
    assert "has 3 files" in capfd.readouterr().out
    sent = index.sent
    assert run(index, path, tmp_path / "wheels") == 0 and index.sent == sent, "nothing is fetched twice"


def test_a_package_without_a_wheel_comes_as_source_with_what_builds_it(index: PackageIndex, tmp_path: Path) -> None:
    boxed = index.add(package_index.wheel("boxed", "1.0", {"boxed.py": b""}))
    backend = index.add(package_index.wheel("maker", "3.0", {"maker.py": BACKEND}))
    source = index.add(package_index.source_distribution("plain", "1.0", "maker"))
    path = lock(
        tmp_path,
        f"boxed==1.0 --hash=sha256:{boxed}",
        f"plain==1.0 --hash=sha256:{source}",
        more=f"# source_only: plain\n# build: maker==3.0 --hash=sha256:{backend}\n",
    )
    assert run(index, path, tmp_path / "wheels") == 0
    there = {file.name for file in (tmp_path / "wheels").iterdir()}
    assert {"plain-1.0.tar.gz", "maker-3.0-py3-none-any.whl"} <= there


BACKEND = b"""\
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    import os
    info = os.path.join(folder, "plain-1.0.dist-info")
    os.makedirs(info)
    with open(os.path.join(info, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: plain\\nVersion: 1.0\\n")
    return "plain-1.0.dist-info"


def build_wheel(*arguments, **options):
    raise NotImplementedError
"""


def test_tools_without_a_hash_are_refused(index: PackageIndex, tmp_path: Path) -> None:
    boxed = index.add(package_index.wheel("boxed", "1.0", {"boxed.py": b""}))
    wheels.TOOLS.write_text("tool==2.0\n")
    assert run(index, lock(tmp_path, f"boxed==1.0 --hash=sha256:{boxed}"), tmp_path / "wheels") == 1
    assert not list((tmp_path / "wheels").glob("tool-*"))


def test_another_file_than_the_locks_is_refused(index: PackageIndex, tmp_path: Path) -> None:
    index.add(package_index.wheel("boxed", "1.0", {"boxed.py": b""}))
    path = lock(tmp_path, f"boxed==1.0 --hash=sha256:{hashlib.sha256(b'other').hexdigest()}")
    assert run(index, path, tmp_path / "wheels") != 0
    assert not list((tmp_path / "wheels").glob("*.whl"))


def test_a_lock_that_was_edited_is_refused_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lock(tmp_path, "boxed==1.0")
    assert wheels.main([str(path), str(tmp_path / "wheels")]) == 2
    assert "line 7" in capsys.readouterr().err


def test_pip_is_told_every_platform_that_a_locks_glibc_accepts() -> None:
    older = wheels.parse(HEADER.format(count=1).replace("2.39", "2.31") + f"boxed==1.0 --hash=sha256:{'0' * 64}\n")
    told = wheels.target(older)
    assert told[:2] == ["--python-version", "3.12"]
    assert {"manylinux_2_17_aarch64", "manylinux_2_31_aarch64", "manylinux2014_aarch64", "linux_aarch64"} <= set(told)
    assert "manylinux_2_32_aarch64" not in told
