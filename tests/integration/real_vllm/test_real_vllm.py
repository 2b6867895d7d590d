# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real vLLM, on a CPU, in an image under NGC's path: through site.yml and the unit to an answer, and back after every death.

What the stand-ins of the other tests only imitate is real here: the parser, the chat template, the sampling defaults, the processes,
their start and their end. tests/integration/real_vllm/prepare creates image and model. The tests build on each other, in this order.
"""

from __future__ import annotations

import concurrent.futures
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.real_vllm import real_host
from tests.integration.real_vllm.real_host import ENDPOINT, START, UNIT, eventually
from tests.integration.real_vllm.tiny_qwen3 import ANSWER, FIRST_WORDS, REST

NAME = "thor10"
CONTAINER = "thor-chat"


class Box(real_host.Box):
    """The host, and its containers."""

    def inspect(self) -> dict[str, Any]:
        """What Docker reports about the container."""
        found: list[dict[str, Any]] = json.loads(self.run(f"docker inspect {CONTAINER}"))
        return found[0]

    def container(self) -> str:
        """Identifies one life of the container; empty if there is none."""
        done = self.host.run(f"docker inspect --format '{{{{.Id}}}}' {CONTAINER}")
        return str(done.stdout).strip() if done.rc == 0 else ""

    def inside(self, container: str, command: str) -> str:
        """Run a command that sees the container's files; docker exec needs cgroups that a nested Docker may lack."""
        return f"nsenter --mount --target $(docker inspect --format '{{{{.State.Pid}}}}' {container}) {command}"

    def containers(self) -> list[str]:
        """Names of all containers, running or not."""
        return self.run("docker ps --all --format '{{.Names}}'").split()

    def processes(self) -> dict[int, str]:
        """The container's processes: number on the host, and title."""
        rows = self.run(f"docker top {CONTAINER} -eo pid,args").splitlines()[1:]
        return {int(row.split(None, 1)[0]): row.split(None, 1)[1] for row in rows}

    def comes_back(self, before: str) -> float:
        """Wait until it answers in another container than ``before``; returns the seconds."""
        begin = time.monotonic()
        eventually(lambda: self.container() not in ("", before) and self.answers(), START)
        assert self.containers() == [CONTAINER]
        return time.monotonic() - begin


def play(playbook: str, **variables: Any) -> str:
    """Run a playbook for this host; its output."""
    return real_host.play(NAME, playbook, **variables)


@pytest.fixture(scope="module", name="box")
def _box(request: pytest.FixtureRequest) -> Iterator[Box]:
    for host in real_host.fresh(request, NAME):
        yield Box(host)


def test_site_provisions_a_fresh_host(box: Box) -> None:
    begin = time.monotonic()
    play("site.yml")
    seconds = real_host.first_answer(box, begin)
    assert box.answers()
    size = int(box.run("docker image inspect --format '{{.Size}}' $(docker image ls -q) | sort -n | tail -n 1"))
    real_host.note("image", seconds_to_first_answer=seconds, disk_mb=size / 1e6)


def test_a_second_run_changes_nothing(box: Box) -> None:
    before = box.container()
    assert re.search(rf"^{NAME} .* changed=0 .* failed=0 ", play("site.yml"), re.MULTILINE)
    assert box.container() == before


@pytest.mark.usefixtures("box")
def test_verify_passes_and_shows_the_service() -> None:
    assert re.search(
        rf"^ *chat +chat +ok +{re.escape(ENDPOINT)}/v1/chat/completions .* {re.escape(ANSWER)}$",
        play("playbooks/verify.yml"),
        re.MULTILINE,
    )


def test_it_is_the_real_vllm_of_the_image(box: Box) -> None:
    assert json.loads(box.run(f"curl -sS --fail {ENDPOINT}/version"))["version"].startswith("0.32.0")
    image = box.inspect()["Config"]["Image"]
    record = json.loads(box.run("cat /var/lib/thor/images.json"))
    assert re.search(r"/nvidia/vllm@(sha256:[0-9a-f]{64})$", image), image
    assert image.split("@")[1] in json.dumps(record)


def test_it_answers_under_its_name_without_thinking(box: Box) -> None:
    # The question asks for thinking in both ways that Qwen3 knows, but the template prevents it.
    answer = box.ask(chat_template_kwargs={"enable_thinking": True})
    message = answer["choices"][0]["message"]
    assert answer["model"] == "tiny"
    assert message["content"] == ANSWER
    assert not message.get("reasoning") and not message.get("reasoning_content")
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_the_profiles_sampling_values_are_in_force(box: Box) -> None:
    # The model's own top_k is 20; the profile's is 1, with which only the likeliest word begins the answer.
    (said,) = re.findall(r"Default vLLM sampling parameters have been overridden.*?(\{.*?\})", box.journal())
    assert json.loads(said.replace("'", '"')) == {
        "repetition_penalty": 1.2,
        "temperature": 0.8,
        "top_k": 1,
        "top_p": 0.95,
    }
    assert {box.ask()["choices"][0]["message"]["content"] for _ in range(8)} == {ANSWER}
    # A request's own value overrides it. It is practically impossible that 24 answers all begin with the same one of four words.
    others = {box.ask(top_k=20)["choices"][0]["message"]["content"] for _ in range(24)}
    assert len(others) > 1
    assert others <= {word + REST for word in FIRST_WORDS}


