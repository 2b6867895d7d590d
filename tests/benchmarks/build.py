# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""CPU seconds of a build of the pinned llama.cpp: the reference post's recipe, the role's, and that with a warm cache.

    PYTHONPATH=collections python tests/benchmarks/build.py --source llama_cpp_python-0.3.36.tar.gz [--only post,cold,warm] [--folder DIR]

All for the CPU. The role's build is the collection's own job (module_utils/builds) with the role's own settings,
in its own folder. It takes about 25 minutes on two idle cores; with --folder the parts can run one by one. Prints JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jetson.thor.plugins.module_utils.builds import job
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import inputs
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolchain as tools
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import builds
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import BuildSettings

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"cold": 0.65, "warm": 0.02}
JOBS = 2


class Bench:
    """One folder with the unpacked source, the role's state and the results so far."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self.folder = folder
        inventory = yaml.safe_load((ROOT / "inventories/sandbox/group_vars/all.yml").read_text(encoding="utf-8"))
        ((self.version, known),) = inventory["thor_extra_engines"]["llama.cpp"]["versions"].items()
        self.source = {**known["source"], "archive": archive.resolve().as_uri()}
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != self.source["sha256"]:
            sys.exit(f"{archive} is not the pinned archive {known['source']['archive'].rsplit('/', 1)[-1]}")

    def post(self) -> None:
        """``cmake -B build; cmake --build build -j --config Release``, with -j limited like the role's."""
        tree = self.folder / "post"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        subprocess.run(["tar", "-xf", self.source["archive"].removeprefix("file://"), "-C", tree], check=True)
        source = tree / self.source["subdirectory"]
        # The post's machine has no compiler cache; GGML_CCACHE would use one that happens to exist here.
        environment = {**os.environ, "CCACHE_DISABLE": "1"}
        for command in (["cmake", "-B", "build"], ["cmake", "--build", "build", f"-j{JOBS}", "--config", "Release"]):
            subprocess.run(command, cwd=source, env=environment, check=True, stdout=sys.stderr)
        shutil.rmtree(tree)

    def cold(self) -> None:
        """The role's build from nothing but the source."""
        self._build(fresh=True)

    def warm(self) -> None:
        """The same again, as after an upgrade that changed no code: only the compiler cache is left."""
        self._build(fresh=False)

    def _build(self, fresh: bool) -> None:
        if fresh:
            shutil.rmtree(self.folder / "ccache", ignore_errors=True)
        for name in ("engines", "state"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        jobs = self.folder / "job"
        jobs.mkdir(parents=True, exist_ok=True)
        service = {
            "name": "chat",
            "role": "llama_cpp",
            "engine": "llama.cpp",
            "version": self.version,
            "source": self.source,
            "argv": ["llama-server"],
        }
        toolchain, architecture = tools.observe(), platform.machine()
        host = {"toolchain": toolchain, "architecture": architecture, "builds": {}}
        (build,) = builds.due([service], host, {"llama_cpp": BuildSettings(cuda=False)})
        spec = {
            "inputs": inputs(vars(build), toolchain, architecture),
            "source": self.source,
            "version_text": self.version,
            "argvs": build.argvs,
            "nvcc": None,
            "jobs": JOBS,
            "prefix": str(self.folder / "engines"),
            "state": str(self.folder / "state"),
            "ccache": str(self.folder / "ccache"),
            "environment": {},
        }
        job.run_job(spec, ToLog(jobs))


class ToLog(Reporter):
    """The job's output, beside the JSON."""

    def say(self, line: str) -> None:
        """See job.Reporter."""
        print(line, file=sys.stderr, flush=True)


def measure(work: Callable[[], None]) -> dict[str, float]:
    """CPU seconds of this process and its children, and wall seconds, of one call."""

    def spent() -> float:
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    begun, before = time.monotonic(), spent()
    work()
    return {"cpu_seconds": round(spent() - before, 1), "wall_seconds": round(time.monotonic() - begun, 1)}


def report(parts: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The figures, and their ratios to the post's recipe if both were measured."""
    result: dict[str, Any] = {"benchmark": "build", "parts": parts, "ratios": {}, "passed": True}
    for name, limit in LIMITS.items():
        if "post" in parts and name in parts:
            ratio = round(parts[name]["cpu_seconds"] / parts["post"]["cpu_seconds"], 4)
            result["ratios"][name] = {"ratio": ratio, "limit": limit}
            result["passed"] &= ratio <= limit
    return result


def main() -> int:
    """Run the command; 1 if a limit is exceeded."""
    default = ROOT / ".sandbox/hub/sources/llama_cpp_python-0.3.36.tar.gz"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=default, help="the pinned archive (default: the sandbox's)")
    parser.add_argument("--only", default="post,cold,warm", help="parts to run; warm needs the cache that cold left")
    parser.add_argument("--folder", type=Path, help="where to work, and where parts that were run before are kept")
    arguments = parser.parse_args()
    if not arguments.source.exists():
        parser.error(f"{arguments.source} is not there: script/sandbox hub fetches it")
    with tempfile.TemporaryDirectory(prefix="thor-build-") as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "parts.json"
        parts: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.exists() else {}
        bench = Bench(folder, arguments.source)
        for name in arguments.only.split(","):
            parts[name] = measure({"post": bench.post, "cold": bench.cold, "warm": bench.warm}[name])
            kept.write_text(json.dumps(parts))
        result = report(parts)
        print(json.dumps(result, indent=1))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
