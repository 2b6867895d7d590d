# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The proxy of a site: its forms, its files, and that what fetches goes through it, with real clients and a double of the proxy."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs, proxy
from ansible_collections.jetson.thor.plugins.module_utils.models import parameters
from ansible_collections.jetson.thor.plugins.module_utils.proxy import Proxy
from forward_proxy import ForwardProxy

SITE = "http://proxy.example.org:3128"
SECRET = "http://me:pa%24s@proxy.example.org:3128"
LOGIN = "robot:hunter2"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(name="web")
def _web(tmp_path: Path) -> Iterator[int]:
    """The port of a web server with a folder, which only the proxy can reach by name."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web/small.txt").write_text("small", encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "web")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the tests stays as it was, and has no proxy."""
    monkeypatch.setattr(
        os, "environ", {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    )


def module(**given: Any) -> Any:
    """A module with this parameter ``proxy``."""
    return SimpleNamespace(params={"proxy": given})


@pytest.mark.parametrize("nothing", [None, "", {}, {"http": ""}, {"no_proxy": ["a.test"]}, 5, ["x"]])
def test_without_an_address_there_is_no_proxy(nothing: Any) -> None:
    assert not Proxy.of(nothing) and Proxy.of(nothing).as_dict() == {}
    assert (Proxy.of(nothing).environment(), Proxy.of(nothing).apt_conf(), Proxy.of(nothing).docker_env()) == (
        {},
        "",
        "",
    )


def test_an_address_is_for_http_and_https() -> None:
    both = Proxy.of(SITE)
    assert both.as_dict() == {"http": SITE, "https": SITE, "no_proxy": []}
    found = both.environment()
    assert {found[name] for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")} == {SITE}
    assert found["no_proxy"] == found["NO_PROXY"] == "localhost,127.0.0.1,::1"


def test_the_near_cache_is_reached_directly_and_one_scheme_may_be() -> None:
    one = Proxy.of({"https": SECRET, "no_proxy": ["cache.example.org", "localhost", ".lan"]})
    assert one.environment()["no_proxy"] == "localhost,127.0.0.1,::1,cache.example.org,.lan"
    assert "http_proxy" not in one.environment() and "Acquire::http::" not in one.apt_conf()
    assert f'Acquire::https::Proxy "{SECRET}";' in one.apt_conf()
    assert one.docker_env() == f'HTTPS_PROXY="{SECRET}"\nNO_PROXY="localhost,127.0.0.1,::1,cache.example.org,.lan"\n'


def test_a_module_adopts_it_in_place_of_what_the_environment_says() -> None:
    os.environ.update({"http_proxy": "http://old:1", "ALL_PROXY": "socks5://old:2", "NO_PROXY": "old.test"})
    proxy.adopt(module(https=SITE))
    seen = {name: value for name, value in os.environ.items() if "proxy" in name.lower()}
    assert seen == Proxy(https=SITE).environment()
    assert jobs.proxies() == seen, "a job's unit gets it from there"


def test_without_one_the_environment_stays_as_it_is() -> None:
    os.environ.update({"http_proxy": "http://old:1", "no_proxy": "old.test"})
    proxy.adopt(module())
    assert jobs.proxies() == {"http_proxy": "http://old:1", "no_proxy": "old.test"}


def test_the_jobs_of_the_model_store_get_it() -> None:
    proxy.adopt(module(http=SITE, https=SITE))
    asked = {"url": "http://a.test/x", "checksum": None, "file": "x", "max_bytes": None, "path": "/models/x"}
    same = {"staging": None, "verify_checksums": False, "retries": 1, "idle_timeout": 1, "timeout": 1}
    assert Proxy.of(SITE).environment().items() <= parameters.url_spec({**asked, **same})["environment"].items()


# --- The files ---


def test_a_file_is_roots_alone_and_goes_again(tmp_path: Path) -> None:
    path, text = tmp_path / "thor/proxy/apt.conf", Proxy.of(SECRET).apt_conf()
    assert not proxy.is_written(path, text) and proxy.is_written(path, "")
    proxy.write(path, text)
    assert proxy.is_written(path, text) and path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o644)
    assert not proxy.is_written(path, text), "everybody can read the password"
    proxy.write(path, text)
    assert proxy.is_written(path, text)
    proxy.write(path, "")
    assert not path.exists()


def test_the_observation_tells_whether_and_never_what(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(proxy, "APT", tmp_path / "thor/proxy/apt.conf")
    wanted = proxy.wanted("key", Proxy.of(SECRET))
    assert proxy.observe("", {}) == {"there": False, "apt": True, "docker": True}
    assert proxy.observe("key", wanted) == {"there": False, "apt": False, "docker": False}
    proxy.write(proxy.APT, Proxy.of(SECRET).apt_conf())
    running = [f"HTTP_PROXY={SECRET}", f"HTTPS_PROXY={SECRET}", "NO_PROXY=localhost,127.0.0.1,::1", "PATH=/bin", ""]
    seen = proxy.observe("key", wanted, running)
    assert seen == {"there": True, "apt": True, "docker": True}
    assert proxy.observe("key", proxy.wanted("key", Proxy.of(SITE)), running) == {
        "there": True,
        "apt": False,
        "docker": False,
    }, "another password"
    assert not any("pa%24s" in value for value in wanted.values())
    assert proxy.wanted("another key", Proxy.of(SECRET)) != wanted


# --- Real clients ---


def test_what_a_module_fetches_itself_goes_through(web: int) -> None:
    address = f"http://hub.nowhere.test:{web}/small.txt"
    with ForwardProxy(LOGIN) as site:
        proxy.adopt(module(http=site.address, https=site.address))
        assert urllib.request.build_opener().open(address, timeout=10).read() == b"small"
        assert site.passed == [f"GET {address}"]
        # A device's own services are never asked through it.
        assert urllib.request.build_opener().open(f"http://127.0.0.1:{web}/small.txt", timeout=10).read() == b"small"
        assert len(site.passed) == 1
    with ForwardProxy("other:login") as site:
        proxy.adopt(module(http=site.address.replace("login", "wrong")))
        with pytest.raises(urllib.error.HTTPError, match="407"):
            urllib.request.build_opener().open(address, timeout=10)
        assert site.passed == [f"GET {address} refused"]


def test_git_goes_through(web: int, tmp_path: Path) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
    source, bare = tmp_path / "source", tmp_path / "web/source.git"
    subprocess.run(["git", "init", "-q", source], check=True, env=environment)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", source, *author, "commit", "-q", "--allow-empty", "-m", "x"], check=True, env=environment
    )
    subprocess.run(["git", "clone", "-q", "--bare", source, bare], check=True, env=environment)
    subprocess.run(["git", "-C", bare, "update-server-info"], check=True, env=environment)
    with ForwardProxy(LOGIN) as site:
        through = {**environment, **Proxy.of(site.address).environment()}
        address = f"http://git.nowhere.test:{web}/source.git"
        subprocess.run(["git", "clone", "-q", address, tmp_path / "clone"], check=True, env=through, timeout=60)
        assert any(line.startswith(f"GET {address}/info/refs") for line in site.passed)


def test_pip_goes_through_and_the_near_cache_does_not(web: int) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--retries=0",
        "--timeout=5",
        "--dest=/nonexistent",
    ]
    name = "hub.nowhere.test"

    def ask(site: ForwardProxy, no_proxy: list[str]) -> list[str]:
        environment = {**os.environ, **Proxy.of({"http": site.address, "no_proxy": no_proxy}).environment()}
        options = [f"--index-url=http://{name}:{web}/", f"--trusted-host={name}", "small-package==1"]
        done = subprocess.run([*command, *options], env=environment, capture_output=True, check=False, timeout=60)
        assert done.returncode != 0, "there is no such package"
        return site.passed

    with ForwardProxy(LOGIN) as site:
        assert ask(site, []) == [f"GET http://{name}:{web}/small-package/"]
    with ForwardProxy(LOGIN) as site:
        assert ask(site, [name]) == []


