# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The lock pins what the catalog only names."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import HUBS, artifact_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact


def test_the_lock_pins_what_the_catalog_only_names() -> None:
    model = {"modelscope": "a/b", "revision": "master", "bytes": 5, "estimated": True}
    files = {"x": {"size": 3, "sha256": "ff"}, "y": {"size": 4, "sha256": None}}
    lock = {"models": {"m": {"id": "a/b", "revision": "v1", "files": files}}}
    artifact = artifact_of("m", model, lock, HUBS)
    assert isinstance(artifact, HubArtifact)
    assert (artifact.revision, artifact.bytes, artifact.estimated) == ("v1", 7, False)
    assert artifact.sha256 == {"x": "ff"}
    assert artifact_of("m", {**model, "include": ["x"]}, lock, HUBS).bytes == 3
    # The lock speaks of the catalog's model, not of another one that an inventory puts under its name.
    other = artifact_of("m", {**model, "modelscope": "mine/b"}, lock, HUBS)
    assert isinstance(other, HubArtifact)
    assert (other.revision, other.sha256) == ("master", {})
