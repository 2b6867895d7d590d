# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Look at models that are not on this device yet: what they say of themselves, how large they are, where they would come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import about, errors, listing, local, plan, ranges
from ansible_collections.jetson.thor.plugins.module_utils.models.about import Files


def look(model: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What one model says, from the first of its hubs that can deliver it, from its address, or from its folder.

    ``model``: an item of model_look's ``models``; ``settings``: retries, idle_timeout, and by hub its endpoint and token. Returns
    ``about`` (facts), ``bytes`` and, of a hub, ``hub``, ``id``, ``revision`` and ``commit``. Raises FetchError.
    """
    spec = {**model, **{key: settings[key] for key in ("retries", "idle_timeout")}}
    origin: dict[str, Any] = {}
    if model["source"] == "hub":
        spec["sources"] = [{**one, **settings["hubs"][one["hub"]]} for one in model["sources"]]
        found = plan.listed(spec)
        origin = {**{key: found.source[key] for key in ("hub", "id", "revision")}, "commit": found.commit}
        files = ranges.of_listing(spec, found)
    elif model["source"] == "url":
        files = ranges.of_url(spec)
    else:
        files = _folder(spec)
    if not files.sizes:
        raise _nothing(spec)
    try:
        said = about.about_of(files, model.get("file"), model["whole"])
    except OSError as error:  # a local file that goes away, or that root may not read
        raise errors.bad_path(Path(spec["path"]), f"cannot be read: {error.strerror}") from error
    return {**origin, "about": said.to_facts(), "bytes": sum(files.sizes.values()), "files": len(files.sizes)}


def _nothing(spec: Mapping[str, Any]) -> errors.FetchError:
    remedy = "Correct include and exclude, or file: they name files of the model."
    return errors.FetchError(
        "THOR-MODEL-EMPTY", f"{spec['key']}.include", spec.get("include"), "no file of the model matches.", remedy
    )


def _folder(spec: Mapping[str, Any]) -> Files:
    """The files of a local model: those that a service would use, as local_model hashes them. Raises FetchError.

    Links that lead nowhere are faults of the host, which local.py reports.
    """
    folder = Path(spec["path"])
    names = [name for name in (spec.get("file"), spec.get("projector")) if name]
    if not folder.is_dir():
        raise errors.bad_path(folder, "cannot be read: it is no directory")
    try:
        found = {
            name: path.stat().st_size for name, path in local.files_of(str(folder), names).items() if path.exists()
        }
    except OSError as error:
        raise errors.bad_path(folder, f"cannot be read: {error.strerror}") from error
    if len(found) > listing.MAX_FILES:
        raise errors.bad_path(folder, f"has more than {listing.MAX_FILES:,} files")
    return about.on_disk(folder, found)
