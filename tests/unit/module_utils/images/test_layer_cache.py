# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Finished layers of an interrupted pull."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.images.layer_cache import cache_name
from fake_dockerd import Dockerd
from image_runs import ONE, VLLM, failed, image, run, spec


def test_the_classic_store_keeps_finished_layers_in_their_order(dockerd: Dockerd, tmp_path: Path) -> None:
    ids = dockerd.root / "image/overlay2/distribution/diffid-by-digest/sha256"
    ids.mkdir(parents=True)
    for name in "abc":
        (ids / (name * 64)).write_text(f"sha256:{name}-unpacked")
    events = [{"status": "Pulling fs layer", "id": name * 12} for name in "abc"]
    done = [{"status": "Pull complete", "id": name * 12} for name in "acb"]
    dockerd.pulls = [[*events, done[0], done[1], {"error": "unexpected EOF"}]]
    failed(tmp_path, spec(image()))

    def held() -> list[list[str]]:
        found = []
        for (_method, path), body in zip(dockerd.asked, dockerd.bodies, strict=True):
            if path == "/images/load":
                with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                    config = archive.extractfile(archive.getnames()[0])
                    assert config is not None
                    found.append(json.loads(config.read())["rootfs"]["diff_ids"])
        return found

    assert held() == [["sha256:a-unpacked"]], "c waits for b: alone it could not be found again"
    # Kept layers must not be replaced by fewer while dockerd announces them one by one.
    short = cache_name(VLLM)
    dockerd.add(
        f"thor-partial:{short}", layers=["sha256:a-unpacked", "sha256:b-unpacked"], Labels={"thor-partial": short}
    )
    there = [{"status": "Already exists", "id": name * 12} for name in "ab"]
    finished = [{"status": "Pull complete", "id": "c" * 12}, {"status": f"Digest: {ONE}"}]
    dockerd.asked.clear()
    dockerd.bodies.clear()
    dockerd.pulls = [[*there, events[2], *finished]]
    run(tmp_path, spec(image()))
    assert held() == [["sha256:a-unpacked", "sha256:b-unpacked", "sha256:c-unpacked"]]
    assert dockerd.names() == {VLLM, f"hub:5000/nvidia/vllm@{ONE}"}, "only the image is left at the end"
