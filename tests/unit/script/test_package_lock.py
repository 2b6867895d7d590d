# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""script/lock --packages with the real uv and an index on this machine: what a lock has, and when none is made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import cuda_compiler
import package_index
import package_lock
import pytest
import scripts
import toy_environment
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import Package, parse
from package_index import PackageIndex

lock = scripts.load("lock")
NEW, OLD = "cp312-cp312-manylinux_2_34_aarch64", "cp312-cp312-manylinux2014_aarch64.manylinux_2_17_aarch64"
FILES = [NEW, OLD, "cp313-cp313-manylinux_2_34_aarch64", "cp311-cp311-manylinux_2_34_x86_64", "py3-none-any"]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """An index with an engine 1.0 and a library in wheels for several platforms; uv knows no other index."""
    for name in list(os.environ):
        if name.startswith("UV_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{Path(toy_environment.real_uv()).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with package_index.serving() as made:
        monkeypatch.setenv("UV_DEFAULT_INDEX", made.simple)
        needs = 'Requires-Dist: toy-library>=2\nProvides-Extra: audio\nRequires-Dist: toy-audio; extra == "audio"\n'
        made.add(package_index.wheel("toy-engine", "1.0", {"toy.py": b""}, metadata=needs))
        made.add(package_index.wheel("toy-audio", "3.1", {"audio.py": b""}))
        for tag in FILES:
            made.add(package_index.wheel("toy-library", "2.0", {"library.py": tag.encode()}, tag=tag))
        yield made


@pytest.fixture
def run(index: PackageIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Makes a lock of the engine in ``folder``."""
    return Run(index, tmp_path / "locks", capsys)


class Run:
    """One call of the script: its exit status, and what it wrote."""

    def __init__(self, index: PackageIndex, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.index = index
        self.folder = folder
        self.capsys = capsys

    def __call__(self, *arguments: str, packages: str = "toy-engine==1.0") -> int:
        status: int = lock.main(["--packages", packages, "--output", str(self.folder), *arguments])
        captured = self.capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return status

    def text(self, name: str = "toy-engine-1.0-cp312-aarch64.txt") -> str:
        return (self.folder / name).read_text()

    def refused(self, *arguments: str, packages: str = "toy-engine==1.0") -> str:
        """The reason why no lock was made."""
        assert self(*arguments, packages=packages) == 3
        assert not self.folder.exists()
        assert self.err.startswith("script/lock: ")
        return self.err


def sha256(index: PackageIndex, file: str) -> str:
    return hashlib.sha256(index.files[file]).hexdigest()


def package(index: PackageIndex, file: str) -> Package:
    name, version = file.removesuffix(".tar.gz").split("-")[:2]
    return Package(name.replace("_", "-"), version, sha256(index, file), len(index.files[file]))


def test_a_lock_has_the_one_hash_of_each_wheel_that_fits(run: Run) -> None:
    assert run("--python", "3.12", packages="toy-engine[audio]==1.0") == 0
    found = parse(run.text())
    files = ["toy_audio-3.1-py3-none-any.whl", "toy_engine-1.0-py3-none-any.whl", f"toy_library-2.0-{NEW}.whl"]
    assert found.packages == tuple(package(run.index, file) for file in files)
    assert found.bytes == sum(len(run.index.files[file]) for file in files)
    assert (found.requirement, found.python, found.machine, found.glibc) == (
        "toy-engine[audio]==1.0",
        "3.12",
        "aarch64",
        "2.39",
    )
    assert (found.source_only, found.build) == ((), ())
    assert "#   script/lock --packages 'toy-engine[audio]==1.0' --python 3.12 --machine aarch64\n" in run.text()
    assert run.index.url not in run.text()
    assert run("--python", "3.12", packages="toy-engine[audio]==1.0") == 0
    assert run.out == ""


@pytest.mark.parametrize(
    ("python", "machine", "tag"),
    [
        ("3.13", "aarch64", FILES[2]),
        ("3.11", "x86_64", FILES[3]),
        ("3.11", "aarch64", "py3-none-any"),
        ("3.12", "x86_64", "py3-none-any"),
    ],
)
def test_the_platform_decides_about_the_wheel(run: Run, python: str, machine: str, tag: str) -> None:
    assert run("--python", python, "--machine", machine) == 0
    name = f"toy-engine-1.0-cp{python.replace('.', '')}-{machine}.txt"
    assert package(run.index, f"toy_library-2.0-{tag}.whl") in parse(run.text(name)).packages


def test_a_check_writes_nothing(run: Run) -> None:
    assert run("--check") == 1
    assert "+# requirement: toy-engine==1.0\n" in run.out
    assert not run.folder.exists()
    assert run() == 0
    assert run("--check") == 0
    run.index.add(package_index.wheel("toy-library", "2.1", {"library.py": b""}))
    assert run("--check") == 1
    assert "toy-library==2.1" in run.out
    assert "toy-library==2.1" not in run.text()


def test_packages_can_be_added_and_left_out(run: Run) -> None:
    assert run("--with", "toy-audio<4", "--without", "toy-library") == 0
    assert list(parse(run.text()).versions) == ["toy-audio", "toy-engine"]
    assert "--with 'toy-audio<4' --without toy-library --python" in run.text()


def test_one_more_index_comes_before_the_others_and_is_not_recorded(run: Run) -> None:
    with package_index.serving() as own:
        own.password = "secret"
        own.add(package_index.wheel("toy-library", "2.0", {"library.py": b"our own"}))
        url = own.simple.replace("http://", "http://thor:secret@")
        assert run("--extra-index", url) == 0
        assert package(own, "toy_library-2.0-py3-none-any.whl") in parse(run.text()).packages
        assert "secret" not in run.text() + run.out + run.err


def test_a_package_without_wheels_is_built_where_that_is_accepted(run: Run) -> None:
    run.index.files = {name: data for name, data in run.index.files.items() if not name.startswith("toy_library")}
    run.index.add(package_index.source_distribution("toy_library", "2.0", "toy_backend"))
    run.index.add(package_index.wheel("toy-backend", "5.0", {"toy_backend.py": b""}))
    reason = run.refused()
    assert "Accept that it is built from source on the device (--no-binary toy-library)" in reason
    assert run("--no-binary", "toy_library") == 0
    found = parse(run.text())
    assert found.source_only == ("toy-library",)
    assert found.packages[1] == package(run.index, "toy_library-2.0.tar.gz")
    assert found.build == (package(run.index, "toy_backend-5.0-py3-none-any.whl"),)
    assert found.bytes == sum(one.bytes or 0 for one in (*found.packages, *found.build))


@pytest.mark.parametrize(
    ("tag", "metadata", "reason"),
    [
        ("cp312-cp312-manylinux_2_40_aarch64", "", "no wheels with a matching platform tag"),
        (
            "cp313-cp313-manylinux_2_34_aarch64",
            "",
            "only found wheels for `toy-library` (v9) with the following Python implementation tag",
        ),
        ("cp312-cp312-manylinux_2_34_x86_64", "", "no wheels with a matching platform tag"),
        ("py3-none-any", "Requires-Python: >=3.13\n", "toy-library==9 requires Python >=3.13"),
        (
            "py3-none-any",
            "Requires-Dist: other @ http://127.0.0.1/other-1-py3-none-any.whl\n",
            "An address has no hash on any index",
        ),
        ("py3-none-any", "Requires-Dist: other @ git+http://127.0.0.1/other\n", "An address has no hash on any index"),
    ],
)
def test_what_does_not_fit_the_platform_is_refused(run: Run, tag: str, metadata: str, reason: str) -> None:
    run.index.add(package_index.wheel("toy-library", "9", {"library.py": b""}, tag=tag, metadata=metadata))
    said = run.refused("--with", "toy-library==9")
    assert "toy-engine==1.0 has no lock for CPython 3.12 on aarch64 with glibc 2.39." in said
    assert reason in " ".join(said.split())


@pytest.mark.parametrize(
    ("packages", "arguments", "reason"),
    [
        ("toy-engine>=1.0", [], "not pinned to one version"),
        ("toy-engine==1.*", [], "not pinned to one version"),
        ("toy-engine", [], "not pinned to one version"),
        ("toy-engine @ http://127.0.0.1/toy-engine.whl", [], "an address has no hash"),
        ("toy-engine @ git+https://127.0.0.1/toy", [], "an address has no hash"),
        ("../toy-engine", [], "is not a requirement"),
        ("toy-engine==1.0", ["--with", "-e ."], "is not a requirement"),
        ("toy-engine==1.0", ["--python", "3.14"], "--python 3.14: no host has that Python"),
        ("toy-engine==1.0", ["--machine", "riscv64"], "--machine riscv64"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_before_anything_is_fetched(
    run: Run, packages: str, arguments: list[str], reason: str
) -> None:
    assert reason in run.refused(*arguments, packages=packages)
    assert run.index.requests == []


def test_a_yanked_wheel_is_refused(run: Run) -> None:
    run.index.yanked["toy_engine-1.0-py3-none-any.whl"] = "broken on Thor"
    reason = run.refused()
    assert "toy-engine==1.0 (reason: broken on Thor): withdrawn by its publisher (yanked)" in reason


def test_a_yanked_file_of_a_version_is_refused(run: Run) -> None:
    run.index.yanked[f"toy_library-2.0-{NEW}.whl"] = "wrong file"
    assert "toy-library==2.0 (reason: wrong file): withdrawn by its publisher (yanked)" in run.refused()
    del run.index.yanked[f"toy_library-2.0-{NEW}.whl"]
    run.index.yanked[f"toy_library-2.0-{OLD}.whl"] = "wrong file"
    assert run() == 0


@pytest.mark.parametrize("fault", ["down", "refuses", "another file"])
def test_an_index_that_cannot_be_read_is_no_refusal(run: Run, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: list[str] = []
    if fault == "down":
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    elif fault == "refuses":
        run.index.status = 500
    else:
        name, _data = package_index.source_distribution("toy_library", "9", "toy_backend")
        run.index.add(package_index.source_distribution("toy_library", "9", "toy_backend"))
        run.index.other[name] = package_index.source_distribution("toy_library", "9", "toy_backend", {"evil.py": ""})[1]
        arguments = ["--no-binary", "toy-library"]
    assert run(*arguments) == 2
    assert not run.folder.exists()
    assert "script/lock: uv could not resolve toy-engine==1.0" in run.err


@pytest.mark.parametrize(
    ("backend", "files", "reason"),
    [
        ("wheel_stub.buildapi", {}, "is a stub: building it with wheel_stub.buildapi fetches the real wheel"),
        (
            "toy_backend",
            {"setup.py": "import os, subprocess\n"},
            "setup.py imports subprocess: building it may use the network",
        ),
        ("toy_backend", {"setup.py": "from urllib.request import urlopen\n"}, "setup.py imports urllib.request"),
        ("toy_backend", {"setup.py": "def f():\n    from urllib import request\n"}, "setup.py imports urllib.request"),
        ("toy_backend", {"setup.py": "print 'old'\n"}, "setup.py cannot be parsed"),
    ],
)
def test_a_source_that_would_use_the_network_is_refused(
    run: Run, backend: str, files: dict[str, str], reason: str
) -> None:
    run.index.add(package_index.source_distribution("toy_library", "9", backend, files))
    assert reason in run.refused("--no-binary", "toy-library")


@pytest.fixture
def cuda(run: Run) -> Run:
    """The engine compiles CUDA: PyTorch's runtime is 13.0, and nothing but the newest compiler is asked for."""
    needs = "".join(f"Requires-Dist: {name}\n" for name in ("nvidia-cuda-nvcc", "nvidia-cuda-cccl>=13"))
    run.index.add(package_index.wheel("toy-library", "9", {}, metadata=f"{needs}Requires-Dist: toy-torch\n"))
    run.index.add(
        package_index.wheel("toy-torch", "1", {}, metadata="Requires-Dist: nvidia-cuda-runtime>=13.0,<13.1\n")
    )
    run.index.add(package_index.wheel("nvidia-cuda-runtime", "13.0.96", {}))
    for version in ("13.0.88", "13.5.37"):
        series = version.rpartition(".")[0]
        needs = f"Requires-Dist: nvidia-nvvm=={series}.*\nRequires-Dist: nvidia-cuda-crt=={series}.*\n"
        run.index.add(package_index.wheel("nvidia-cuda-nvcc", version, {}, metadata=needs))
        run.index.add(package_index.wheel("nvidia-nvvm", version, {}))
        run.index.add(package_index.wheel("nvidia-cuda-crt", version, {}))
    for version in ("13.0.85", "13.3.5.0.6"):
        run.index.add(package_index.wheel("nvidia-cuda-cccl", version, {}))
    return run


def test_the_cuda_compiler_has_the_version_of_the_runtime(cuda: Run) -> None:
    assert cuda() == 0
    assert {name: version for name, version in parse(cuda.text()).versions.items() if name.startswith("nvidia")} == {
        "nvidia-cuda-cccl": "13.0.85",
        "nvidia-cuda-crt": "13.0.88",
        "nvidia-cuda-nvcc": "13.0.88",
        "nvidia-cuda-runtime": "13.0.96",
        "nvidia-nvvm": "13.0.88",
    }
    held = "nvidia-cuda-cccl, nvidia-cuda-crt, nvidia-cuda-nvcc, nvidia-nvvm"
    assert f"# Held to 13.0, the version of nvidia-cuda-runtime: {held}.\n" in cuda.text()
    assert "script/lock --packages toy-engine==1.0 --python 3.12 --machine aarch64\n" in cuda.text()
    assert cuda("--check") == 0


def test_a_cuda_compiler_that_does_not_fit_the_runtime_is_refused(cuda: Run) -> None:
    del cuda.index.files["nvidia_nvvm-13.0.88-py3-none-any.whl"]
    reason = cuda.refused("--with", "toy-library==9")
    assert "nvidia-cuda-nvcc==13.5.37" in reason
    assert "nvidia-nvvm==13.5.37 cannot compile with nvidia-cuda-runtime==13.0.96" in reason
    assert "those of 13.0 do not resolve" in reason


def test_a_folder_with_a_cuda_compiler_that_does_not_fit_is_reported(
    cuda: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cuda() == 0
    assert package_lock.problems(cuda.folder, {}) == []
    monkeypatch.setattr(cuda_compiler, "misfits", lambda _versions: [])
    for name in [name for name in cuda.index.files if "13.0.8" in name]:
        del cuda.index.files[name]
    assert cuda() == 0
    monkeypatch.undo()
    (problem,) = package_lock.problems(cuda.folder, {})
    assert "nvidia-nvvm==13.5.37 cannot compile with its nvidia-cuda-runtime: lock it again" in problem
