# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services in containers that die in every way we know: they recover without help, and nothing is left behind.

They need a host as the scenario containers leaves it (THOR_FAULTS_HOST, see tests/support/sandbox_device.py), with Docker and an image that
has a Python. The stand-in engine runs in that image, from /models, beside the services of the inventory.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from power_cut import container_of, docker
from sandbox_device import HOST, ROOT, Device, Service, eventually, play, stand_in

PLAYBOOK = ROOT / "tests" / "integration" / "container_faults" / "container_serving.yml"
NAME = "fault-box"
UNIT = f"thor-{NAME}.service"
CONTAINER = f"thor-{NAME}"
PORT = 18201
STOP_TIMEOUT = 12  # seconds
BACK = 90.0  # seconds until a service answers again: systemd waits 5 to 60 s, dockerd has to come up


class Box(Device):
    """The host, with questions about containers."""

    def __init__(self) -> None:
        super().__init__()
        self.image = self.python_image()
        self.others = [name for name in self.containers() if not name.startswith("thor-fault-")]

    def python_image(self) -> dict[str, Any]:
        """An image with Python, as the fields of a service name it; under an NGC name if there is one."""
        lines = self.host.run("docker image ls --digests --format '{{.Repository}} {{.Tag}} {{.Digest}}'").stdout
        rows = sorted((line.split() for line in lines.splitlines()), key=lambda row: "/nvidia/" not in row[0])
        for repository, tag, digest in rows:
            known = digest.startswith("sha256:")
            reference = f"{repository}@{digest}" if known else f"{repository}:{tag}"
            if self.host.run(f"docker run --rm --network=none --entrypoint=python3 {reference} -V").rc == 0:
                return {"image": f"{repository}:{tag}", "image_digest": digest if known else None}
        pytest.fail(f"{HOST} has no Docker, or no image with a Python")

    def containers(self) -> list[str]:
        """Names of all containers, running or not."""
        return self.run("docker ps --all --format '{{.Names}}'").split()

    def inspect(self) -> dict[str, Any]:
        """What dockerd reports about the stand-in's container."""
        found: list[dict[str, Any]] = json.loads(self.run(f"docker inspect {CONTAINER}"))
        return found[0]

    def engine(self, name: str = NAME) -> int:
        """Process id of the engine itself, the child of the container's init; 0 if there is none."""
        init = self.host.run(f"docker inspect --format '{{{{.State.Pid}}}}' thor-{name}").stdout.strip()
        children = (
            self.host.run(f"cat /proc/{init}/task/{init}/children").stdout.split() if init not in ("", "0") else []
        )
        return int(children[0]) if children else 0

    def client(self) -> int:
        """Process id of docker's client, the child of the supervisor."""
        return Device.engine(self, NAME)

    def started(self) -> str:
        """Identifies one life of the container."""
        done = self.host.run(f"docker inspect --format '{{{{.Id}}}}' {CONTAINER}")
        return str(done.stdout).strip() if done.rc == 0 else ""

    def whole(self) -> bool:
        """Whether the service answers, systemd knows it, and it has exactly one container."""
        up = self.host.run(f"systemctl is-active {UNIT}").stdout.strip() == "active"
        return up and self.answers(PORT) and sorted(self.containers()) == sorted([*self.others, CONTAINER])

    def reachable(self) -> bool:
        """Whether a login works; testinfra raises an error if ssh itself fails."""
        try:
            return bool(self.host.run("systemctl is-system-running").stdout.strip() in ("running", "degraded"))
        except RuntimeError:
            return False

    def inside(self, path: str) -> str:
        """The path of a file in the container, as the host sees it."""
        return f"/proc/{self.engine()}/root{path}"

    def comes_back(self, before: str) -> None:
        """Wait until the service is complete again, in another container than ``before``."""
        eventually(lambda: self.started() not in ("", before) and self.whole(), BACK)


def box_service(box: Box, *arguments: str, mode: str = "ok", **fields: Any) -> Service:
    """A resolved service of kind container whose engine is the stand-in."""
    service = stand_in(NAME, PORT, *arguments, mode=mode, kind="image", **box.image)
    argv = ["python3", "/models/thor-faults/stand-in-engine", *service["argv"][1:]]
    return {**service, "argv": argv, "memory": None, "generation_config": None, **fields}


def run(*services: Service, **variables: Any) -> tuple[int, str]:
    """Run the playbook with these stand-ins in addition to the inventory's services."""
    status, output = play(*services, playbook=PLAYBOOK, serving_stop_timeout=STOP_TIMEOUT, **variables)
    return status, " ".join(output.split())


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """The host; its stand-in is removed at the end."""
    box = Box()
    yield box
    status, output = run(serving_liveness_interval=60, serving_liveness_timeout=60)
    assert status == 0, output
    assert CONTAINER not in box.containers()
    box.run(f"docker volume rm {CONTAINER}-cache && rm -r /models/thor-faults")


