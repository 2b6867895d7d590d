# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What it costs to know that 20 models are present: a stat a file, and under 0.5 s for all. Prints JSON.

Measured twice: as the observation of a host sees them (a run that has nothing to do costs no more), and as the module hub_model sees
each of them when it runs. 1,200 files of three hubs' kinds; the files are empty, since nobody opens them.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import model_trees
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch, kept_about, local, parameters
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import record_of, write_manifest
from ansible_collections.jetson.thor.plugins.module_utils.observe import models

MODELS, FILES = 20, 60
SECONDS = 0.5
DIGEST = "0" * 64


def make(root: Path) -> list[Path]:
    """Models as a fetch leaves them."""
    folders = []
    for number in range(MODELS):
        folder = root / f"owner{number % 4}/model-{number:02d}"
        folder.mkdir(parents=True)
        records = {}
        for shard in range(FILES):
            name = f"model-{shard + 1:05d}-of-{FILES:05d}.safetensors"
            (folder / name).touch()
            records[name] = record_of(folder / name, DIGEST, "hub")
        origin = {
            "hub": "huggingface",
            "id": f"{folder.parent.name}/{folder.name}",
            "revision": "main",
            "commit": "a" * 40,
        }
        write_manifest(
            folder,
            {"schema": 1, "source": "hub", **origin, "include": ["*"], "exclude": [], "lock": "", "files": records},
        )
        folders.append(folder)
    return folders


@contextmanager
def counted() -> Iterator[collections.Counter[str]]:
    """How often each path is looked at with stat or lstat."""
    seen: collections.Counter[str] = collections.Counter()
    real = {name: getattr(os, name) for name in ("stat", "lstat")}

    def counting(name: str) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            seen[os.fspath(path) if not isinstance(path, int) else f"descriptor {path}"] += 1
            return real[name](path, *arguments, **named)

        return call

    for name in real:
        setattr(os, name, counting(name))
    try:
        yield seen
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def specification(folder: Path) -> dict[str, Any]:
    """What the role asks of the module hub_model."""
    params: dict[str, Any] = {
        "sources": [{"hub": "huggingface", "id": f"{folder.parent.name}/{folder.name}"}],
        "hubs": {},
        "include": ["*"],
        "exclude": [],
        "update": False,
        "beside": True,
        "path": str(folder),
        "sha256": {},
        "staging": None,
        "verify_checksums": False,
        "retries": 0,
        "idle_timeout": 1,
        "timeout": 60,
    }
    return parameters.model_spec(params)


def measure(act: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of the fastest of five, and how often the models' files were looked at."""
    seconds = []
    for _attempt in range(5):
        begin = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begin)
    with counted() as seen:
        act()
    of_files = {path: count for path, count in seen.items() if path.endswith(".safetensors")}
    return {
        "seconds": round(min(seconds), 4),
        "stats_a_file": max(of_files.values()),
        "files": len(of_files),
        "other_stats": sum(seen.values()) - sum(of_files.values()),
    }


def main() -> int:
    """Run it."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as home:
        root = Path(home, "models")
        model_trees.RECORD, local.RECORDS, kept_about.KEPT = (
            f"{home}/beside.json",
            Path(home, "local"),
            Path(home, "about"),
        )
        folders = make(root)
        models.observe(root, keep=True)  # what models say of themselves is read once

        def observe() -> None:
            found = models.observe(root)
            assert len(found) == MODELS and all(one["intact"] for one in found.values())

        def rerun() -> None:
            assert all(
                (fetch.settled(specification(one), check_mode=False) or {}).get("changed") is False for one in folders
            )

        measured = {"observe": measure(observe), "hub_model": measure(rerun)}
    sys.stdout.write(json.dumps({"models": MODELS, **measured, "seconds_allowed": SECONDS}, indent=1) + "\n")
    good = all(
        (one["seconds"] < SECONDS, one["stats_a_file"], one["files"]) == (True, 1, MODELS * FILES)
        for one in measured.values()
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