def test_apt_reads_the_file_and_no_proxy_from_its_environment(web: int, tmp_path: Path) -> None:
    name = "deb.nowhere.test"
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] http://{name}:{web} ./\n", encoding="utf-8")
    for folder in ("lists/partial", "cache/archives/partial"):
        (tmp_path / folder).mkdir(parents=True)
    tmp_path.chmod(0o755)
    options = [f"-oDir::State::lists={tmp_path}/lists", f"-oDir::Cache={tmp_path}/cache", "-oAcquire::Retries=0"]
    options += [f"-oDir::Etc::sourcelist={tmp_path}/sources.list", "-oDir::Etc::sourceparts=/nonexistent"]
    # This machine may have a proxy of its own for apt, which would win.
    options += ["-oDir::Etc::main=/nonexistent", "-oDir::Etc::parts=/nonexistent", "-oAPT::Sandbox::User=root"]

    def update(site: ForwardProxy, **more: str) -> list[str]:
        config = tmp_path / "proxy/apt.conf"
        proxy.write(config, Proxy.of(site.address).apt_conf())
        environment = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C", **more}
        subprocess.run(["apt-get", "update", *options], env=environment, capture_output=True, check=False, timeout=60)
        return site.passed

    with ForwardProxy(LOGIN) as site:
        passed = update(site)
        assert passed and all(line.startswith(f"GET http://{name}:{web}/") and "refused" not in line for line in passed)
    with ForwardProxy(LOGIN) as site:
        assert update(site, no_proxy=Proxy(no_proxy=(name,)).direct) == []
