# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""uv itself, and where it gets packages from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import package_index
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import errors, uv
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter
from forward_proxy import ForwardProxy
from toy_environment import ToyEnvironment


def test_pips_own_index_is_known(toy: ToyEnvironment) -> None:
    program = f'#!/bin/sh\n[ "$1" != -c ] || exec {sys.executable} "$@"\n'
    (toy.folder / "uv/bin/python").write_text(program)
    spec = toy.spec(pip_arguments="--extra-index-url http://index.example.org/simple")
    found = uv.provide(spec, Reporter(toy.folder))
    assert found.default and found.default.startswith("https://") and found.default.endswith("/simple")
    assert found.for_uv()["UV_INDEX"] == f"{found.default} http://index.example.org/simple"
    assert found.for_uv(extra_first=True)["UV_INDEX"] == "http://index.example.org/simple"


def test_netrc_has_the_password(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.index.password = "s3cret"
    (toy.folder / ".netrc").write_text("machine 127.0.0.1 login thor password s3cret\n")
    monkeypatch.setattr(uv, "base_environment", lambda base=uv.base_environment: {**base(), "HOME": str(toy.folder)})
    toy.run()


def test_the_hosts_configuration_of_pip_counts(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = toy.folder / "pip.conf"
    configuration.write_text(f"[global]\nindex-url = {toy.index.simple}\ntimeout = 3\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    toy.run(pip_arguments="")
    assert "/simple/toy/" in toy.index.requests


@pytest.mark.parametrize("said_by", ["thor_proxy", "--proxy"])
def test_a_proxy_brings_everything(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch, said_by: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")  # the job changes its own environment; all of it is put back
        monkeypatch.delenv(name)
    place = f"--index-url {toy.index.simple.replace('127.0.0.1', 'index.nowhere.test')}"
    with ForwardProxy("me:s3cret") as proxy:
        if said_by == "--proxy":
            toy.run(pip_arguments=f"{place} --proxy {proxy.address}")
        else:
            toy.run(pip_arguments=place, environment={"http_proxy": proxy.address})
    fetched = [line for line in proxy.passed if line.startswith("GET ") and ".whl" in line]
    assert len(fetched) >= 2 and all("//index.nowhere.test:" in line for line in fetched)
    assert len(toy.index.requests) == len([line for line in proxy.passed if not line.endswith(" refused")])


def test_uv_itself_is_installed_by_hash(toy: ToyEnvironment, tmp_path: Path) -> None:
    script = "#!/bin/sh\necho uv 7.7\n"
    name, data = package_index.wheel("uv", "7.7", {"uv-7.7.data/scripts/uv": script.encode()})
    digest = toy.index.add((name, data))
    spec = {
        **toy.spec(),
        "uv_home": str(tmp_path / "venv/uv"),
        "uv": f"# pinned\nuv==7.7 \\\n    --hash=sha256:{digest}\n",
    }

    report = Reporter(tmp_path)
    uv.provide(spec, report)
    home = Path(spec["uv_home"])
    assert subprocess.check_output([home / "bin/uv"], text=True) == "uv 7.7\n"
    assert uv.is_installed(home, spec["uv"]) and not uv.is_installed(home, spec["uv"] + "x")
    assert [path.name for path in home.parent.iterdir()] == ["uv"]
    toy.index.requests.clear()
    uv.provide(spec, report)
    assert not toy.index.requests
    with pytest.raises(Exception, match=r"THOR-PACKAGES-HASH: .*uv==7\.7"):
        uv.provide({**spec, "uv": f"uv==7.7 --hash=sha256:{'0' * 64}\n"}, report)
    with pytest.raises(Exception, match=r"THOR-LOCK-INVALID: .*uv"):
        uv.provide({**spec, "uv": "uv==7.7\n"}, report)
    assert uv.is_installed(home, spec["uv"]), "the old one stays"


def test_a_host_that_cannot_make_virtual_environments_is_named(toy: ToyEnvironment) -> None:
    python = toy.folder / "python3"
    # The words of Debian's Python without python3-venv.
    words = "The virtual environment was not created successfully because ensurepip is not available."
    python.write_text(f"#!/bin/sh\necho '{words}'; exit 1\n")
    python.chmod(0o755)
    with pytest.raises(errors.PackagesError) as caught:
        uv.provide(toy.spec(python=str(python), uv_home=str(toy.folder / "other")), Reporter(toy.folder))
    problem = caught.value.problem
    assert problem.code == "THOR-PACKAGES-UV" and f"{python} -m venv: {words}" in problem.reason
    assert "apt-get install python3-venv" in problem.remedy and not (toy.folder / "other").exists()
