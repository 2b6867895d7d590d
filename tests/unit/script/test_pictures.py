# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The pictures of README.md: small, shown with words for those who do not see them, and of the tables as they are now."""

from __future__ import annotations

import re
import struct
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import scripts
import terminal_picture
import yaml
from playbook_run import play

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "docs" / "pictures"
FILES = sorted(FOLDER.iterdir())
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURES = scripts.load("pictures")


def lines(name: str) -> list[str]:
    """The text that a picture of a terminal shows."""
    return terminal_picture.lines_of((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_picture_is_small_and_shown(file: Path) -> None:
    assert file.stat().st_size < 150_000
    assert f"docs/pictures/{file.name}" in README
    assert file.suffix in (".svg", ".png")


def test_every_picture_of_the_page_exists_and_says_in_words_what_it_shows() -> None:
    shown = re.findall(r"<img [^>]*>", README)
    assert len(shown) == 3
    for image in shown:
        assert len(re.findall(r'alt="([^"]+)"', image)[0]) > 20, image
    named = re.findall(r'(?:src|srcset)="(docs/pictures/[^"]+)"', README)
    assert {Path(name).name for name in named} == {file.name for file in FILES}


@pytest.mark.parametrize("name", ["report.png", "report-dark.png"])
def test_the_report_is_as_large_as_its_window(name: str) -> None:
    head = (FOLDER / name).read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == PICTURES.WINDOW


def test_the_plan_is_printed_in_these_columns(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump({"thor": {"hosts": {"thor05": PICTURES.REAL}}}), encoding="utf-8"
    )
    done = play("playbooks/plan.yml", inventory=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    said = PICTURES.message(done.stdout, "Show what the host would serve and need")
    # What is to be done depends on the host; all else is known without contact.
    now = [line for line in PICTURES.plan_lines(said).splitlines() if line and not line.startswith("thor05: ")]
    expected = [part for line in now for part in terminal_picture.wrapped(line, PICTURES.PLAN_WIDTH)]
    assert lines("plan.svg")[1 : 1 + len(expected)] == expected, "draw it anew: script/pictures"


def test_the_rollout_is_printed_in_these_columns() -> None:
    columns = yaml.safe_load((ROOT / "roles/rollout/vars/main.yml").read_text(encoding="utf-8"))["__rollout_columns"]
    assert lines("rollout.svg")[1].split() == list(columns.values()), "draw it anew: script/pictures"
    assert re.search(r"\bswitched\b", "\n".join(lines("rollout.svg")))


@pytest.mark.parametrize("name", ["plan.svg", "rollout.svg"])
def test_a_picture_of_a_terminal_has_all_of_its_text_inside(name: str) -> None:
    root = ET.fromstring((FOLDER / name).read_text(encoding="utf-8"))
    assert root.find("{*}title") is not None
    wide, high = (float(root.attrib[key]) for key in ("width", "height"))
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        assert float(text.attrib["x"]) + float(text.attrib["textLength"]) <= wide - 10
        assert float(text.attrib["y"]) <= high - 5


def test_a_message_is_what_the_last_task_of_that_name_showed() -> None:
    output = textwrap.dedent("""
        TASK [jetson.thor.rollout : stop | Show it] ****
        ok: [thor05] =>
            msg: |-
                wave 1
        TASK [jetson.thor.rollout : stop | Show it] ****
        ok: [thor05] =>
            msg: |-
                host  state

                thor05  fine

        PLAY RECAP ****
        """)
    assert PICTURES.message(output, "Show it") == "host  state\n\nthor05  fine"
