# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""thor-serve without systemd, with stand-in engines; and the words of unit files."""

from __future__ import annotations

import fcntl
import importlib.machinery
import importlib.util
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.filter.systemd_argv import quote, systemd_argv
from ansible_collections.jetson.thor.plugins.module_utils import docker_api, files
from ansible_collections.jetson.thor.plugins.module_utils.clients import api
from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence
from container_helper import LABEL, Dockerd, docker_run

ROOT = Path(__file__).resolve().parents[3]
LOGS = ROOT / "tests/unit/module_utils/services/logs"
ENGINES = yaml.safe_load((ROOT / "roles/catalog/files/engines.yml").read_text(encoding="utf-8"))["engines"]
GPU = ENGINES["llama.cpp"]["gpu"]
STAND_IN = ROOT / "tests" / "integration" / "faults" / "stand-in-engine"


def load() -> Any:
    """thor-serve as a module; it imports what it takes along by bare names, as on a device."""
    sys.modules["api"] = api
    sys.modules["docker_api"] = docker_api
    sys.modules["gpu_evidence"] = gpu_evidence
    sys.modules["files"] = files
    path = str(ROOT / "roles" / "serving" / "files" / "thor-serve")
    loader = importlib.machinery.SourceFileLoader("thor_serve", path)
    spec = importlib.util.spec_from_loader("thor_serve", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True  # or it would leave thor-servec beside the script
serve = load()


class Table:
    """An engine as a table: what the page shows at each look, and what each request gets."""

    def __init__(self, pages: list[Any], requests: list[str]) -> None:
        self.pages = pages
        self.requests = requests
        self.asked = 0

    def look(self) -> Any:
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]

    def ask(self) -> None:
        self.asked += 1
        answer = self.requests.pop(0) if len(self.requests) > 1 else self.requests[0]
        if answer == "ok":
            return
        kind, _, status = answer.partition(" ")
        raise api.ProbeError(kind, answer, int(status) if status else None)


def rounds(pages: list[Any], requests: list[str], count: int) -> tuple[list[str], Any, Table]:
    table = Table(pages, requests)
    liveness = serve.Liveness(table.ask, table.look)
    return [liveness.check() for _ in range(count)], liveness, table


def test_no_request_is_sent_while_the_page_moves() -> None:
    results, _, table = rounds([[0], [1], [2], [3], [4]], ["ok"], 4)
    assert results == ["answered", "working", "working", "working"]
    assert table.asked == 1


def test_a_page_that_moves_is_not_trusted_for_ever() -> None:
    results, liveness, _ = rounds([[number] for number in range(99)], ["ok", "status 500"], 9)
    assert results == ["answered", *["working"] * 5, "failed", "failed", "failed"]
    assert liveness.dead


def test_an_idle_engine_is_asked_every_time() -> None:
    results, _, table = rounds([[7]], ["ok"], 3)
    assert results == ["answered"] * 3
    assert table.asked == 3


def test_an_engine_without_a_page_is_looked_at_by_its_output() -> None:
    progress = {"match": r"progress = +\d+%"}
    words = "print('progress =   5%\\nother\\nprogress = 272%')"
    supervisor = serve.Supervisor({"progress": progress, "stop_timeout": 1}, [])
    supervisor.engine = serve.Engine([sys.executable, "-c", words], None, None, progress["match"])
    supervisor.engine.process.wait(10)
    supervisor.engine.flush()
    assert supervisor.look(1) == [2]


@pytest.mark.parametrize("page", [[7], None])
def test_three_failures_in_a_row_are_the_end(page: Any) -> None:
    results, liveness, _ = rounds([page], ["timeout", "ok", "timeout", "unreachable", "status 500"], 5)
    assert results == ["failed", "answered", "failed", "failed", "failed"]
    assert liveness.dead
    assert liveness.reason == "status 500"


def test_a_slow_answer_is_excused_while_the_page_moves() -> None:
    # Looks: before the request, after it.
    results, liveness, _ = rounds([[1], [2], [2], [3]], ["timeout"], 2)
    assert results == ["busy", "busy"]
    assert not liveness.failures


