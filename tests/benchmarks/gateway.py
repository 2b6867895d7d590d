# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the gateway costs: the real nginx with the gateway's files and TLS, on loopback, in front of an engine that streams at a pace.

Prints JSON. The limits: time to first token plus at most 2 ms at the median and 5 ms at the 99th percentile for bodies below 1 MB; no
loss of token rate with 8 and with 64 streams of 30 tokens a second; a good client is answered beside 1,000 slow connections; a body
of 50 MB costs at most 120 MB and blocks a worker for at most 30 ms; an idle gateway takes less than 1 % of a CPU and 80 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gateway_run
import paced_engine
from gateway_run import RunningGateway
from gateway_services import ALL, ONE, clients, services_on

SIZES = {"1 KB": 1_000, "100 KB": 100_000, "900 KB": 900_000}
STREAMS = (8, 64)
RATE = 30
LARGE = 50_000_000
SLOW = 1_000
LIMITS = {
    "ttft_median_ms": 2.0,
    "ttft_p99_ms": 5.0,
    "rate_loss_percent": 1.0,
    "large_body_mb": 120,
    "blocked_ms": 30.0,
    "idle_cpu_percent": 1.0,
    "idle_mb": 80,
}


def body(tokens: int, rate: int, size: int = 0) -> bytes:
    """A chat whose model comes last, after a text that makes the body as long as it should be."""
    head = f'{{"tokens": {tokens}, "rate": {rate}, "messages": [{{"content": "'.encode()
    tail = b'"}], "model": "qwen3"}'
    return head + b"A" * max(0, size - len(head) - len(tail)) + tail


def headers(key: str = ALL) -> dict[str, str]:
    """Those of a client."""
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def first_token(connection: http.client.HTTPConnection, content: bytes) -> float:
    """Milliseconds from the request to its first token, on a connection that stays open."""
    begin = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", content, headers())
    response = connection.getresponse()
    assert response.readline().startswith(b"data: "), response.status
    taken = (time.perf_counter() - begin) * 1000
    response.read()
    return taken


