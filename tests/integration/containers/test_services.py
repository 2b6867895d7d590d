# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Two container engines and a native one answer side by side, each according to its profile.

The engines' images are stand-ins: they accept the flags that the real versions accept, and report in the field ``standin``
of an answer what is in effect.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

CONTAINERS = {"chat": 8000, "reasoning": 8001, "speech": 8003, "eyes": 8004}
CHATS = {"chat": 8000, "reasoning": 8001}
DERIVED = {"speech"}  # whose image lacks packages that it needs
QUESTION = {"messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 16}


def post(host: Any, port: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """JSON from a service, requested on the host itself."""
    command = f"curl -sS --fail --max-time 60 --json '{json.dumps(body)}' http://127.0.0.1:{port}{path}"
    answer: dict[str, Any] = json.loads(host.check_output(command))
    return answer


def inspect(host: Any, name: str) -> dict[str, Any]:
    """What Docker reports about the container of a service."""
    found: list[dict[str, Any]] = json.loads(host.check_output(f"docker inspect thor-{name}"))
    return found[0]


@pytest.mark.parametrize(("port", "model"), [(8000, "qwen3"), (8001, "qwen3"), (8002, "tiny")])
def test_each_answers_a_chat(host: Any, port: int, model: str) -> None:
    answer = post(host, port, "/v1/chat/completions", {"model": model, **QUESTION})
    assert answer["usage"]["completion_tokens"] > 0
    assert answer["model"] == model


def test_vllm_does_not_think_and_sglang_does(host: Any) -> None:
    answers = {
        port: post(host, port, "/v1/chat/completions", {"model": "qwen3", **QUESTION})["choices"][0]["message"][
            "content"
        ]
        for port in CHATS.values()
    }
    assert "<think>" not in answers[8000]
    assert "<think>" in answers[8001]


def test_the_profiles_sampling_values_take_effect_in_chat(host: Any) -> None:
    answer = post(host, 8000, "/v1/chat/completions", {"model": "qwen3", **QUESTION})
    sampling = answer["standin"]["sampling"]
    assert {key: sampling[key] for key in ("repetition_penalty", "temperature", "top_p")} == {
        "repetition_penalty": 1.2,
        "temperature": 0.8,
        "top_p": 0.95,
    }


def test_one_container_for_each_container_service_and_no_other(host: Any) -> None:
    names = host.check_output("docker ps --all --format '{{.Names}}'").split()
    assert sorted(names) == [f"thor-{name}" for name in sorted(CONTAINERS)]


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_image_is_pinned_by_digest(host: Any, name: str) -> None:
    image = inspect(host, name)["Config"]["Image"]
    assert image.startswith("sha256:") if name in DERIVED else "@sha256:" in image
    record = json.loads(host.file("/var/lib/thor/images.json").content_string)
    assert image.partition("@")[2] in json.dumps(record) if "@" in image else image in json.dumps(record)


def test_missing_packages_were_added_for_the_service_that_needs_them_and_for_no_other(host: Any) -> None:
    sound = "/root/speech.wav"
    host.check_output(f"head -c 32044 /dev/zero >{sound} && printf RIFF | dd of={sound} conv=notrunc status=none")
    form = f"-F file=@{sound} -F model=whisper -F response_format=json"
    answer = json.loads(host.check_output(f"curl -sS --fail {form} http://127.0.0.1:8003/v1/audio/transcriptions"))
    assert answer["text"] == "A stand-in has no ears: it heard a sound of 1.0 seconds."
    host.check_output(f"rm {sound}")
    listing = "docker image inspect --format '{{json .RootFS.Layers}}'"
    speech, eyes = (inspect(host, name)["Image"] for name in ("speech", "eyes"))
    layers = [json.loads(host.check_output(f"{listing} {image}")) for image in (speech, eyes)]
    assert layers[0][:-1] == layers[1], "one more layer, and nothing else has changed"


def test_a_derived_image_shows_nothing_of_how_it_was_built(host: Any) -> None:
    derived = inspect(host, "speech")["Image"]
    base, made = (
        json.loads(host.check_output(f"docker image inspect {name}"))[0]["Config"]
        for name in (inspect(host, "chat")["Image"], derived)
    )
    # Indexes and proxies may contain passwords.
    assert made["Env"] == base["Env"]
    assert (made["Cmd"], made["Entrypoint"]) == (base["Cmd"], base["Entrypoint"])
    history = host.check_output(f"docker history --no-trunc {derived}")
    assert "importlib.metadata" in history, "what ran in it"
    assert "hub.test" not in history and "PIP_" not in history
    assert host.run("docker exec thor-speech python3 -c \"open('/thor-derive.json')\"").rc != 0


def test_a_remote_image_is_not_fetched_and_a_local_one_is_read(host: Any) -> None:
    def look(url: str) -> tuple[int, str]:
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"}]
        body = json.dumps({"model": "qwen3", "messages": [{"role": "user", "content": content}], "max_tokens": 4})
        command = f"curl -sS -w '\\n%{{http_code}}' --json '{body}' http://127.0.0.1:8004/v1/chat/completions"
        text, _, status = host.check_output(command).rpartition("\n")
        return int(status), text

    # The hub is there and would answer.
    host.check_output("curl -sS --fail -o /dev/null http://hub.test:8080/files/red.png")
    status, text = look("http://hub.test:8080/files/red.png")
    assert status == 500 and "Connection refused" in text
    host.check_output("touch /models/red.png")
    assert look("file:///models/red.png")[0] == 200
    host.check_output("rm /models/red.png")
    assert look("file:///etc/passwd")[0] == 400


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_no_privilege(host: Any, name: str) -> None:
    settings = inspect(host, name)["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]
    assert not settings["CapAdd"]
    assert settings["Privileged"] is False
    assert "no-new-privileges" in " ".join(settings["SecurityOpt"])
    assert not any("unconfined" in option for option in settings["SecurityOpt"])
    assert settings["IpcMode"] == "private"
    assert settings["PidMode"] == ""
    assert settings["Runtime"] == "nvidia"
    assert settings["RestartPolicy"]["Name"] in ("", "no")
    assert settings["ShmSize"] >= 1 << 30


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_process_in_a_container_has_no_capability(host: Any, name: str) -> None:
    pid = inspect(host, name)["State"]["Pid"]
    status = dict(
        line.split(":\t", 1) for line in host.file(f"/proc/{pid}/status").content_string.splitlines() if ":\t" in line
    )
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("name", CONTAINERS)
def test_only_models_are_mounted_and_they_are_read_only(host: Any, name: str) -> None:
    mounts = {one["Destination"]: one for one in inspect(host, name)["Mounts"]}
    assert mounts["/models"]["RW"] is False
    binds = [one for one in mounts.values() if one["Type"] == "bind"]
    assert all(one["RW"] is False for one in binds)
    assert not any("docker.sock" in one["Source"] for one in mounts.values())
    assert [one["Name"] for one in mounts.values() if one["Type"] == "volume"] == [f"thor-{name}-cache"]


@pytest.mark.parametrize("port", [*CONTAINERS.values(), 8002])
def test_it_listens_on_the_loopback_only(host: Any, port: int) -> None:
    listening = host.check_output(f"ss -Hltn sport = :{port}").split()
    assert [word for word in listening if word.endswith(f":{port}")] == [f"127.0.0.1:{port}"]


@pytest.mark.parametrize("name", [*CONTAINERS, "small"])
def test_the_exposure_of_the_unit_is_limited(host: Any, name: str) -> None:
    unit = f"thor-{name}.service"
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled
    result = host.run(f"systemd-analyze security --no-pager --threshold=30 {unit}")
    assert result.rc == 0, result.stdout.splitlines()[-1]


def test_each_engine_got_its_share_of_the_memory(host: Any) -> None:
    options = dict.fromkeys(CONTAINERS, "--gpu-memory-utilization") | {"reasoning": "--mem-fraction-static"}
    for name, option in options.items():
        argv = inspect(host, name)["Args"]
        assert 0 < float(argv[argv.index(option) + 1]) < 1


def test_only_the_supervisors_of_containers_may_use_docker(host: Any) -> None:
    docker = host.check_output("getent group docker | cut -d: -f3")
    accounts = set()
    for name in (*CONTAINERS, "small"):
        pid = host.check_output(f"systemctl show -P MainPID thor-{name}.service")
        account = host.check_output(f"stat -c %u /proc/{pid}")
        groups = host.check_output(f"sed -n 's/^Groups:\\t//p' /proc/{pid}/status").split()
        accounts.add(account)
        assert (docker in groups) == (name in CONTAINERS)
        ping = "curl -sS --fail --max-time 10 --unix-socket /run/docker.sock http://docker/_ping"
        answer = host.run(f"setpriv --reuid={account} --regid={account} --groups={','.join(groups)} {ping}")
        assert answer.succeeded == (name in CONTAINERS), answer.stderr
    assert len(accounts) == len(CONTAINERS) + 1
    assert not accounts & {"0", host.check_output("id -u thor")}
    assert "docker" not in host.check_output("id -nG thor").split()


def test_a_secret_reaches_the_container_but_no_command_line(host: Any) -> None:
    secret = "hf_known-to-everybody-0123456789"
    told = json.loads(host.check_output("docker inspect thor-chat"))[0]["Config"]
    assert f"HF_TOKEN={secret}" in told["Env"]
    assert "HF_TOKEN" not in " ".join(told["Cmd"])
    unit = host.file("/etc/systemd/system/thor-chat.service").content_string
    assert "--env=HF_TOKEN" in unit and secret not in unit
    assert secret not in host.check_output("ps -eo args")