def test_errors_are_not_excused_by_a_page_that_counts_them() -> None:
    results, liveness, _ = rounds([[1]], ["status 500"], 3)
    assert results == ["failed"] * 3
    assert liveness.dead


def test_a_full_queue_is_no_failure() -> None:
    results, liveness, _ = rounds([None], ["status 429"], 3)
    assert results == ["busy"] * 3
    assert not liveness.dead


@pytest.fixture
def notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What systemd would be told."""
    path = tmp_path / "notify"
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(0.1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    heard.extend(channel.recv(4096).decode().splitlines())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield heard
        over.set()
        thread.join()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The start lock as tmpfiles.d makes it; a host without services beside it."""
    path = tmp_path / "lock"
    path.touch(0o440)
    monkeypatch.setattr(serve, "LOCK", str(path))
    monkeypatch.setattr(serve, "CONFIGS", str(tmp_path))
    return path


@pytest.fixture
def run(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], notified: list[str]
) -> Run:
    """Serve a stand-in until it gives up, or with ``stop`` until it is ready; the exit status and the journal."""
    del lock
    monkeypatch.setattr(serve, "DROP_CACHES_SOCKET", str(tmp_path / "no socket"))
    monkeypatch.setattr(serve.signal, "signal", lambda *_: None)

    def run(mode: str, *arguments: str, stop: bool = False, **settings: Any) -> tuple[int, str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = {
            "name": "chat",
            "api": "chat",
            "served_name": "stand-in",
            "address": "127.0.0.1",
            "port": port,
            "start_timeout": 20,
            "stop_timeout": 5,
            "require_gpu": False,
            "gpu": None,
            "progress": None,
            "liveness": {"interval": 0.2, "timeout": 0.5, "failures": 3},
            **settings,
        }
        engine = [sys.executable, str(STAND_IN), "--mode", mode, "--port", str(port), *arguments]
        supervisor = serve.Supervisor(config, engine)

        def stop_when_ready() -> None:
            while "READY=1" not in notified:
                time.sleep(0.05)
            supervisor.stop_asked.set()

        if stop:
            threading.Thread(target=stop_when_ready, daemon=True).start()
        status = supervisor.run()
        captured = capfd.readouterr()
        return status, captured.out + captured.err

    return run


def test_ready_comes_with_the_answer_and_a_stop_is_no_failure(run: Run, notified: list[str]) -> None:
    status, journal = run("ok", stop=True)
    assert status == 0
    assert "READY=1" in notified
    assert notified.index("READY=1") < notified.index("STOPPING=1")
    assert "page cache not dropped" in journal
    assert "serving stand-in on 127.0.0.1:" in journal


@pytest.mark.parametrize(
    ("mode", "settings", "code", "text"),
    [
        ("die", {}, "THOR-ENGINE-EXITED", "ended with code 3"),
        ("die-0", {}, "THOR-ENGINE-EXITED", "ended with code 0"),
        ("refuse", {}, "THOR-ENGINE-REFUSED", "HTTP 400"),
        ("errors", {"start_timeout": 3}, "THOR-START-TIMEOUT", "HTTP 500: an illegal memory access"),
        ("silent", {"start_timeout": 3}, "THOR-START-TIMEOUT", "within 3 s"),
        ("ok", {"gpu": GPU, "require_gpu": True}, "THOR-GPU-UNUSED", "fallen back to the CPU"),
        ("ok", {"api": "telepathy"}, "THOR-ENGINE-REFUSED", "telepathy"),
    ],
)
def test_a_start_that_fails_says_why(
    run: Run, notified: list[str], mode: str, settings: dict[str, Any], code: str, text: str
) -> None:
    status, journal = run(mode, **settings)
    assert status == 1
    assert "READY=1" not in notified
    assert f"<3>thor-serve: {code}: " in journal
    assert text in journal


def says(log: str) -> list[str]:
    """Arguments that have the stand-in print a recorded log."""
    return [word for line in (LOGS / log).read_text(encoding="utf-8").splitlines() for word in ("--log", line)]


def test_the_gpu_is_found_in_the_log(run: Run, notified: list[str]) -> None:
    status, _ = run("ok", *says("llama-full-offload.txt"), gpu=GPU, require_gpu=True, stop=True)
    assert status == 0
    assert "READY=1" in notified
    assert any(word.startswith("STATUS=serving") and "partly" not in word for word in notified)


def test_a_configuration_of_an_earlier_version_serves_on(run: Run, notified: list[str]) -> None:
    old = r"CUDA\d+ model buffer size =\s+[1-9]"
    status, _ = run("ok", *says("llama-full-offload.txt"), gpu_log=old, require_gpu=True, stop=True)
    assert status == 0
    assert "READY=1" in notified
    status, journal = run("ok", gpu_log=old, require_gpu=True)
    assert status == 1
    assert "THOR-GPU-UNUSED" in journal


def test_a_model_that_is_on_the_gpu_in_part_is_refused_with_numbers(run: Run, notified: list[str]) -> None:
    status, journal = run("ok", *says("llama-partial-offload.txt"), gpu=GPU, require_gpu=True)
    assert status == 1
    assert "READY=1" not in notified
    assert "<3>thor-serve: THOR-GPU-PARTIAL: " in journal
    assert "only 8 of 37 layers are on the GPU" in journal
    assert "needs 13565 MiB of the GPU's memory and found 4583 MiB free" in journal
    assert re.search(r"MemFree was \d+\.\d GiB when it started", journal)


@pytest.mark.parametrize(
    ("mode", "settings"), [("ok", {"gpu": GPU, "require_gpu": True}), ("silent", {"start_timeout": 2})]
)
def test_the_next_engine_starts_when_the_memory_of_one_that_failed_is_back(
    run: Run, monkeypatch: pytest.MonkeyPatch, mode: str, settings: dict[str, Any]
) -> None:
    locked: dict[int, Any] = {}
    alive: list[bool] = []
    take, close = serve.Supervisor.take_lock, os.close

    def take_lock(supervisor: Any) -> int:
        descriptor: int = take(supervisor)
        locked[descriptor] = supervisor
        return descriptor

    def note(descriptor: int) -> None:
        if descriptor in locked:
            alive.append(locked.pop(descriptor).engine.process.poll() is None)
        close(descriptor)

    monkeypatch.setattr(serve.Supervisor, "take_lock", take_lock)
    monkeypatch.setattr(serve.os, "close", note)
    run(mode, *says("llama-partial-offload.txt"), **settings)
    assert alive == [False]


def test_a_part_that_was_asked_for_is_served_and_said(run: Run, notified: list[str]) -> None:
    gpu = {**GPU, "asked": gpu_evidence.asked(GPU, ["--n-gpu-layers", "8"], {})}
    status, journal = run("ok", *says("llama-partial-offload.txt"), gpu=gpu, require_gpu=True, stop=True)
    assert status == 0
    told = "partly on the GPU by its options (--n-gpu-layers 8): 8 of 37 layers"
    assert told in journal
    assert any(word.startswith("STATUS=serving") and told in word for word in notified)


def test_a_gpu_that_fails_after_it_was_announced_is_unused(run: Run) -> None:
    log = says("whisper-gpu-revoked.txt")
    status, journal = run("ok", *log, gpu=ENGINES["whisper.cpp"]["gpu"], require_gpu=True)
    assert status == 1
    assert "THOR-GPU-UNUSED: the engine answers, but it said: " in journal
    assert "failed to initialize CUDA0 backend" in journal


def test_without_a_gpu_to_be_used_the_log_is_not_judged(run: Run, notified: list[str]) -> None:
    status, _ = run("ok", *says("whisper-gpu-revoked.txt"), gpu=GPU, require_gpu=False, stop=True)
    assert status == 0
    assert "READY=1" in notified


def test_an_engine_that_answers_only_errors_is_given_up(run: Run, notified: list[str]) -> None:
    status, journal = run("late-errors")
    assert status == 1
    assert "READY=1" in notified
    assert "THOR-ENGINE-HUNG: the engine failed 3 requests in a row" in journal


def test_it_finds_all_that_it_imports_on_a_device(tmp_path: Path) -> None:
    role = ROOT / "roles" / "serving"
    for item in yaml.safe_load((role / "vars" / "main.yml").read_text(encoding="utf-8"))["__serving_files"]:
        if item["path"].startswith("/opt/thor/"):
            source = re.findall(r"'/\.\./\.\./(\S+)'|file', '(\S+)'", item["content"])[0]
            path = tmp_path / item["path"].removeprefix("/opt/thor/")
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source[0] if source[0] else role / "files" / source[1], path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "bin" / "thor-serve"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.startswith("usage: thor-serve"), done.stderr


def test_a_signal_is_heard_at_any_moment() -> None:
    # In the middle of a wait too: an Event would lock itself up, sooner or later.
    wish = serve.Wish()
    previous = signal.signal(signal.SIGALRM, lambda *_: wish.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        begin = time.monotonic()
        assert wish.wait(10)
        assert time.monotonic() - begin < 5
        assert wish.wait(0)
        assert not serve.Wish().wait(0)
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_a_missing_engine_is_said_so() -> None:
    with pytest.raises(serve.GiveUp, match="/no/engine cannot be started: No such file"):
        serve.Engine(["/no/engine"], None)


def test_a_second_engine_waits_for_the_first(lock: Path) -> None:
    del lock
    first, second = (serve.Supervisor({"start_timeout": 20}, []) for _ in range(2))
    held = first.take_lock()
    threading.Timer(1, serve.os.close, [held]).start()
    begin = time.monotonic()
    serve.os.close(second.take_lock())
    assert time.monotonic() - begin >= 0.9


def test_a_lock_that_is_never_released_ends_the_wait_and_names_who_holds_it(
    lock: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "LOCK_SLACK", 0.5)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        begin = time.monotonic()
        status, journal = run("ok", start_timeout=1)
    assert status == 1
    assert 1.5 <= time.monotonic() - begin < 10
    assert f"<3>thor-serve: THOR-START-LOCK: process {os.getpid()} has kept {lock}" in journal


@pytest.mark.parametrize(
    ("holders", "seconds"),
    [
        # The slowest engine of the host takes 1 s, all of them 2 s; each is granted half a second more.
        (["process 1"], 1.5),
        (["process 1", "process 2"], 1.5),
        (None, 3.0),  # another one at each look: all together have their end, too
    ],
)
def test_the_wait_is_as_long_as_the_engines_of_the_host_may_take(
    lock: Path, monkeypatch: pytest.MonkeyPatch, holders: list[str] | None, seconds: float
) -> None:
    for name, timeout in (("chat", "1"), ("eyes", "1.0"), ("damaged", "")):
        (lock.parent / f"{name}.json").write_text(f'{{"start_timeout": {timeout}}}')
    monkeypatch.setattr(serve, "LOCK_SLACK", 0.5)
    monkeypatch.setattr(serve, "TICK", 0.05)
    looks = itertools.count()
    monkeypatch.setattr(
        serve, "lock_holder", lambda _: holders[next(looks) % len(holders)] if holders else f"process {next(looks)}"
    )
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        begin = time.monotonic()
        with pytest.raises(serve.GiveUp, match="longer than the engines of this host may take"):
            serve.Supervisor({"start_timeout": 0}, []).take_lock()
    assert seconds <= time.monotonic() - begin < seconds + 1


@pytest.mark.parametrize("broken", ["missing", "folder", "link", "pipe"])
def test_a_broken_lock_is_told_at_once(lock: Path, run: Run, broken: str) -> None:
    lock.unlink()
    if broken == "folder":
        lock.mkdir()
    elif broken == "link":
        (lock.parent / "elsewhere").touch()
        lock.symlink_to("elsewhere")
    elif broken == "pipe":
        os.mkfifo(lock)
    begin = time.monotonic()
    status, journal = run("ok")
    assert status == 1
    assert time.monotonic() - begin < 5
    assert f"<3>thor-serve: THOR-START-LOCK: {lock}" in journal
    assert "systemd-tmpfiles --create" in journal


def test_the_page_cache_is_dropped_by_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"dropped\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        serve.drop_caches(path)
    assert "page cache dropped, free memory" in capsys.readouterr().err


def test_the_page_cache_is_dropped_until_the_engine_is_loaded_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, dropped = threading.Event(), []

    def drop(quiet: bool) -> bool:
        dropped.append(quiet)
        if len(dropped) == 3:
            loaded.set()
        return True

    monkeypatch.setattr(serve, "drop_caches", drop)
    serve.keep_dropping(loaded, 0.01)
    assert dropped == [True] * 3


def test_a_page_cache_that_cannot_be_dropped_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[bool] = []

    def fail(quiet: bool) -> bool:
        tries.append(quiet)
        return False

    monkeypatch.setattr(serve, "drop_caches", fail)
    serve.keep_dropping(threading.Event(), 0.01)
    assert tries == [True]


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    """A dockerd that knows containers by name, and removes them."""
    with Dockerd(tmp_path / "docker.sock") as server:
        yield server


def container(dockerd: Dockerd) -> Any:
    return serve.Container("thor-chat", LABEL, str(dockerd.path))


def config(dockerd: Dockerd) -> dict[str, Any]:
    return {"container": {"name": "thor-chat", "label": LABEL, "socket": str(dockerd.path)}}


def test_a_container_service_is_ready_and_stops_like_any_other(run: Run, notified: list[str], dockerd: Dockerd) -> None:
    status, journal = run("ok", stop=True, **config(dockerd))
    assert status == 0
    assert "READY=1" in notified
    assert "started the container thor-chat" in journal
    assert dockerd.removed == []  # docker's client has seen to it (--rm)


@pytest.mark.parametrize(("refusals", "status"), [(1, 0), (2, 1)])
def test_a_container_that_docker_refuses_to_start_is_tried_once_more(
    run: Run, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch, refusals: int, status: int
) -> None:
    engine, left = serve.Engine, [["/bin/sh", "-c", "exit 125"]] * refusals

    def start(argv: list[str], *more: Any) -> Any:
        return engine(left.pop() if left else argv, *more)

    monkeypatch.setattr(serve, "Engine", start)
    ended, journal = run("ok", stop=status == 0, **config(dockerd))
    assert ended == status, journal
    assert journal.count("trying once more") == 1
    assert not left


def test_what_an_earlier_start_has_left_over_is_removed_first(run: Run, dockerd: Dockerd) -> None:
    dockerd.has("thor-chat", LABEL)
    status, journal = run("ok", stop=True, **config(dockerd))
    assert status == 0
    assert dockerd.removed == ["thor-chat"]
    assert "removed a container thor-chat that was left over" in journal


def test_a_strangers_container_is_left_alone(run: Run, dockerd: Dockerd) -> None:
    dockerd.has("thor-chat", "somebody=else")
    status, journal = run("ok", **config(dockerd))
    assert status == 1
    assert "THOR-CONTAINER-TAKEN: there is a container thor-chat that is none of ours" in journal
    assert dockerd.removed == []


def test_a_dockerd_that_does_not_come_is_not_waited_for_for_ever(
    run: Run, tmp_path: Path, notified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "DOCKER_WAIT", 1.0)
    settings = {"name": "thor-chat", "label": LABEL, "socket": str(tmp_path / "none")}
    status, journal = run("ok", container=settings)
    assert status == 1
    assert "waiting for dockerd: dockerd does not answer on " in journal
    assert "THOR-DOCKER-GONE: dockerd has not answered for 1 s" in journal
    assert any(line.startswith("STATUS=waiting for dockerd") for line in notified)


def test_a_dockerd_that_comes_late_is_waited_for(run: Run, tmp_path: Path) -> None:
    late = Dockerd(tmp_path / "late.sock")
    threading.Timer(1, late.__enter__).start()
    status, journal = run("ok", stop=True, **config(late))
    late.__exit__()
    assert status == 0
    assert "waiting for dockerd" in journal


@pytest.mark.parametrize("mode", ["die", "late-errors"])
def test_no_container_is_left_after_a_failure(run: Run, dockerd: Dockerd, mode: str) -> None:
    begin = serve.Engine.__init__

    def start(*arguments: Any) -> None:
        begin(*arguments)
        dockerd.has("thor-chat", LABEL)  # as if docker's client had died: --rm does nothing then

    serve.Engine.__init__ = start
    try:
        status, _ = run(mode, **config(dockerd))
    finally:
        serve.Engine.__init__ = begin
    assert status == 1
    assert dockerd.removed == ["thor-chat"]


def test_a_removal_that_is_under_way_is_waited_for(dockerd: Dockerd) -> None:
    dockerd.has("thor-chat", LABEL)
    dockerd.busy = 3
    assert container(dockerd).remove()
    assert dockerd.containers == {}
    assert not container(dockerd).remove()


def test_what_outlived_its_supervisor_is_removed(
    dockerd: Dockerd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(config(dockerd)))
    dockerd.has("thor-chat", LABEL)
    assert serve.main(["--config", str(path), "--remove"]) == 0
    assert dockerd.removed == ["thor-chat"]
    assert "which outlived its supervisor" in capsys.readouterr().err
    path.write_text(json.dumps({"container": {"name": "thor-chat", "label": LABEL, "socket": str(tmp_path / "none")}}))
    assert serve.main(["--config", str(path), "--remove"]) == 0
    assert "The next start looks again" in capsys.readouterr().err
    assert serve.main(["--config", str(path)]) == 2


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 125", "THOR-CONTAINER-START", "docker refused (code 125)"),
        ("exit 126", "THOR-CONTAINER-START", "cannot be run (code 126)"),
        ("exit 127", "THOR-CONTAINER-START", "no such command (code 127)"),
        ("echo error waiting for container: unexpected EOF; exit 125", "THOR-DOCKER-GONE", "dockerd ended"),
        ("exit 137", "THOR-ENGINE-EXITED", "the engine was ended by SIGKILL (somebody's kill, or the memory ran out"),
        ("exit 139", "THOR-ENGINE-EXITED", "the engine was ended by SIGSEGV"),
        ("exit 3", "THOR-ENGINE-EXITED", "the engine ended with code 3"),
        ("kill -KILL $$", "THOR-ENGINE-EXITED", "docker's client was ended by SIGKILL"),
    ],
)
def test_the_end_of_a_container_is_told_in_words(dockerd: Dockerd, script: str, code: str, words: str) -> None:
    engine = serve.Engine(["/bin/sh", "-c", script], None, container(dockerd))
    engine.process.wait(10)
    end = engine.give_up()
    assert end is not None
    assert end.code == code
    assert words in str(end)