SERVED: list[Service] = []


@pytest.fixture
def served(box: Box) -> Box:
    """The host with the plain stand-in serving; the playbook runs only if it is not."""
    plain = box_service(box)
    if [plain] != SERVED:
        SERVED[:] = []
        status, output = run(plain)
        assert status == 0, output
        SERVED[:] = [plain]
    # A test that failed may have left it stopped.
    box.run(f"systemctl start --no-block {UNIT}")
    eventually(box.whole, BACK)
    box.run(f"systemctl reset-failed {UNIT}")  # each failure doubles the delay before the next start
    return box


def test_the_container_has_no_privilege(served: Box) -> None:
    found = served.inspect()
    settings = found["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]
    assert not settings["CapAdd"]
    assert settings["Privileged"] is False
    assert settings["SecurityOpt"] == ["no-new-privileges"]
    assert settings["IpcMode"] == "private"
    assert settings["ShmSize"] == 8 << 30
    assert settings["PidMode"] == ""
    assert settings["NetworkMode"] == "host"
    assert settings["Runtime"] == "nvidia"
    assert settings["RestartPolicy"]["Name"] in ("", "no")
    assert settings["AutoRemove"] is True
    assert settings["OomScoreAdj"] == 900
    assert settings["ReadonlyRootfs"] is False
    assert not settings["Devices"]
    if served.image["image_digest"]:
        assert found["Config"]["Image"].endswith(f"@{served.image['image_digest']}")
    mounts = {one["Destination"]: (one["Type"], one["RW"]) for one in found["Mounts"]}
    assert mounts == {"/models": ("bind", False), "/root/.cache": ("volume", True)}
    status = served.run(f"cat /proc/{served.engine()}/status")
    assert re.findall(r"^Cap(?:Prm|Eff|Bnd|Amb):\s+(\S+)$", status, re.MULTILINE) == ["0" * 16] * 4
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert served.run(f"cat /proc/{served.engine()}/oom_score_adj") == "900"


def test_the_unit_is_valid_and_only_it_may_talk_to_docker(served: Box) -> None:
    assert served.run(f"systemd-analyze verify /etc/systemd/system/{UNIT} 2>&1") == ""
    exposure = json.loads(served.run(f"systemd-analyze security --no-pager --json=short {UNIT}"))
    assert sum(float(item["exposure"] or 0) for item in exposure) < 2.5
    assert "docker" not in served.run("id -nG thor").split()
    account = served.run(f"stat -c %u /proc/{served.show(UNIT, 'MainPID')}")
    assert account not in ("0", served.run("id -u thor"))


@pytest.mark.parametrize("victim", ["engine", "client", "supervisor", "dockerd", "supervisor and dockerd"])
def test_a_killed_process_comes_back_in_one_container(served: Box, victim: str) -> None:
    before, engine = served.started(), served.engine()
    pids = {
        "engine": [str(engine)],
        "client": [str(served.client())],
        "supervisor": [served.show(UNIT, "MainPID")],
        "dockerd": [served.show("docker.service", "MainPID")],
    }
    served.run(f"kill -KILL {' '.join(pid for name in victim.split(' and ') for pid in pids[name])}")
    served.comes_back(before)
    assert served.host.run(f"kill -0 {engine}").rc != 0


def test_it_comes_back_after_a_restart_of_docker(served: Box) -> None:
    before = served.started()
    served.run("systemctl restart docker.service")
    served.comes_back(before)


def test_it_comes_back_after_a_restart_of_the_host(served: Box) -> None:
    before, boot = served.started(), served.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")
    restart_host()
    eventually(served.reachable, BACK)
    assert served.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1") != boot
    served.comes_back(before)


def restart_host() -> None:
    """Power-cycle the host, which is a container on this machine."""
    words = [*docker(), "restart", "--time", "3", container_of(HOST)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)


def test_a_hanging_engine_is_restarted(served: Box) -> None:
    before, begin = served.started(), served.clock()
    served.run(f"kill -STOP {served.engine()}")
    served.comes_back(before)
    assert "THOR-ENGINE-HUNG" in served.journal(NAME, begin)


def test_a_stop_lets_a_running_answer_finish(served: Box) -> None:
    body = json.dumps({"model": "stand-in", "messages": [], "stream": True, "max_tokens": 6})
    url = f"http://127.0.0.1:{PORT}/v1/chat/completions"
    served.run(f"systemd-run --unit=fault-stream --remain-after-exit curl -sSN -d '{body}' {url}")
    time.sleep(2)
    begin = served.clock()
    served.run(f"systemctl stop {UNIT}")
    took = served.clock() - begin
    assert "data: [DONE]" in served.run("journalctl -u fault-stream.service -o cat --no-pager")
    served.run("systemctl stop fault-stream.service")
    assert took < STOP_TIMEOUT
    assert CONTAINER not in served.containers()
    served.run(f"systemctl start {UNIT}")


def test_a_stop_ends_a_hanging_engine(served: Box) -> None:
    served.run(f"kill -STOP {served.engine()}")
    begin = served.clock()
    served.run(f"systemctl stop {UNIT}")
    assert STOP_TIMEOUT - 3 < served.clock() - begin < STOP_TIMEOUT + 8
    assert CONTAINER not in served.containers()
    served.run(f"systemctl start {UNIT}")


def test_a_stale_container_of_ours_is_replaced_and_a_foreign_one_is_not(served: Box) -> None:
    served.run(f"systemctl stop {UNIT}")
    reference = served.image["image"]
    # Neither runs; a container that somebody else created is still theirs.
    served.run(f"docker create --name {CONTAINER} --network none {reference} true")
    try:
        begin = served.clock()
        assert served.host.run(f"timeout 20 systemctl start {UNIT}").rc != 0
        assert "THOR-CONTAINER-TAKEN" in served.journal(NAME, begin)
        assert CONTAINER in served.containers()
    finally:
        served.run(f"systemctl stop {UNIT}; docker rm {CONTAINER}")
    served.run(f"docker create --name {CONTAINER} --label thor.service={UNIT} --network none {reference} true")
    served.run(f"systemctl start {UNIT}")
    assert served.whole()


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        (
            {"image": "nvcr.io/nvidia/none:1", "image_digest": f"sha256:{'0' * 64}"},
            "THOR-CONTAINER-START",
            "No such image",
        ),
        ({"argv": ["no-such-engine"]}, "THOR-CONTAINER-START", "no-such-engine"),
        ({"mode": "die"}, "THOR-ENGINE-EXITED", "the engine ended with code 3"),
        (
            {"generation_config": {"path": "/models/thor-faults/none.json", "values": {"temperature": 1}}},
            "THOR-GENERATION-CONFIG",
            "No such file or directory",
        ),
    ],
)
def test_a_failed_start_says_why_and_is_rolled_back(served: Box, fields: dict[str, Any], code: str, words: str) -> None:
    fields = dict(fields)
    bad = box_service(served, "--changed", mode=fields.pop("mode", "ok"), **fields)
    status, output = run(bad)
    assert status != 0
    assert code in output
    assert words in output
    assert f"{UNIT} serves again as it did before" in output
    assert served.whole()