def times_to_first_token(gateway: RunningGateway, engine: int, requests: int) -> dict[str, Any]:
    """By size of the body, with the engine asked directly before each request through the gateway."""
    found = {}
    direct, through = http.client.HTTPConnection("127.0.0.1", engine), gateway.connection()
    with contextlib.closing(direct), contextlib.closing(through):
        for name, size in SIZES.items():
            content = body(1, 0, size)
            pairs = [(first_token(direct, content), first_token(through, content)) for _ in range(requests)]
            found[name] = _overhead([pair[0] for pair in pairs[5:]], [pair[1] for pair in pairs[5:]])
    new = [_on_new_connection(gateway) for _ in range(max(10, requests // 10))]
    return {"overhead": found, "new_connection_median_ms": round(statistics.median(new), 2)}


def _overhead(direct: list[float], through: list[float]) -> dict[str, float]:
    def percentile(values: list[float]) -> float:
        return statistics.quantiles(values, n=100)[98]

    return {
        "direct_median_ms": round(statistics.median(direct), 2),
        "median_ms": round(statistics.median(through) - statistics.median(direct), 2),
        "p99_ms": round(percentile(through) - percentile(direct), 2),
    }


def _on_new_connection(gateway: RunningGateway) -> float:
    with contextlib.closing(gateway.connection()) as connection:
        begin = time.perf_counter()
        connection.connect()
        return (time.perf_counter() - begin) * 1000 + first_token(connection, body(1, 0))


async def _stream(port: int, context: ssl.SSLContext | None, tokens: int) -> float:
    """The tokens a second of one stream."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    content = body(tokens, RATE)
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers().items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    times: list[float] = []
    while len(times) < tokens:
        line = await reader.readline()
        assert line, "the stream ended early"
        if line.startswith(b"data: "):
            times.append(time.perf_counter())
    writer.close()
    return (tokens - 1) / (times[-1] - times[0])


def token_rates(gateway: RunningGateway, engine: int, seconds: int) -> dict[str, Any]:
    """The slowest stream's tokens a second by number of streams, directly and through the gateway."""

    async def all_streams(number: int, port: int, context: ssl.SSLContext | None) -> float:
        return min(await asyncio.gather(*[_stream(port, context, RATE * seconds) for _ in range(number)]))

    found = {}
    for number in STREAMS:
        direct = asyncio.run(all_streams(number, engine, None))
        through = asyncio.run(all_streams(number, gateway.port, gateway.context))
        loss = max(0.0, (1 - through / direct) * 100)
        found[str(number)] = {
            "direct_per_s": round(direct, 3),
            "through_per_s": round(through, 3),
            "loss_percent": round(loss, 2),
        }
    return found


@contextlib.contextmanager
def slow_connections(gateway: RunningGateway, number: int) -> Iterator[list[socket.socket]]:
    """Connections that send a byte a second: of a TLS handshake, of headers, or of a body whose key is right."""
    hello = b"\x16\x03\x01\x02\x00"
    starts = (
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ONE}\r\nContent-Length: 90000\r\n\r\n".encode(),
    )
    sockets: list[socket.socket] = []
    done = threading.Event()
    for index in range(number):
        plain = socket.create_connection(("localhost", gateway.port))
        if index % 3 == 2:
            plain.sendall(hello)
            sockets.append(plain)
        else:
            tls = gateway.context.wrap_socket(plain, server_hostname="localhost")
            tls.sendall(starts[index % 3])
            sockets.append(tls)

    def drip() -> None:
        while not done.wait(1):
            for one in sockets:
                with contextlib.suppress(OSError):
                    one.send(b"x")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield sockets
    finally:
        done.set()
        thread.join()
        for one in sockets:
            one.close()


def beside_slow_connections(gateway: RunningGateway, requests: int) -> dict[str, Any]:
    """How a good client fares, with a new connection for each of its requests."""
    with slow_connections(gateway, SLOW) as sockets:
        times = [_on_new_connection(gateway) for _ in range(requests)]
        return {"connections": len(sockets), "answered": len(times), "worst_ms": round(max(times), 1)}


def status(pid: int, key: str) -> int:
    """A figure of /proc/PID/status or smaps_rollup in bytes."""
    for file in ("status", "smaps_rollup"):
        for line in Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    raise KeyError(key)


def processes(gateway: RunningGateway) -> list[int]:
    """Master and workers."""
    assert gateway.process
    return [gateway.process.pid, *gateway.workers()]


class Watch:
    """What a large body costs while it is handled: memory of nginx and of the files that hold bodies, and the slowest other answer."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway, self.done = gateway, threading.Event()
        self.memory, self.slowest = 0, 0.0
        self.before = self._memory()
        self.threads = [threading.Thread(target=self._repeat, args=(step,)) for step in (self._weigh, self._probe())]

    def _repeat(self, step: Callable[[], None]) -> None:
        while not self.done.is_set():
            step()
            time.sleep(0.002)

    def _memory(self) -> int:
        files = Path(self.gateway.gateway.paths.run, "bodies").rglob("*")
        held = 0
        for path in files:
            with contextlib.suppress(OSError):
                held += path.stat().st_blocks * 512
        return held + sum(status(pid, "RssAnon") for pid in processes(self.gateway))

    def _weigh(self) -> None:
        self.memory = max(self.memory, self._memory() - self.before)

    def _probe(self) -> Callable[[], None]:
        """Small requests on connections that stay open, so many that each worker has some."""
        connections = [self.gateway.connection() for _ in range(8)]

        def probe() -> None:
            for connection in connections:
                begin = time.perf_counter()
                connection.request("GET", "/v1/models", headers=headers())
                connection.getresponse().read()
                self.slowest = max(self.slowest, (time.perf_counter() - begin) * 1000)

        probe()
        self.slowest = 0.0
        return probe

    def __enter__(self) -> Watch:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join()


SENDER = """
import http.client, json, ssl, sys
port, authority, key, kind, size = json.loads(sys.argv[1])
head, tail = b'{"messages": [{"content": "', b'"}], "model": "qwen3"}'
middle = b"A" * size
if kind == "texts":
    head, middle, tail = b'{"messages": ["a', b'","' * (size // 3), b'"], "model": "qwen3"}'
connection = http.client.HTTPSConnection("localhost", port, context=ssl.create_default_context(cafile=authority))
connection.request("POST", "/v1/chat/completions", head + middle + tail,
                   {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
response = connection.getresponse()
assert response.status == 200, response.read()
response.read()
"""


def large_bodies(gateway: RunningGateway, runs: int) -> dict[str, Any]:
    """An image of 50 MB, and 50 MB of short texts, each from a process of its own.

    The median of the runs is judged: in some this machine did other work, or no watching connection was that worker's. `nothing` is
    how slow an answer gets while there is no large body.
    """
    found: dict[str, Any] = {}
    with Watch(gateway) as watch:
        time.sleep(2)
    found["nothing"] = {"blocked_ms": round(watch.slowest, 1)}
    for kind in ("image", "texts"):
        watches = []
        for _ in range(runs):
            words = json.dumps([gateway.port, gateway.gateway.certificate, ALL, kind, LARGE])
            with Watch(gateway) as watch:
                subprocess.run([sys.executable, "-c", SENDER, words], check=True, timeout=120)
            watches.append(watch)
        found[kind] = {
            "memory_mb": round(max(watch.memory for watch in watches) / 1e6, 1),
            "blocked_ms": round(statistics.median(watch.slowest for watch in watches), 1),
            "blocked_ms_of_all_runs": [round(watch.slowest, 1) for watch in watches],
        }
    return found


def idle(gateway: RunningGateway, seconds: int) -> dict[str, float]:
    """CPU and memory of a gateway that nobody asks anything, after all the above."""

    def spent() -> float:
        words = [Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split() for pid in processes(gateway)]
        return sum(int(word[0]) for word in words) / 1e9

    before = spent()
    time.sleep(seconds)
    return {
        "cpu_percent": round((spent() - before) / seconds * 100, 3),
        "memory_mb": round(sum(status(pid, "Pss") for pid in processes(gateway)) / 1e6, 1),
    }


def misses(found: dict[str, Any]) -> list[str]:
    """What is beyond its limit."""
    large = {kind: one for kind, one in found["large_body"].items() if kind != "nothing"}
    figures = [("ttft_median_ms", size, one["median_ms"]) for size, one in found["first_token"]["overhead"].items()]
    figures += [("ttft_p99_ms", size, one["p99_ms"]) for size, one in found["first_token"]["overhead"].items()]
    figures += [("rate_loss_percent", number, one["loss_percent"]) for number, one in found["token_rate"].items()]
    figures += [("large_body_mb", kind, one["memory_mb"]) for kind, one in large.items()]
    figures += [("blocked_ms", kind, one["blocked_ms"]) for kind, one in large.items()]
    figures += [
        ("idle_cpu_percent", "idle", found["idle"]["cpu_percent"]),
        ("idle_mb", "idle", found["idle"]["memory_mb"]),
    ]
    return [f"{name} ({of}): {value} > {LIMITS[name]}" for name, of, value in figures if value > LIMITS[name]]


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="for the times to the first token")
    parser.add_argument("--seconds", type=int, default=5, help="of each stream")
    parser.add_argument("--runs", type=int, default=5, help="of each large body")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    # Before all other work of this machine, which is not to be measured; not everybody may ask for that.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    with paced_engine.running() as engine, gateway_run.running(services_on(engine), clients()) as gateway:
        found: dict[str, Any] = {
            "first_token": times_to_first_token(gateway, engine, arguments.requests),
            "token_rate": token_rates(gateway, engine, arguments.seconds),
            "slow_connections": beside_slow_connections(gateway, 50),
            "large_body": large_bodies(gateway, arguments.runs),
            "idle": idle(gateway, 5),
        }
    missed = misses(found)
    print(json.dumps({**found, "limits": LIMITS, "beyond": missed, "within_limits": not missed}, indent=2))
    if missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