GIB = 1 << 30


@pytest.mark.parametrize(
    ("budget", "free", "share"),
    [(28, 112, 0.25), (1, 3, 0.333), (2, 3, 0.666), (100, 100, 0.95), (9, 1, 0.95), (1, 0, 0.95)],
)
def test_a_budget_as_a_share_of_what_is_free(budget: int, free: int, share: float) -> None:
    assert serve.share_of_free(budget * GIB, free * GIB) == share


@pytest.mark.parametrize(
    ("argv", "fitted"),
    [
        (
            ["docker", "--share", "1", "engine", "--share", "0.2", "-x"],
            ["docker", "--share", "1", "engine", "--share", "0.250", "-x"],
        ),
        (["engine", "--share=0.2"], ["engine", "--share=0.250"]),
        (["engine"], ["engine"]),
    ],
)
def test_the_share_replaces_the_one_in_the_command(
    argv: list[str], fitted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    memory = {"option": "--share", "of": "free", "budget_bytes": 25 * GIB}
    assert serve.fit_memory(argv, memory, 100 * GIB) == fitted
    told = capsys.readouterr().err
    wanted = "the command has no --share" if argv == fitted else "--share 0.2 -> 0.250: 25.0 GiB of the 100.0 GiB"
    assert wanted in told


def test_too_little_memory_is_said_with_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["engine", "--share", "0.2"]
    assert serve.fit_memory(argv, None, 0) == argv
    assert serve.fit_memory(argv, {"option": "--share", "of": "total", "budget_bytes": GIB}, 9 * GIB) == argv
    assert capsys.readouterr().err == ""
    assert serve.fit_memory(argv, {"option": "--share", "of": "total", "budget_bytes": 24 * GIB}, 9 * GIB) == argv
    told = capsys.readouterr().err
    assert "<4>thor-serve: free memory is 9.0 GiB, and this service's budget (memory_gib) is 24.0 GiB" in told


def test_values_are_laid_over_the_models_own(tmp_path: Path) -> None:
    own, written = tmp_path / "generation_config.json", tmp_path / "written.json"
    own.write_text('{"temperature": 0.6, "eos_token_id": [1, 2]}')
    serve.lay_over({"path": str(own), "values": {"temperature": 0.8, "top_p": 0.9}, "written": str(written)})
    assert json.loads(written.read_text()) == {"temperature": 0.8, "eos_token_id": [1, 2], "top_p": 0.9}
    assert written.stat().st_mode & 0o777 == 0o644
    assert json.loads(own.read_text())["temperature"] == 0.6


@pytest.mark.parametrize(("text", "reason"), [(None, "No such file"), ("{", "Expecting"), ("[]", "holds no object")])
def test_a_model_without_a_generation_config_is_told(tmp_path: Path, text: str | None, reason: str) -> None:
    own = tmp_path / "generation_config.json"
    if text is not None:
        own.write_text(text)
    with pytest.raises(serve.GiveUp, match=reason) as caught:
        serve.lay_over({"path": str(own), "values": {"top_k": 5}, "written": str(tmp_path / "written")})
    assert caught.value.code == "THOR-GENERATION-CONFIG"
    assert '{"top_k": 5}' in str(caught.value)
    assert not (tmp_path / "written").exists()


def options(argv: list[str]) -> list[str]:
    """What stands between ``docker run`` and the image."""
    return argv[argv.index("run") + 1 : argv.index(next(word for word in argv if word.startswith("hub:5000/")))]


def test_a_container_gets_no_privilege_and_the_pinned_image() -> None:
    argv = docker_run()
    assert argv[:3] == ["/usr/bin/docker", "--host=unix:///run/docker.sock", "run"]
    words = options(argv)
    assert argv[argv.index("run") + 1 + len(words) :] == [
        "hub:5000/nvidia/vllm@sha256:aa",
        "vllm",
        "serve",
        '{"a": "b c"}',
    ]
    names = {word.partition("=")[0] for word in words}
    assert {"--rm", "--init", "--pull", "--cap-drop", "--security-opt", "--stop-timeout"} <= names
    assert not names & {"-v", "--volume", "--privileged", "--cap-add", "--device", "--pid", "--restart", "--env-file"}
    assert [word for word in words if word.startswith(("--cap", "--sec", "--ipc", "--shm"))] == [
        "--ipc=private",
        "--shm-size=8g",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ]
    assert [word for word in words if word.startswith("--mount")] == [
        "--mount=type=bind,source=/models,target=/models,readonly",
        "--mount=type=volume,source=thor-chat-cache,target=/root/.cache",
    ]
    assert "--env=VLLM_USE_MODELSCOPE=true" in words
    assert "--env=HOME=/root" in words


def test_the_records_digest_counts_before_the_locks() -> None:
    image = "hub:5000/nvidia/vllm:25.10-py3"
    assert "hub:5000/nvidia/vllm@sha256:bb" in docker_run(images={image: {"digest": "sha256:bb"}})
    assert image in docker_run(service={"image_digest": None})  # a plan: nothing was pulled yet


def test_an_image_that_was_extended_is_known_by_its_id_and_only_for_those_who_need_it() -> None:
    image, derived = "hub:5000/nvidia/vllm:25.10-py3", "sha256:dd"
    known = {image: {"digest": "sha256:bb", "extras": {"librosa==1 soundfile==2": {"id": derived, "present": True}}}}
    listens = {"python_packages": ["soundfile==2", "librosa==1"]}
    assert docker_run(service=listens, images=known)[-3 - 1] == derived
    assert "hub:5000/nvidia/vllm@sha256:bb" in docker_run(images=known)
    known[image]["extras"]["librosa==1 soundfile==2"]["id"] = None  # type: ignore[index]
    assert "hub:5000/nvidia/vllm@sha256:bb" in docker_run(service=listens, images=known)


def test_memory_that_is_not_told_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve.free_memory().endswith(" GiB") and serve.memory_bytes("MemFree", "MemAvailable") > 0
    monkeypatch.setattr(files, "memory", lambda _root: {"MemTotal": GIB, "MemFree": 0})
    assert serve.free_memory() == "0.0 GiB" and serve.memory_bytes("MemFree", "MemAvailable") == 0
    monkeypatch.setattr(files, "memory", lambda _root: {})
    assert serve.free_memory() == "not known" and serve.memory_bytes("MemFree") is None
    argv = ["engine", "--share", "0.5"]
    assert serve.fit_memory(argv, {"option": "--share", "of": "free", "budget_bytes": GIB}, None) == argv


def test_the_hosts_ipc_needs_no_size_of_its_own() -> None:
    words = options(docker_run(serving_container_ipc="host"))
    assert "--ipc=host" in words
    assert not [word for word in words if word.startswith("--shm-size")]


def test_a_generation_config_is_mounted_over_the_models() -> None:
    settings = {"path": "/models/Q/generation_config.json", "values": {}}
    words = options(docker_run(service={"generation_config": settings}))
    assert (
        "--mount=type=bind,source=/var/cache/thor/chat/generation_config.json,target=/models/Q/generation_config.json,readonly"
        in words
    )


@pytest.mark.parametrize(
    ("word", "command", "environment"),
    [
        ("--host", "--host", "--host"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("", '""', '""'),
        ("a b", '"a b"', '"a b"'),
        ("5%", "5%%", "5%%"),
        ("$HOME", "$$HOME", "$HOME"),
        (";", '";"', '";"'),
        ('{"a": "b"}', '"{\\"a\\": \\"b\\"}"', '"{\\"a\\": \\"b\\"}"'),
        ("back\\slash", '"back\\\\slash"', '"back\\\\slash"'),
        ("two\nlines", '"two\\nlines"', '"two\\nlines"'),
        ("\x01", '"\\x01"', '"\\x01"'),
        ("it's", '"it\'s"', '"it\'s"'),
        ("世界", '"世界"', '"世界"'),
    ],
)
def test_words_are_quoted_as_systemd_reads_them(word: str, command: str, environment: str) -> None:
    assert quote(word) == command
    assert quote(word, command=False) == environment


def test_a_command_is_a_list() -> None:
    argv = ["/bin/x", "--json", json.dumps({"temperature": 0.8}), 8000]
    assert systemd_argv(argv) == '/bin/x --json "{\\"temperature\\": 0.8}" 8000'
    assert shlex.split(systemd_argv(argv)) == [str(word) for word in argv]
    with pytest.raises(AnsibleFilterError, match="a list of words"):
        systemd_argv("one text")
    with pytest.raises(AnsibleFilterError, match="NUL"):
        systemd_argv(["\0"])


def test_thor_serve_s_own_requests_carry_the_key_that_its_engine_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Supervisor:
        def __init__(self, config: dict[str, Any], argv: list[str]) -> None:
            assert "very-secret" not in str(config) + str(argv)

        def run(self) -> int:
            return 0

    monkeypatch.setattr(serve, "Supervisor", Supervisor)
    monkeypatch.setattr(api, "keys", {})
    monkeypatch.setenv("LLAMA_API_KEY", "very-secret")
    config = tmp_path / "chat.json"
    for more, keys in (({}, {}), ({"api_key": "LLAMA_API_KEY"}, {8000: "very-secret"})):
        config.write_text(json.dumps({"port": 8000, **more}), encoding="utf-8")
        assert serve.main(["--config", str(config), "--", "llama-server"]) == 0
        assert api.keys == keys
