# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the decode rate that bench.yml reports is the one that llama.cpp itself measures (``timings``).

The model takes at least 20 ms per token on this machine's CPU. It is created, put on the sandbox's hub and served by the real
llama-server on a sandbox host, which bench.yml then measures. Prints JSON; the target: within 2 %. At the end the host serves the
services of its inventory again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.sandbox import hub

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 0.02
SLOW = 0.020  # seconds a token
ID = "sandbox/slow-GGUF"


def run(*command: str) -> None:
    """Run a command that must succeed."""
    environment = {**os.environ, "NO_COLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")


def publish(layers: int) -> int:
    """Make the model and put it on the hub; its size in bytes."""
    hub.LAYERS, hub.FEED_FORWARD = layers, 4096
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "slow-q8_0.gguf"
        hub.make_language_model(file, hub.ANSWER, seed=5)
        run("script/sandbox", "publish", ID, "master", folder)
        return file.stat().st_size


def main() -> None:
    """Serve, measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/sandbox")
    parser.add_argument("--host", default="thor01")
    parser.add_argument("--layers", type=int, default=48, help="more take longer")
    arguments = parser.parse_args()
    size = publish(arguments.layers)
    bin_ = Path(sys.executable).parent
    listing = [str(bin_ / "ansible-inventory"), "-i", arguments.inventory, "--host", arguments.host]
    own = json.loads(subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    model = {
        **own["thor_extra_models"]["tiny-q8-0"],
        "modelscope": ID,
        "file": "slow-q8_0.gguf",
        "bytes": size,
    }
    profile = {**own["thor_extra_profiles"]["tiny-llama-cpp"], "model": "slow", "memory_gib": 4}
    served = {
        "thor_extra_models": {**own["thor_extra_models"], "slow": model},
        "thor_extra_profiles": {**own["thor_extra_profiles"], "slow-llama-cpp": profile},
        "thor_profiles": [{"profile": "slow-llama-cpp", "name": "chat", "thinking": False}],
    }
    play = [str(bin_ / "ansible-playbook"), "-i", arguments.inventory, "-l", arguments.host]
    with tempfile.TemporaryDirectory() as results:
        run(*play, "site.yml", "-e", json.dumps(served))
        lengths = {"bench_input_tokens": 256, "bench_requests": 4, "bench_concurrency": [1], "bench_tools": False}
        run(*play, "playbooks/bench.yml", "-e", json.dumps({**served, **lengths, "thor_bench_results": results}))
        (file,) = Path(results).glob("*.json")
        found = compare(json.loads(file.read_text(encoding="utf-8")))
    run(*play, "site.yml")
    print(json.dumps({"host": arguments.host, "model_bytes": size, **found}, indent=2))
    if not found["within_limit"]:
        sys.exit(1)


def compare(document: dict[str, Any]) -> dict[str, Any]:
    """From the result to the figures."""
    load = document["services"][0]["loads"][0]
    ours, theirs = (load[name]["median"] for name in ("decode_tokens_per_s", "engine_decode_tokens_per_s"))
    difference = abs(ours / theirs - 1)
    return {
        "requests": load["requests"],
        "output_tokens": load["output_tokens"],
        "milliseconds_a_token": round(1000 / theirs, 2),
        "bench_tokens_per_second": load["decode_tokens_per_s"],
        "server_tokens_per_second": load["engine_decode_tokens_per_s"],
        "difference": round(difference, 5),
        "limit": LIMIT,
        "slow_enough": 1 / theirs >= SLOW,
        "within_limit": difference <= LIMIT and 1 / theirs >= SLOW,
    }


if __name__ == "__main__":
    main()
