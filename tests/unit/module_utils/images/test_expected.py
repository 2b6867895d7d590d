# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Digests that others recorded, compared with what the first pull brings, in both of dockerd's stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from fake_dockerd import CONTAINERD, Dockerd
from image_runs import KEY, ONE, TWO, VLLM, failed, image, layers, login, pulled, run, spec

INDEX, MANIFEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}", f"sha256:{'c' * 64}"
NAME = "hub:5000/nvidia/vllm"


def recorded(**digests: str) -> dict[str, Any]:
    return {**image(), "expected": digests}


def again(digest: str) -> list[Any]:
    """The events of a pull whose layers are all there."""
    return [{"status": "Already exists", "id": "aaa"}, {"status": f"Digest: {digest}"}]


def brings(dockerd: Dockerd, digest: str, store: str, *more: list[Any]) -> None:
    """Let the tag bring this digest. The containerd store is asked twice, for the tag and for the digest."""
    dockerd.status = CONTAINERD if store == "containerd" else []
    dockerd.manifests = {INDEX: MANIFEST}
    dockerd.pulls = [pulled(digest), *([again(digest)] if store == "containerd" else []), *more]


def confirmed() -> Any:
    return record.read_record()["images"][VLLM]["confirmed"]


@pytest.mark.parametrize("store", ["classic", "containerd"])
@pytest.mark.parametrize(
    ("digests", "digest", "what"),
    [
        ({"index": INDEX}, INDEX, "index"),
        ({"index": INDEX, "manifest": MANIFEST}, INDEX, "index"),
        ({"manifest": ONE}, ONE, "manifest"),  # a tag for one architecture
        ({"either": INDEX}, INDEX, "index"),
        ({"either": ONE}, ONE, "manifest"),
    ],
)
def test_the_digest_of_the_tag_is_one_that_others_recorded(
    store: str, digests: dict[str, str], digest: str, what: str, dockerd: Dockerd, tmp_path: Path
) -> None:
    brings(dockerd, digest, store)
    result = run(tmp_path, spec(recorded(**digests)))
    assert (result["pulled"], dockerd.pulls) == ([VLLM], [])
    assert confirmed() == {"what": what, "digest": digest}
    assert f"the one that others recorded for its {what}" in result["warnings"][0]
    assert run(tmp_path, spec(recorded(**digests)))["changed"] is False


@pytest.mark.parametrize("store", ["classic", "containerd"])
@pytest.mark.parametrize("key", ["manifest", "either"])
def test_the_manifest_below_the_tag_is_one_that_others_recorded(
    key: str, store: str, dockerd: Dockerd, tmp_path: Path
) -> None:
    brings(dockerd, INDEX, store, again(MANIFEST))
    run(tmp_path, spec(recorded(**{key: MANIFEST})))
    assert confirmed() == {"what": "manifest", "digest": MANIFEST}
    assert record.read_record()["images"][VLLM]["digest"] == INDEX
    assert dockerd.names() == {VLLM, f"{NAME}@{INDEX}"}, (
        "the manifest's own name would keep the image from being pruned"
    )


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_an_older_image_whose_layers_are_all_there_is_not_the_one(store: str, dockerd: Dockerd, tmp_path: Path) -> None:
    brings(dockerd, INDEX, store, again(OTHER))
    said = failed(tmp_path, spec(recorded(manifest=OTHER)))
    assert "THOR-IMAGE-DIGEST" in said and INDEX in said and f"{OTHER} (manifest)" in said


@pytest.mark.parametrize("events", [layers("new"), [(404, "manifest unknown")]], ids=["other layers", "gone"])
def test_a_tag_that_was_built_again_is_refused_and_kept(events: list[Any], dockerd: Dockerd, tmp_path: Path) -> None:
    brings(dockerd, INDEX, "classic", events)
    wanted = recorded(index=TWO, manifest=OTHER)
    said = failed(tmp_path, spec(wanted))
    assert said.startswith("THOR-IMAGE-DIGEST: ") and INDEX in said and f"{TWO} (index) and {OTHER} (manifest)" in said
    assert f"script/lock --digest vllm:25.10={INDEX}" in said and f"docker image rm {VLLM}" in said
    assert record.read_record()["images"] == {}, "no service is switched to it"
    assert VLLM in dockerd.names(), "ten gigabytes are not fetched again when a person accepts them"
    # The next run finds it there, and does not take it for what was wanted.
    dockerd.pulls = [[(404, "manifest unknown")]]
    assert "THOR-IMAGE-DIGEST" in failed(tmp_path, spec(wanted))
    # A person who accepts it pins it.
    assert run(tmp_path, spec({**wanted, "digest": INDEX}))["images"] == {VLLM: INDEX}


def test_a_recorded_image_is_not_compared_again(dockerd: Dockerd, tmp_path: Path) -> None:
    brings(dockerd, ONE, "classic")
    run(tmp_path, spec(image()))
    assert run(tmp_path, spec(recorded(index=INDEX)))["changed"] is False
    assert confirmed() is None


def test_a_registry_that_fails_meanwhile_is_no_difference(dockerd: Dockerd, tmp_path: Path) -> None:
    brings(dockerd, INDEX, "classic", [(500, "connection refused")])
    assert "THOR-REGISTRY-DOWN" in failed(tmp_path, spec(recorded(manifest=MANIFEST)))


def test_the_registry_is_asked_with_its_login(dockerd: Dockerd, tmp_path: Path) -> None:
    brings(dockerd, INDEX, "classic")
    run(tmp_path, spec(recorded(either=INDEX), registry_logins=login("hub:5000")))
    asked = dict(zip([path for _method, path in dockerd.asked], dockerd.headers, strict=True))
    assert "X-Registry-Auth" in asked[f"/distribution/{NAME}@{INDEX}/json"] and KEY
