# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Digests of images that others recorded, compared with what the first pull by the tag brings.

A tag names an index (a list of images, one for each architecture) or a manifest (one image). dockerd reports the digest of what the
tag names; people record either. Where the tag names an index and only the manifest was recorded, the manifest is pulled as well:
that fetches no layer if it is the image that is there, and is stopped if it would fetch one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import logins, references
from ansible_collections.jetson.thor.plugins.module_utils.images.pull import OtherLayers, Puller
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import ImageError, image_error

# The media types of an index: OCI's image-spec, media-types.md, and Docker's older manifest list.
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
# What tells two images apart in either of dockerd's stores: the digests of their unpacked layers, and what a container gets.
IDENTITY = ("RootFS", "Config", "Created", "Architecture")


def confirm(puller: Puller, image: Mapping[str, Any], digest: str) -> dict[str, str] | None:
    """Which recorded digest the image with this ``digest`` has, ``{"what": "index" or "manifest", "digest": ..}``.

    None where nobody recorded one. Raises ImageError THOR-IMAGE-DIGEST if it has another one.
    """
    recorded = {what: one for what, one in (image.get("expected") or {}).items() if one}
    if not recorded:
        return None
    for what, one in recorded.items():
        if one == digest:
            return {"what": _kind(puller, image, digest) if what == "either" else what, "digest": one}
    for what in ("manifest", "either"):
        one = recorded.get(what)
        if one and _is_manifest_of(puller, image, digest, one):
            return {"what": "manifest", "digest": one}
    raise _differs(image, digest, recorded)


def _kind(puller: Puller, image: Mapping[str, Any], digest: str) -> str:
    """Whether a digest is that of an index or of a manifest. The registry says it; ``either`` if it does not answer."""
    path = f"/distribution/{references.by_digest(image['reference'], digest)}/json"
    try:
        answer = puller.docker.request("GET", path, headers=logins.header(puller.spec, image["reference"]))
        return "index" if answer["Descriptor"]["mediaType"] in INDEXES else "manifest"
    except (DockerError, KeyError, TypeError):
        return "either"


def _is_manifest_of(puller: Puller, image: Mapping[str, Any], digest: str, manifest: str) -> bool:
    """Whether ``manifest`` names the image that the tag brought. Leaves no second name behind."""
    name = references.by_digest(image["reference"], manifest)
    try:
        puller.pull(image, manifest, only_known_layers=True)
        return _identity(puller.docker, name) == _identity(
            puller.docker, references.by_digest(image["reference"], digest)
        )
    except OtherLayers:
        return False
    except ImageError as error:
        if error.problem.code in ("THOR-IMAGE-UNKNOWN", "THOR-IMAGE-PLATFORM"):
            return False
        raise
    finally:
        with contextlib.suppress(DockerError):
            puller.docker.delete(f"/images/{name}")


def _identity(docker: Docker, name: str) -> list[Any]:
    found = docker.get(f"/images/{name}/json")
    return [found.get(key) for key in IDENTITY]


def _differs(image: Mapping[str, Any], digest: str, recorded: Mapping[str, str]) -> ImageError:
    engine, version, reference = image["engine"], image["version"], image["reference"]
    words = " and ".join(f"{one} ({what})" if what != "either" else one for what, one in recorded.items())
    reason = f"the registry's image is {digest}, and others recorded {words} for this tag"
    remedy = (
        f"If you want what the registry has now, pin it: thor_extra_engines: {{{engine}: {{versions: {{{version!r}: "
        f"{{digest: {digest!r}}}}}}}}}, or script/lock --digest {engine}:{version}={digest}. Otherwise choose another version "
        f"(thor_engine_versions); `docker image rm {references.tagged(reference)}` removes what was pulled."
    )
    return image_error("THOR-IMAGE-DIGEST", image, reason, remedy)