def test_its_metrics_change_as_the_catalog_expects(box: Box) -> None:
    match = re.compile(json.loads(box.run("cat /etc/thor/services/chat.json"))["progress"]["match"])
    before, _, after = (box.run(f"curl -sS {ENDPOINT}/metrics"), box.ask(), box.run(f"curl -sS {ENDPOINT}/metrics"))
    assert match.findall(before)
    assert match.findall(before) != match.findall(after)


def test_root_in_the_container_can_do_nothing(box: Box) -> None:
    settings = box.inspect()["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]
    assert not settings["CapAdd"]
    assert settings["Privileged"] is False
    assert "no-new-privileges" in " ".join(settings["SecurityOpt"])
    assert settings["IpcMode"] == "private"
    processes = box.processes()
    assert len(processes) >= 3, processes  # the server, the engine's core, a worker
    for number in processes:
        status = box.run(f"cat /proc/{number}/status")
        assert re.findall(r"^Cap(?:Prm|Eff|Bnd|Amb):\s+(\S+)$", status, re.MULTILINE) == ["0" * 16] * 4
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert "Read-only file system" in box.host.run(box.inside(CONTAINER, "touch /models/x")).stderr


def test_it_listens_on_the_loopback_only(box: Box) -> None:
    assert box.run("ss -Hltn sport = :8000 | awk '{print $4}'").split() == ["127.0.0.1:8000"]
    # Its processes talk to each other over their own ports, which are not more open.
    held = "|".join(f"pid={number}," for number in box.processes())
    wide = [line for line in box.run("ss -Hltnp").splitlines() if re.search(held, line)]
    assert wide
    assert not [line for line in wide if not re.search(r"^\S+\s+\S+\s+\S+\s+(127\.0\.0\.1|\[::1\]):", line)], wide


def test_a_stop_lets_it_finish_and_leaves_nothing_behind(box: Box) -> None:
    wanted = 2500  # tokens: some seconds
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(box.ask, ignore_eos=True, max_tokens=wanted)
        time.sleep(1.5)
        assert not answer.done()
        box.run(f"systemctl stop {UNIT}")
        assert answer.result()["usage"]["completion_tokens"] == wanted
    assert box.containers() == []
    assert box.run(f"systemctl show -P Result {UNIT}") == "success"


def test_it_starts_again_with_its_compiled_kernels(box: Box) -> None:
    kernels = f"find /var/lib/docker/volumes/{CONTAINER}-cache/_data -name '*.so' -o -name '*.cpp' | sort"
    before = box.run(kernels)
    assert before
    box.run(f"systemctl start {UNIT}")  # comes back when it has answered
    assert box.answers()
    assert set(before.split()) <= set(box.run(kernels).split())


def test_an_engine_that_loses_its_core_comes_back(box: Box) -> None:
    before = box.container()
    (core,) = [number for number, title in box.processes().items() if title.startswith("VLLM::EngineCore")]
    box.run(f"kill -9 {core}")
    print(f"back after {box.comes_back(before):.0f} s")
    assert box.ask()["choices"][0]["message"]["content"] == ANSWER


def test_it_comes_back_after_the_death_of_dockerd(box: Box) -> None:
    before = box.container()
    box.run("kill -9 $(systemctl show -P MainPID docker.service)")
    print(f"back after {box.comes_back(before):.0f} s")
    assert box.ask()["choices"][0]["message"]["content"] == ANSWER


# Speech, in place of the chat

SPEECH = [{"profile": "tiny-whisper-vllm", "name": "speech"}]


def test_an_image_without_audio_packages_is_refused_while_the_old_service_serves(box: Box) -> None:
    before = box.container()
    with pytest.raises(AssertionError, match="THOR-IMAGE-EXTRAS"):
        play("site.yml", thor_profiles=SPEECH, engine_image_derive=False)
    assert box.container() == before
    assert box.answers()


def test_missing_packages_are_added_and_real_speech_is_transcribed(box: Box) -> None:
    play("site.yml", thor_profiles=SPEECH)
    told = play("playbooks/verify.yml", thor_profiles=SPEECH)
    assert re.search(r"^ *speech +transcription +ok .*fellow Americans", told, re.MULTILINE), told
    assert box.containers() == ["thor-speech"]
    packages = box.run(box.inside("thor-speech", "/opt/vllm/bin/pip list --format freeze")).lower().split()
    assert {"av==18.1.0", "scipy==1.17.1", "soundfile==0.14.0", "soxr==1.1.0"} <= set(packages)


@pytest.mark.usefixtures("box")
def test_a_second_run_with_the_derived_image_changes_nothing() -> None:
    again = play("site.yml", thor_profiles=SPEECH)
    assert re.search(rf"^{NAME} .* changed=0 .* failed=0 ", again, re.MULTILINE)
