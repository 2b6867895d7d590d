# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Archives: redacted, bounded, and complete in spite of parts that cannot be read."""

from __future__ import annotations

import io
import random
import tarfile

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.redaction import Secrets
from ansible_collections.jetson.thor.plugins.module_utils.support import bundle
from ansible_collections.jetson.thor.plugins.module_utils.support.bundle import LEFT_OUT, Bundle

SECRETS = Secrets(values=frozenset({"sesame-open-2026"}))


def opened(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        assert all(entry.mode == 0o600 and entry.isreg() for entry in archive)
        return {entry.name: (archive.extractfile(entry) or io.BytesIO()).read().decode() for entry in archive}


def test_texts_are_redacted_and_below_one_folder() -> None:
    made = Bundle("thor01", SECRETS, 1795737600)
    made.add("files/etc/x", "the key is sesame-open-2026\n")
    made.add("empty", "")
    made.add("nothing", None)
    found = opened(made.packed())
    assert found == {"thor01/files/etc/x": "the key is [redacted]\n", f"thor01/{LEFT_OUT}": "nothing\n"}


def test_a_part_that_cannot_be_read_is_told_and_costs_no_other() -> None:
    def broken() -> str:
        raise OSError(5, "Input/output error, sesame-open-2026")

    made = Bundle("h", SECRETS, 0)
    made.collect("dmesg.txt", broken)
    made.collect("fine.txt", lambda: "fine")
    found = opened(made.packed())
    assert found["h/fine.txt"] == "fine"
    assert "dmesg.txt: OSError" in found[f"h/{LEFT_OUT}"] and "sesame" not in found[f"h/{LEFT_OUT}"]


def test_of_a_long_text_the_end_counts_and_no_half_of_a_secret_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "TEXT_MOST", 40)
    made = Bundle("h", SECRETS, 0)
    made.add("long", "begin\n" + "x" * 20 + " sesame-open-2026\nthe last line\n")
    assert made.texts["long"] == "the last line\n"
    assert made.left_out == ["long: all but the last 40 of 52 bytes"]


def test_a_bundle_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "ALL_MOST", 5000)
    monkeypatch.setattr(bundle, "PACKED_MOST", 1500)
    noise = random.Random(1)
    made = Bundle("h", Secrets(), 0)
    made.add("large", "".join(noise.choice("abcdefghijklmnop") for _ in range(4000)))
    made.add("small", "short text")
    made.add("late", "y" * 2000)
    data = made.packed()
    assert len(data) <= 1500
    found = opened(data)
    assert set(found) == {"h/small", f"h/{LEFT_OUT}"}
    assert (
        "late: the bundle is full" in found[f"h/{LEFT_OUT}"] and "large: the archive would be" in found[f"h/{LEFT_OUT}"]
    )
