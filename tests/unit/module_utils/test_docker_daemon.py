# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What dockerd has to apply, what is refused before anything is written, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, docker_api, docker_daemon, proxy, systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed
from ansible_collections.jetson.thor.plugins.modules import docker_daemon as docker_daemon_module
from fake_dockerd import LABEL, Dockerd

RUNTIMES = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}}
INFO = {"Runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}, "Labels": [], "DefaultRuntime": "runc"}
VARIABLE = {daemon_json.NO_RAW: "1"}


class Host:
    """A host whose systemd and dockerd answer as a test says, and what was run on it."""

    def __init__(self, folder: Path, dockerd: Dockerd) -> None:
        self.file, self.drop_in = folder / "etc/daemon.json", folder / "etc/docker.service.d/jetson-thor.conf"
        self.file.parent.mkdir()
        self.dockerd = dockerd
        self.commands: list[list[str]] = []
        self.pid = 17
        self.refused = ""  # what dockerd --validate says
        self.fails = False  # dockerd does not start
        self.variables: list[str] = []  # of the running dockerd

    def run_command(self, argv: list[str]) -> tuple[int, str, str]:
        """Run a program."""
        self.commands.append(argv)
        if argv[1] == "--validate":
            return (1, "", self.refused) if self.refused else (0, "configuration OK", "")
        if argv[0] == "journalctl":
            return 0, "failed to start daemon: http://me:s3cret@proxy is wrong\n", ""
        started = argv[1] in {"restart", "start"}
        return (1, "", "Job for docker.service failed.") if self.fails and started else (0, "", "")

    def show(self, units: list[str], *_properties: str) -> dict[str, dict[str, str]]:
        """What systemd knows of dockerd."""
        return {units[0]: {"ActiveState": "active" if self.pid else "inactive", "MainPID": str(self.pid)}}

    def run(self, options: dict[str, Any], check_mode: bool = False, **more: Any) -> dict[str, Any]:
        """Run the module."""
        module: Any = SimpleNamespace(
            params={"options": options, "environment": None, "allow_restart": False, **more},
            check_mode=check_mode,
            run_command=self.run_command,
            get_bin_path=lambda name: f"/usr/bin/{name}",
        )
        return docker_daemon_module.run(module)

    def orders(self) -> list[str]:
        """The orders to systemd."""
        return [argv[1] for argv in self.commands if argv[0] == "systemctl"]


@pytest.fixture(name="host")
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with Dockerd(tmp_path / "docker.sock") as dockerd:
        dockerd.info = dict(INFO)
        host = Host(tmp_path, dockerd)
        monkeypatch.setattr(systemd, "observe", host.show)
        monkeypatch.setattr(daemon_json, "PATH", host.file)
        monkeypatch.setattr(docker_host, "DROP_IN", host.drop_in)
        monkeypatch.setattr(docker_host, "PENDING", tmp_path / "lib/pending.json")
        monkeypatch.setattr(docker_host, "environment", lambda _pid: {})
        monkeypatch.setattr(docker_host, "variables", lambda _pid: host.variables)
        monkeypatch.setattr(proxy, "DOCKER", tmp_path / "etc/thor/proxy/docker.env")
        monkeypatch.setattr(docker_daemon, "ANSWER_SECONDS", 0.5)
        monkeypatch.setattr(docker_daemon, "RELOAD_SECONDS", 0.5)
        api = docker_api.Docker
        monkeypatch.setattr(docker_api, "Docker", lambda: api(str(dockerd.path)))
        yield host


def test_a_configured_dockerd_is_left_alone(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    result = host.run(RUNTIMES)
    assert (result["changed"], result["action"], host.orders()) == (False, "none", [])


def test_keys_of_others_stay_and_a_reload_suffices(host: Host) -> None:
    host.file.write_text('{"labels": ["theirs"]}')
    host.file.chmod(0o600)
    host.dockerd.has("web")
    result = host.run(RUNTIMES)
    assert (result["changed"], result["action"], result["interrupted"]) == (True, "reload", [])
    assert json.loads(host.file.read_text()) == {"labels": ["theirs"], **RUNTIMES}
    assert host.orders() == ["reload"] and not docker_host.PENDING.exists()


def test_check_mode_shows_both_files_and_writes_nothing(host: Host) -> None:
    host.file.write_text('{"proxies": {"http-proxy": "http://me:s3cret@proxy"}}')
    result = host.run(RUNTIMES, check_mode=True, environment=VARIABLE, allow_restart=True)
    assert result["changed"] and "s3cret" not in json.dumps(result["diff"])
    assert "nvidia" in result["diff"][0]["after"] and daemon_json.NO_RAW in result["diff"][1]["after"]
    assert "nvidia" not in host.file.read_text() and not host.drop_in.exists() and host.orders() == []
    assert any("--validate" in argv for argv in host.commands), "dockerd checks the new file in check mode, too"


def test_a_restart_is_refused_while_containers_run(host: Host) -> None:
    host.dockerd.has("thor-chat", LABEL)
    with pytest.raises(Failed) as failure:
        host.run(RUNTIMES, environment=VARIABLE)
    text = str(failure.value)
    assert text.startswith("THOR-DOCKER-BUSY: ") and "thor-chat (thor-chat.service)" in text
    assert not host.file.exists() and not host.drop_in.exists() and host.orders() == []


def test_an_allowed_restart_sets_the_environment(host: Host) -> None:
    host.dockerd.has("thor-chat", LABEL)
    result = host.run(RUNTIMES, environment=VARIABLE, allow_restart=True)
    assert result["interrupted"] == ["thor-chat (thor-chat.service)"]
    assert f'Environment="{daemon_json.NO_RAW}=1"' in host.drop_in.read_text()
    assert host.orders() == ["daemon-reload", "reset-failed", "restart"]
    assert host.run(RUNTIMES, environment={}, allow_restart=True)["changed"] and not host.drop_in.exists()


def test_what_dockerd_does_not_accept_is_not_written(host: Host) -> None:
    host.refused = 'unable to configure the Docker daemon with file: unknown key "lables"'
    with pytest.raises(Failed, match=r"THOR-DOCKER-REFUSED: .*container_runtime_daemon_options.*lables"):
        host.run({"lables": ["a=b"]}, allow_restart=True)
    assert not host.file.exists()
    host.refused = "unknown flag: --validate"  # Docker 20.10
    assert host.run(RUNTIMES)["changed"] and host.file.exists()


@pytest.mark.parametrize("fails", [True, False])
def test_a_configuration_that_does_not_work_is_taken_back(host: Host, fails: bool) -> None:
    before = json.dumps({"labels": ["theirs"]})
    host.file.write_text(before)
    host.fails = fails
    options = {"data-root": "/nosuch"}  # without a failure, dockerd never applies it
    with pytest.raises(Failed) as failure:
        host.run(options, environment=VARIABLE)
    text = str(failure.value)
    assert text.startswith("THOR-DOCKER-FAILED: ") and "was put back" in text and "s3cret" not in text
    assert ("Job for docker.service failed" if fails else "has not applied data-root") in text
    assert host.file.read_text() == before and not host.drop_in.exists() and not docker_host.PENDING.exists()
    assert host.orders()[-2:] == ["reset-failed", "restart"]


def test_an_interrupted_run_is_finished(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    docker_host.PENDING.parent.mkdir()
    docker_host.PENDING.write_text(json.dumps({"action": "restart", "pid": 17, "keys": ["log-level"]}))
    result = host.run(RUNTIMES)
    assert (result["keys"], result["action"], host.orders()) == (["log-level"], "restart", ["reset-failed", "restart"])
    assert not docker_host.PENDING.exists()


def test_a_stopped_dockerd_is_started_and_not_asked(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    host.pid = 0
    assert host.run(RUNTIMES, check_mode=True)["action"] == "start"
    assert host.dockerd.asked == [], "a question would start it"


def test_a_broken_file_is_named_by_its_line(host: Host) -> None:
    host.file.write_text('{\n  "debug": false\n  "labels": []\n}')
    with pytest.raises(Failed, match=r"THOR-DAEMON-JSON: .*line 3, column 3"):
        host.run(RUNTIMES)


# --- The proxy of the site ---

SITE = {
    "http": "http://me:hunter2@proxy:3128",
    "https": "http://me:hunter2@proxy:3128",
    "no_proxy": ["cache.example.org"],
}


def test_dockerd_gets_the_proxy_from_a_file_of_roots(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    host.dockerd.has("thor-chat", LABEL)
    with pytest.raises(Failed, match="THOR-DOCKER-BUSY"):
        host.run(RUNTIMES, proxy=SITE)
    assert not proxy.DOCKER.exists() and not host.drop_in.exists()
    forecast = host.run(RUNTIMES, proxy=SITE, allow_restart=True, check_mode=True)
    assert (forecast["changed"], forecast["keys"], proxy.DOCKER.exists()) == (True, ["proxy"], False)
    result = host.run(RUNTIMES, proxy=SITE, allow_restart=True)
    assert (result["action"], host.orders()) == ("restart", ["daemon-reload", "reset-failed", "restart"])
    assert "hunter2" not in json.dumps(result) + host.drop_in.read_text(), "a unit is for everybody to read"
    assert f"EnvironmentFile=-{proxy.DOCKER}\n" in host.drop_in.read_text()
    text = proxy.DOCKER.read_text()
    assert 'HTTPS_PROXY="http://me:hunter2@proxy:3128"' in text and "127.0.0.1,::1,cache.example.org" in text
    assert proxy.DOCKER.stat().st_mode & 0o777 == 0o600
    assert json.loads(host.file.read_text()) == RUNTIMES, "a person's file stays as it is"


def test_a_dockerd_that_has_the_proxy_is_left_alone_until_its_password_changes(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    host.run(RUNTIMES, proxy=SITE)
    host.variables = [f"{name}={value}" for name, value in proxy.Proxy.of(SITE).environment().items()]
    assert host.run(RUNTIMES, proxy=SITE)["changed"] is False
    other = {**SITE, "http": "http://me:hunter3@proxy:3128"}
    assert (host.run(RUNTIMES, proxy=other, check_mode=True)["action"]) == "restart"


def test_the_proxy_goes_and_other_variables_stay(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    host.run(RUNTIMES, proxy=SITE, environment=VARIABLE)
    result = host.run(RUNTIMES)
    assert (result["action"], result["keys"]) == ("restart", ["proxy"])
    assert host.drop_in.read_text() == docker_daemon.drop_in_text(VARIABLE) and not proxy.DOCKER.exists()


@pytest.mark.parametrize("others", [[], ["theirs.conf"]])
def test_the_last_drop_in_takes_its_folder_along(host: Host, others: list[str]) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    host.run(RUNTIMES, proxy=SITE)
    for name in others:
        host.drop_in.with_name(name).write_text("[Service]\n")
    host.run(RUNTIMES)
    folder = host.drop_in.parent
    assert sorted(path.name for path in folder.glob("*")) == others and folder.exists() == bool(others)


def test_a_proxy_that_a_person_has_given_dockerd_stays(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    host.variables = ["HTTPS_PROXY=http://theirs:1"]
    assert host.run(RUNTIMES)["changed"] is False


def test_a_dockerd_that_does_not_start_with_the_proxy_has_none_again(host: Host) -> None:
    host.file.write_text(json.dumps(RUNTIMES))
    host.fails = True
    with pytest.raises(Failed, match="THOR-DOCKER-FAILED") as failure:
        host.run(RUNTIMES, proxy=SITE)
    assert not proxy.DOCKER.exists() and not host.drop_in.exists() and "hunter2" not in str(failure.value)