def test_sampling_values_override_the_models_own(box: Box) -> None:
    SERVED[:] = []
    path = "/models/thor-faults/model/generation_config.json"
    status, output = run(box_service(box, generation_config={"path": path, "values": {"temperature": 0.9}}))
    assert status == 0, output
    seen = json.loads(box.run(f"cat {box.inside(path)}"))
    assert seen == {"temperature": 0.9, "top_k": 20}
    assert json.loads(box.run(f"cat {path}")) == {"temperature": 0.6, "top_k": 20}
    mounts = {one["Destination"]: one["RW"] for one in box.inspect()["Mounts"]}
    assert mounts[path] is False


def test_the_share_of_free_memory_is_set_at_the_start(box: Box) -> None:
    SERVED[:] = []
    memory = {"option": "--mem-fraction-static", "of": "free", "budget_bytes": 1 << 30}
    begin = box.clock()
    status, output = run(box_service(box, "--mem-fraction-static", "0.008", memory=memory))
    assert status == 0, output
    journal = box.journal(NAME, begin)
    argv = json.loads(re.findall(r"^launched \S+ (.*)$", journal, re.MULTILINE)[-1])["argv"]
    told = re.findall(r"--mem-fraction-static 0\.008 -> (\S+): 1\.0 GiB of the (\S+) GiB that are free now", journal)[
        -1
    ]
    assert argv[argv.index("--mem-fraction-static") + 1] == told[0]
    assert float(told[0]) == pytest.approx(1 / float(told[1]), abs=0.01)


def test_compiled_kernels_survive_the_container(served: Box) -> None:
    served.run(f"echo kernel >{served.inside('/root/.cache/compiled')}")
    before = served.started()
    served.host.run(f"systemctl restart {UNIT}")
    served.comes_back(before)
    assert served.run(f"cat {served.inside('/root/.cache/compiled')}") == "kernel"
