# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job of the module engine_image: pull missing images, check the GPU in them, add packages, prune the rest."""

from __future__ import annotations

import contextlib
import copy
import socket
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import asked_flags, cuobjdump
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import (
    ask,
    derive,
    expected,
    gpu_check,
    logins,
    predict,
    prune,
    record,
    references,
)
from ansible_collections.jetson.thor.plugins.module_utils.images.pull import Puller
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import ImageError, docker_error
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

REQUEST_SECONDS = 60.0
# After one of these the next image would fail the same way.
FATAL = (
    "THOR-CLOCK-WRONG",
    "THOR-IMAGE-DISK",
    "THOR-IMAGE-DOCKER",
    "THOR-IMAGE-INTERRUPTED",
    "THOR-REGISTRY-DOWN",
)


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """``spec`` is the parameters of the module. Raises JobFailed with all problems."""
    held = record.read_record()
    before = predict.lines_of(held)
    problems: list[Problem] = []
    result: dict[str, Any] = {"pulled": [], "checked": [], "asked": [], "derived": [], "pruned": [], "kept": {}}
    try:
        run = _Run(spec, report, held, result)
        for image in spec["images"]:
            try:
                problems += run.provide(image)
            except ImageError as error:
                problems.append(error.problem)
                if error.problem.code in FATAL:
                    break
        if not problems:
            run.clean_up()
    except DockerError as error:
        problems.append(docker_error(error).problem)
    result["unlocked"], notes = unlocked(spec, held)
    result["images"] = {name: entry["digest"] for name, entry in held["images"].items()}
    result["changed"] = bool(result["pulled"] or result["derived"] or result["pruned"])
    if result["changed"]:
        result["diff"] = predict.diff_of(before, predict.lines_of(held))
    if problems:
        host = socket.gethostname()
        texts = [problem.text().replace(": ", f": {host}: ", 1) for problem in problems]
        result["problems"] = [problem.as_dict() for problem in problems]
        raise JobFailed(logins.hidden("\n".join(texts), spec), **logins.hidden(result, spec))
    return {**logins.hidden(result, spec), "warnings": notes}


class _Run:
    """One run over the images of a host."""

    def __init__(self, spec: Mapping[str, Any], report: Reporter, held: record.Record, result: dict[str, Any]) -> None:
        self.docker = Docker(timeout=REQUEST_SECONDS)
        self.puller = Puller(self.docker, spec, report)
        self.spec = spec
        self.report = report
        self.held = held
        self.result = result

    def provide(self, image: Mapping[str, Any]) -> list[Problem]:
        """Have one image pulled, tagged, recorded and checked, with the packages it needs, and its engine asked for its options.

        Returns what the engine refuses. Raises ImageError.
        """
        local = record.Local.ask(self.docker)
        digest = predict.digest_for(image, self.held, local)
        if digest is None or not local.has(image["reference"], digest):
            digest, architecture = self._pull(image, digest)
        else:
            architecture = self.puller.architecture(image, digest)
        before = copy.deepcopy(self.held)
        pinned = image["digest"] or predict.recorded_digest(image, self.held)
        confirmed = None if pinned else expected.confirm(self.puller, image, digest)
        record.note(self.held, image["reference"], digest, architecture, confirmed)
        entry = self.held["images"][image["reference"]]
        entry["architecture"] = architecture
        if self.held != before:
            record.write_record(self.held)
        self._check_gpu(image, entry)
        self._derive(image, entry, local)
        return self._ask(image, entry["digest"])

    def _ask(self, image: Mapping[str, Any], digest: str) -> list[Problem]:
        if not ask.is_due(image, digest):
            return []
        self.report.progress(0, 0, text=f"{image['reference']}: asking the engine for its options")
        subject, images = ask.subject_of(image, digest), record.digests(self.held)
        problems = asked_flags.settle(subject, lambda: ask.ask(self.docker, image, digest), images)
        self.result["asked"].append(image["reference"])
        return problems

    def _pull(self, image: Mapping[str, Any], digest: str | None) -> tuple[str, str]:
        """Digest and architecture of an image that dockerd did not have."""
        reference = image["reference"]
        found = self.puller.pull(image, digest)
        try:
            architecture = self.puller.architecture(image, found)
        except ImageError:
            # Nobody else uses it: dockerd did not have it before.
            for name in [
                *([references.tagged(reference)] if digest is None else []),
                references.by_digest(reference, found),
            ]:
                with contextlib.suppress(DockerError):
                    self.docker.delete(f"/images/{name}")
            raise
        self.puller.tag(image, found)
        self.result["pulled"].append(reference)
        return found, architecture

    def _check_gpu(self, image: Mapping[str, Any], entry: dict[str, Any]) -> None:
        spec, environments = self.spec, gpu_check.environments_of(image)
        if not gpu_check.holds(
            entry["proof"],
            spec["require_gpu"],
            spec["l4t"],
            spec["toolkit"],
            environments,
            image.get("entrypoint"),
            image.get("cuda_code"),
            cuobjdump.find() is not None,
        ):
            self.report.progress(0, 0, text=f"{image['reference']}: checking the GPU in a container")
            entry["proof"] = gpu_check.check(self.docker, image, entry["digest"], spec)
            record.write_record(self.held)
            self.result["checked"].append(image["reference"])

    def _derive(self, image: Mapping[str, Any], entry: dict[str, Any], local: record.Local) -> None:
        for packages in record.lacking_extras(image, entry["extras"], local.has_extra):
            made = derive.derive(self.docker, image, entry["digest"], packages, self.spec, self.report)
            entry["extras"][derive.key_of(packages)] = {"id": made}
            record.write_record(self.held)
            if made:
                self.result["derived"].append(f"{image['reference']} with {', '.join(packages)}")

    def clean_up(self) -> None:
        """Drop what was kept of interrupted pulls, and unused images if asked to."""
        self.puller.cache.clear()
        if self.spec["prune"]:
            self.result["pruned"], self.result["kept"] = prune.prune(self.docker, self.held, self.spec["images"])


def unlocked(spec: Mapping[str, Any], held: record.Record) -> tuple[list[dict[str, str]], list[str]]:
    """Images that the lock does not pin, with the digest that the registry returned, and a note on how to lock each."""
    entries, notes = [], []
    for image in spec["images"]:
        entry = held["images"].get(image["reference"])
        if image["digest"] or not entry:
            continue
        engine, version, digest = str(image["engine"]), str(image["version"]), entry["digest"]
        entries.append({"engine": engine, "version": version, "image": image["reference"], "digest": digest})
        known = entry["confirmed"]
        which = f", the one that others recorded for its {known['what']}" if known else ""
        notes.append(
            f"THOR-IMAGE-UNLOCKED: {socket.gethostname()}: {image['reference']} is not in the lock; this host keeps the digest that "
            f"the registry returned{which}. For all hosts: script/lock --digest {engine}:{version}={digest}"
        )
    return entries, notes
