# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""thor-serve without systemd, with stand-in engines; and the words of unit files."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.filter.systemd_argv import quote, systemd_argv
from ansible_collections.jetson.thor.plugins.module_utils import probe

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "tests" / "faults" / "stand-in-engine"


def load() -> Any:
    """thor-serve as a module; it imports probe.py by its bare name, as on a device."""
    sys.modules["probe"] = probe
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
        raise probe.ProbeError(kind, answer, int(status) if status else None)


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
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], notified: list[str]) -> Run:
    """Serve a stand-in until it gives up, or with ``stop`` until it is ready; the exit status and the journal."""
    monkeypatch.setattr(serve, "LOCK", str(tmp_path / "lock"))
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
            "gpu_log": None,
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
        ("ok", {"gpu_log": "CUDA0 buffer", "require_gpu": True}, "THOR-GPU-UNUSED", "fallen back to the CPU"),
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


def test_the_gpu_is_found_in_the_log(run: Run, notified: list[str]) -> None:
    status, _ = run("ok", "--log", "CUDA0 buffer", gpu_log="CUDA0 buffer", require_gpu=True, stop=True)
    assert status == 0
    assert "READY=1" in notified


def test_an_engine_that_answers_only_errors_is_given_up(run: Run, notified: list[str]) -> None:
    status, journal = run("late-errors")
    assert status == 1
    assert "READY=1" in notified
    assert "THOR-ENGINE-HUNG: the engine failed 3 requests in a row" in journal


def test_a_missing_engine_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LOCK", str(tmp_path / "lock"))
    with pytest.raises(serve.GiveUp, match="/no/engine cannot be started: No such file"):
        serve.Engine(["/no/engine"], None)


def test_a_second_engine_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LOCK", str(tmp_path / "lock"))
    first, second = serve.Supervisor({}, []), serve.Supervisor({}, [])
    held = first.take_lock()
    threading.Timer(1, serve.os.close, [held]).start()
    begin = time.monotonic()
    serve.os.close(second.take_lock())
    assert time.monotonic() - begin >= 0.9


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
