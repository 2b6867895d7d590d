# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the pages tell people on other machines to type, unchanged and in order, on the client; and what Open WebUI asks for."""

from __future__ import annotations

import base64
import json
import shlex

import blocks
import client_machine
import gateway_scene
import pytest
from blocks import Block
from gateway_scene import ROOT

SHOWN = [block for block in blocks.blocks() if block.kind == "client"]
FOLDER = "pages"
# One pixel of red.
RED = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"


def at_desk(command: str) -> str:
    """Type a command in the folder with the files that the pages speak of."""
    return client_machine.check(f"cd {FOLDER} && export THOR_KEY={gateway_scene.key('robot7')}\n{command}")


@pytest.fixture(scope="module", autouse=True)
def _desk() -> None:
    gateway_scene.set_up()
    client_machine.check(f"rm -rf {FOLDER} && mkdir {FOLDER} && cp thor-ca.crt {FOLDER}")
    client_machine.check(f"base64 -d > {FOLDER}/picture.png", RED)
    speech = base64.b64encode((ROOT / "roles/verify/files/speech.wav").read_bytes()).decode()
    client_machine.check(f"base64 -d > {FOLDER}/speech.wav", speech)


def test_there_are_blocks() -> None:
    assert {block.language for block in SHOWN} == {"sh", "python"}


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.place)
def test_a_block_does_what_the_page_says(block: Block) -> None:
    command = block.text
    if name := blocks.program_of(block):
        client_machine.write(f"{FOLDER}/{name}", block.text)
        command = f"{client_machine.PYTHON} -W error {name}"
    said = at_desk(command)
    assert said.strip()
    assert '"error"' not in said


def test_the_functions_of_the_pages_answer() -> None:
    program = """
import json, robot_chat
try:
    robot_chat.ask("Who are you?", model="gpt-5")
except OSError as error:
    refusal = json.load(error)["error"]
print(json.dumps([robot_chat.ask("Who are you?"), refusal]))
"""
    answer, refusal = json.loads(at_desk(f"/usr/bin/python3 -W error -c {shlex.quote(program)}"))
    assert "Hello from the sandbox!" in answer, "the system's own Python, without any package"
    assert "gpt-5" in refusal["message"]


def test_open_webui_can_list_models_and_chat() -> None:
    # What its server sends (backend/open_webui/routers/openai.py), with the trust that SSL_CERT_FILE gives to Python.
    program = """
import json, os, urllib.request
def send(path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["THOR_KEY"], "Content-Type": "application/json"}
    request = urllib.request.Request("https://thor01/v1" + path, body and json.dumps(body).encode(), headers)
    return urllib.request.urlopen(request, timeout=60)
models = [one["id"] for one in json.load(send("/models"))["data"]]
body = {"stream": True, "model": "chat", "messages": [{"role": "user", "content": "Who are you?"}]}
print(json.dumps([models, send("/chat/completions", body).read().decode()]))
"""
    models, stream = json.loads(at_desk(f"SSL_CERT_FILE=thor-ca.crt /usr/bin/python3 -c {shlex.quote(program)}"))
    assert "chat" in models
    assert stream.startswith("data: ") and stream.rstrip().endswith("data: [DONE]")
