# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Pulls images, one after the other, and does what dockerd does not.

* dockerd waits forever on a silent connection. We cut a pull without progress and ask again.
* Its classic store forgets finished layers (layer_cache.py).
* It notices a full disk only when the disk is full.
"""

from __future__ import annotations

import contextlib
import http.client
import platform
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import ARCHITECTURES, Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import logins, references
from ansible_collections.jetson.thor.plugins.module_utils.images.layer_cache import EXPANSION, LayerCache
from ansible_collections.jetson.thor.plugins.module_utils.images.progress import PullProgress, Stalled
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import (
    PLATFORM_WAY_OUT,
    PRUNE,
    ImageError,
    docker_error,
    explain,
    gave_up,
    image_error,
    interrupted,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

# An attempt that brings less is not progress: some connections deliver a few bytes before they go silent.
LASTING_BYTES = 1_000_000
PAUSE_SECONDS = (5, 10, 20, 40, 60)


class OtherLayers(Exception):
    """A pull that must not fetch layers would fetch one."""


class Puller:
    """Pulls images one after the other; dockerd itself fetches three layers at a time."""

    def __init__(self, docker: Docker, spec: Mapping[str, Any], report: Reporter) -> None:
        self.docker = docker
        self.spec = spec
        self.report = report
        self.cache = LayerCache(docker)
        self.shown = 0.0

    def pull(self, image: Mapping[str, Any], digest: str | None, only_known_layers: bool = False) -> str:
        """Pull an image, by its digest if known, and return its digest. Raises ImageError, and OtherLayers if asked to.

        Counts only attempts without lasting progress: on a bad line a pull may take as long as it moves.
        """
        futile, best = 0, 0
        self.cache.open(image["reference"])
        while True:
            progress = PullProgress(float(self.spec["stall_timeout"]))
            try:
                found = self._attempt(image, digest, progress, only_known_layers)
                if digest is None and self.cache.containerd:
                    # Otherwise the tag is its only name there, and the image is lost when somebody moves the tag.
                    self._attempt(image, found, progress)
                return found
            except ImageError as error:
                lasting = progress.bytes_done // LASTING_BYTES if self.cache.containerd else len(self.cache.kept)
                futile, best = (0, lasting) if lasting > best else (futile + 1, best)
                if not error.transient:
                    raise
                if futile >= self.spec["attempts"]:
                    raise gave_up(error, futile) from error
                self._pause(error, progress, PAUSE_SECONDS[min(futile, len(PAUSE_SECONDS) - 1)])

    def _pause(self, error: ImageError, progress: PullProgress, seconds: float) -> None:
        seconds = max(error.wait, seconds)
        self.report.say(f"{error.problem.text()} Retrying in {seconds:g} s.")
        self.report.progress(progress.bytes_done, progress.bytes_total, "B", f"retrying in {seconds:g} s")
        time.sleep(seconds)

    def _attempt(
        self, image: Mapping[str, Any], digest: str | None, progress: PullProgress, only_known_layers: bool = False
    ) -> str:
        reference = image["reference"]
        repository, tag = references.split(reference)
        path = f"/images/create?{urlencode({'fromImage': repository, 'tag': digest or tag})}"
        free = self.cache.free_bytes()
        events = self.docker.stream("POST", path, logins.header(self.spec, reference), progress.patience)
        try:
            with contextlib.closing(events):
                for event in events:
                    if event.get("error"):
                        raise explain(str(event["error"]), image, self.spec, progress.text())
                    if only_known_layers and event.get("status") == "Downloading":
                        raise OtherLayers
                    progress.update(event)
                    self._show(reference, progress)
                    self._refuse_full_disk(image, progress, free)
                    self.cache.keep(progress.finished_prefix())
        except DockerError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise _stalled(image, progress) from error
            if error.status is None:
                # A broken connection means dockerd was restarted; an answer in another shape will not change.
                broken = isinstance(error.__cause__, (OSError, http.client.HTTPException))
                raise docker_error(error, transient=broken) from error
            raise explain(error.message, image, self.spec, progress.text()) from error
        except Stalled as error:
            raise _stalled(image, progress) from error
        found = digest or progress.digest
        if not found:
            raise interrupted("the pull ended without a digest", image, progress.text())
        return found

    def _show(self, reference: str, progress: PullProgress) -> None:
        now = time.monotonic()
        if now - self.shown >= 0.5:
            self.shown = now
            text = f"{reference}, layer {progress.layers()}"
            self.report.progress(progress.bytes_done, progress.bytes_total, "B", text)

    def _refuse_full_disk(self, image: Mapping[str, Any], progress: PullProgress, free: int) -> None:
        required = self.cache.required_bytes(progress.bytes_total)
        if required > free:
            reason = (
                f"the layers known so far need about {required / 1e9:.1f} GB and {free / 1e9:.1f} GB are free in {self.cache.root} "
                f"(unpacked size estimated as {EXPANSION:g} times compressed)"
            )
            remedy = f"Free space there, or set container_runtime_data_root. {PRUNE}"
            raise image_error("THOR-IMAGE-DISK", image, reason, remedy)

    def architecture(self, image: Mapping[str, Any], digest: str) -> str:
        """The architecture of an image that dockerd has. Raises ImageError THOR-IMAGE-PLATFORM if it is not this machine's."""
        try:
            found = str(
                self.docker.get(f"/images/{references.by_digest(image['reference'], digest)}/json").get("Architecture")
            )
        except DockerError as error:
            raise docker_error(error) from error
        wanted = ARCHITECTURES.get(platform.machine(), platform.machine())
        if found != wanted:
            reason = f"it is built for {found}, and this host is {wanted} ({platform.machine()})"
            raise image_error("THOR-IMAGE-PLATFORM", image, reason, PLATFORM_WAY_OUT)
        return found

    def tag(self, image: Mapping[str, Any], digest: str) -> None:
        """Give the image its tag: ``docker image prune`` removes images without one."""
        repository, tag = references.split(image["reference"])
        name = references.by_digest(image["reference"], digest)
        self.docker.request("POST", f"/images/{name}/tag?{urlencode({'repo': repository, 'tag': tag})}")


def _stalled(image: Mapping[str, Any], progress: PullProgress) -> ImageError:
    words = f"nothing moved for {progress.allowed_silence():g} s (engine_image_stall_timeout)"
    return interrupted(words, image, progress.text())
