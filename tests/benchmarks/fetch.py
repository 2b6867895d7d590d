# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What it costs to fetch one large file through the model store, compared with each hub's own command alone.

nginx serves the file on loopback as a ModelScope hub and as a Hugging Face hub would. ``modelscope download`` compares the SHA-256,
``hf download`` the size alone. The model store compares the SHA-256, makes the file durable, keeps a journal, writes the manifest and
renames. Command and store take turns, and the ratio is the median over neighbouring runs, which share the same background load. Prints
JSON; the targets are a ratio of at most 1.2, and at most 0.5 s of work for the module in the run after.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import fetch, parameters

ROOT = Path(__file__).resolve().parents[2]
ID = "bench/large"
NAME = "model.gguf"
COMMIT = "c" * 40
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/hub;
        location ~ ^/api/v1/models/[^/]+/[^/]+/repo/files$ {{ try_files /listing.json =404; }}
        location ~ ^/api/v1/models/[^/]+/[^/]+/repo$ {{ try_files /$arg_FilePath =404; }}
        location ~ ^/api/models/[^/]+/[^/]+/revision/ {{ try_files /revision.json =404; }}
        location ~ ^/api/models/[^/]+/[^/]+/tree/ {{ try_files /tree.json =404; }}
        location ~ ^/[^/]+/[^/]+/resolve/(?<commit>[^/]+)/(?<file>.+)$ {{
            add_header X-Repo-Commit $commit;
            try_files /$file =404;
        }}
    }}
}}
"""


class Quiet:
    """A reporter without output."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Say nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path, size: int) -> Iterator[str]:
    """A hub with one model, which has one file of ``size`` bytes; its address."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        sys.exit("This benchmark needs nginx (apt-get install nginx-light).")
    (folder / "hub").mkdir()
    digest = hashlib.sha256()
    with (folder / "hub" / NAME).open("wb") as stream:
        while stream.tell() < size:
            block = os.urandom(min(1 << 24, size - stream.tell()))
            digest.update(block)
            stream.write(block)
    entry = {
        "Name": NAME,
        "Path": NAME,
        "Type": "blob",
        "Size": size,
        "Sha256": digest.hexdigest(),
        "Revision": "master",
    }
    listing = {"Code": 200, "Success": True, "Data": {"Files": [entry]}}
    (folder / "hub" / "listing.json").write_text(json.dumps(listing))
    # As huggingface_hub 2.4.0 reads them (hf_api.py).
    info = {"id": ID, "sha": COMMIT, "private": False, "gated": False, "siblings": [{"rfilename": NAME}]}
    (folder / "hub" / "revision.json").write_text(json.dumps(info))
    lfs = {"oid": digest.hexdigest(), "size": size, "pointerSize": 135}
    tree = [{"type": "file", "path": NAME, "size": size, "oid": "b" * 40, "lfs": lfs}]
    (folder / "hub" / "tree.json").write_text(json.dumps(tree))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
    folder.chmod(0o755)
    with subprocess.Popen([nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]) as server:
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(port: int) -> None:
    """Wait until the server listens."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit("nginx does not listen")


def with_the_command(hub: str, endpoint: str, folder: Path) -> float:
    """Seconds of the hub's own command into a fresh directory."""
    program = {"modelscope": "modelscope", "huggingface": "hf"}[hub]
    command = [str(Path(sys.executable).parent / program), "download", ID, "--local-dir", str(folder / "plain")]
    own = {"MODELSCOPE_ENDPOINT": endpoint, "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    own |= {"HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_XET": "1"}
    environment = {**os.environ, **own, "HOME": str(folder / "home"), "no_proxy": "127.0.0.1"}
    begun = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    seconds = time.monotonic() - begun
    shutil.rmtree(folder / "plain")
    return seconds


def with_the_store(spec: dict[str, Any]) -> float:
    """Seconds of the job in its own process, as systemd would start it, into a fresh directory."""
    begun = time.monotonic()
    subprocess.run([sys.executable, __file__, "--job", json.dumps(spec)], check=True)
    return time.monotonic() - begun


def again(spec: dict[str, Any]) -> tuple[float, float]:
    """Wall and CPU seconds of the whole module (including Python's start and all imports) when there is nothing to do."""
    module = ROOT / "plugins" / "modules" / "hub_model.py"
    sources = [{key: one[key] for key in ("hub", "id", "revision")} for one in spec["sources"]]
    arguments = {"ANSIBLE_MODULE_ARGS": {"sources": sources, "path": spec["path"]}}
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, str(module)],
        input=json.dumps(arguments),
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, used = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if json.loads(done.stdout)["changed"]:
        sys.exit(f"the run after was to change nothing: {done.stdout}")
    return seconds, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        fetch.run_job(json.loads(arguments.job), Quiet())
        return
    with tempfile.TemporaryDirectory() as name, served(Path(name), arguments.megabytes * 10**6) as endpoint:
        (Path(name) / "home").mkdir()
        os.environ["no_proxy"] = "127.0.0.1"
        figures = {hub: measure(hub, endpoint, Path(name), arguments.rounds) for hub in ("modelscope", "huggingface")}
    print(json.dumps({"bytes": arguments.megabytes * 10**6, "rounds": arguments.rounds, **figures}, indent=2))


def measure(hub: str, endpoint: str, folder: Path, rounds: int) -> dict[str, Any]:
    """The figures of one hub."""
    given: dict[str, Any] = {
        "sources": [{"hub": hub, "id": ID}],
        "hubs": {hub: {"endpoint": endpoint, "client": sys.prefix}},
        "include": ["*"],
        "exclude": [],
        "path": str(folder / "models" / ID),
        "sha256": {},
        "staging": None,
        "verify_checksums": False,
        "retries": 1,
        "idle_timeout": 30,
        "timeout": 3600,
    }
    spec = parameters.model_spec(given)
    plain, store, after = [], [], []
    for _ in range(rounds):
        plain.append(with_the_command(hub, endpoint, folder))
        store.append(with_the_store(spec))
        after.append(again(spec))
        shutil.rmtree(folder / "models")
    return {
        "command_seconds": [round(value, 2) for value in plain],
        "model_store_seconds": [round(value, 2) for value in store],
        "ratio": round(statistics.median(ours / theirs for ours, theirs in zip(store, plain, strict=True)), 3),
        "run_after_seconds": round(min(wall for wall, _cpu in after), 3),
        "run_after_cpu_seconds": round(min(cpu for _wall, cpu in after), 3),
    }


if __name__ == "__main__":
    main()
