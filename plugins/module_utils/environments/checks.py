# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is checked of a Python environment beyond its hashes: code for the GPU, and the options of its engine."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import asked_flags, cuda_code, kept_flags
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter


def is_proven(proof: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> bool:
    """Whether a record's ``cuda_code`` shows what is ``wanted``: each library that the engine cannot do without has code for the GPU."""
    if wanted is None:
        return True
    return proof is not None and cuda_code.is_enough(proof.get("libraries", {}), wanted)


def prove(packages: Path, wanted: Mapping[str, Any] | None, state: Path, report: Reporter) -> dict[str, Any] | None:
    """Read the CUDA code in every library; the record of it, or None if nobody wants to know. Raises JobFailed.

    ``packages``: site-packages, because the catalog names files as wheels do.
    """
    if wanted is None:
        return None

    def show(done: int, total: int, name: str) -> None:
        report.progress(done, total, "libraries", f"look for CUDA code in {name}")

    try:
        return cuda_code.prove(packages, wanted, state, progress=show)
    except cuda_code.CudaCodeError as error:
        raise JobFailed(str(error), problems=[problem.as_dict() for problem in error.problems]) from error


def damaged(engine: str, version: str, damage: str) -> str:
    """The warning about an environment that is no longer as it was installed. ``damage``: of finished.damage()."""
    return (
        f"THOR-ENVIRONMENT-DAMAGED: {socket.gethostname()}: thor_services[{engine} {version}].packages: {damage}. The environment is "
        "installed again from its lock, and its services restart. If it happens again, find out what changes it (a pip install "
        "there, for example), and check the disk (sudo journalctl -k)."
    )


def is_asked(spec: Mapping[str, Any], fingerprint: str) -> bool:
    """Whether the engine has accepted the services' arguments and models; keys of ``spec`` as in :func:`ask`.

    ``parser`` is None if a list of its options is stored.
    """
    if spec["parser"] is None:
        return True
    kept = kept_flags.read(spec["engine"], fingerprint)
    return kept_flags.is_asked(kept, spec["parser"], spec["argvs"] or {}, spec["wanted"])


def ask(tree: Path, fingerprint: str, spec: Mapping[str, Any], report: Reporter) -> None:
    """Ask the engine for its options, and what its parser says of the services' arguments. Raises JobFailed.

    Keys of ``spec``: ``engine``, ``version``, ``parser``, ``argvs``, ``wanted``. A refused option leaves the environment in place, as
    with builds.
    """
    report.progress(0, 0, text="ask the engine for its options")
    subject = asked_flags.Subject(
        spec["engine"], spec["version"], fingerprint, spec["parser"], spec["argvs"], spec["wanted"]
    )
    python = str(tree / "bin/python")
    images = record.digests(record.read_record())
    problems = asked_flags.settle(subject, lambda: asked_flags.ask([python], spec["parser"], spec["argvs"]), images)
    if problems:
        text = "\n".join(problem.text() for problem in problems)
        raise JobFailed(text, problems=[problem.as_dict() for problem in problems])


def options(engine: str, fingerprint: str) -> list[str] | None:
    """The names of the options that the engine was asked for; None if it was not."""
    answer = kept_flags.read(engine, fingerprint)
    return sorted(answer["options"]) if answer else None
