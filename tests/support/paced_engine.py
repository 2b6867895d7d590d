# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A double of an engine that streams at a pace of its own, in a process of its own so that it disturbs nobody's measurements."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator

EVENT = b'data: {"choices": [{"delta": {"content": "x "}}]}\n\n'
CHUNK = f"{len(EVENT):x}\r\n".encode() + EVENT + b"\r\n"
HEADER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests of a connection: as many tokens and as many a second as the path's end says, /.../TOKENS/RATE or the first bytes."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            header = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"^Content-Length: (\d+)", header, re.IGNORECASE | re.MULTILINE)
            left, start = int(length[1]) if length else 0, b""
            while left:
                piece = await reader.read(min(left, 1 << 20))
                if not piece:
                    return
                start, left = start or piece[:200], left - len(piece)
            found = re.search(rb'"tokens": (\d+), "rate": (\d+)', start)
            tokens, rate = (int(found[1]), int(found[2])) if found else (1, 0)
            await stream(writer, tokens, rate)
            if re.search(r"^Connection: close", header, re.IGNORECASE | re.MULTILINE):
                break
    writer.close()


async def stream(writer: asyncio.StreamWriter, tokens: int, rate: int) -> None:
    """Tokens on a schedule that no delay shifts; at rate 0 all at once."""
    writer.write(HEADER)
    begin = asyncio.get_running_loop().time()
    for number in range(tokens):
        if rate:
            await asyncio.sleep(begin + number / rate - asyncio.get_running_loop().time())
        writer.write(CHUNK)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def serve() -> None:
    """Answer until the process is ended; prints the port."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2048, limit=1 << 20)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def running() -> Iterator[int]:
    """The port of an engine in a process of its own."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())["port"]
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve())
