# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with speech and vision, on a real whisper-server and a real llama-server: reported with code and culprit, and fixed.

They need the host as the scenario default leaves it (THOR_FAULTS_HOST, see tests/support/sandbox_device.py): chat, eyes and speech.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sandbox_device import BIN, HOST, INVENTORY, ROOT, Device, eventually, finish, site

SAMPLE = "http://hub.test:8080/files/jfk.wav"
HEARD = "ask not what your country can do for you"
EAR: dict[str, Any] = {"profile": "whisper-tiny-en-whisper-cpp", "name": "speech"}
EYES: dict[str, Any] = {"profile": "tiny-vision-llama-cpp", "name": "eyes", "port": 8001}
CHAT: dict[str, Any] = {"profile": "tiny-llama-cpp", "name": "chat", "thinking": False}


@pytest.fixture(name="device", scope="module")
def _device() -> Any:
    device = Device()
    device.run(f"curl -sS --fail -o /tmp/jfk.wav {SAMPLE}")
    yield device
    finish(site())  # the inventory's services serve as before


def hears(device: Device, path: str = "/inference", file: str = "/tmp/jfk.wav") -> str:
    """What the service transcribes."""
    answer = device.run(
        f"curl -sS --fail --max-time 60 -F file=@{file} -F response_format=json http://127.0.0.1:8080{path}"
    )
    return " ".join(str(json.loads(answer)["text"]).lower().split())


def refused(playbook: str, **variables: Any) -> str:
    """Run a playbook that must fail; its output on one line."""
    command = [str(BIN / "ansible-playbook"), "-i", INVENTORY, "-l", HOST, playbook, "-e", json.dumps(variables)]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode != 0, done.stdout
    return " ".join(done.stdout.split())


def test_a_client_that_ends_whisper_server_through_load_does_not_end_the_service(device: Device) -> None:
    before = device.engine("speech")
    device.host.run("curl -s --max-time 20 -F model=/etc/hostname http://127.0.0.1:8080/load")
    eventually(lambda: device.engine("speech") not in (0, before))
    eventually(lambda: device.show("thor-speech.service", "ActiveState") == "active")
    assert HEARD in hears(device)


def test_a_recording_in_an_unknown_format_is_reported_by_name(device: Device, tmp_path: Path) -> None:
    wrong = tmp_path / "song.xyz"
    wrong.write_text("this is no sound")
    output = refused("playbooks/verify.yml", verify_audio_file=str(wrong))
    assert "THOR-AUDIO-FAILED: thor_services[speech]" in output and "song.xyz" in output
    assert HEARD in hears(device)


def test_an_image_that_cannot_be_fetched_is_reported_by_address(device: Device) -> None:
    del device
    address = "http://127.0.0.1:9/cat.jpg"
    output = refused("playbooks/verify.yml", verify_image_url=address)
    assert "THOR-MEDIA-FAILED: thor_services[eyes]" in output and address in output
    assert "chat chat ok" in output.replace("  ", " "), "and the others are reported as they are"


def test_a_missing_projector_is_refused_before_anything_is_changed(device: Device) -> None:
    before = device.engine("eyes")
    output = refused("site.yml", thor_profiles=[{**EYES, "options": {"mmproj": None}}])
    assert "THOR-PROJECTOR-MISSING: thor_profiles[0].options['mmproj']" in output
    # A projector that the model names but the hub lacks: the listing shows it.
    models = {"tiny-vision-q8-0": {"projector": "mmproj-none.gguf"}}
    extra = json.loads(finish([str(BIN / "ansible-inventory"), "-i", INVENTORY, "--host", HOST]))["thor_extra_models"]
    models = {**extra, "tiny-vision-q8-0": {**extra["tiny-vision-q8-0"], **models["tiny-vision-q8-0"]}}
    output = refused("site.yml", thor_profiles=[EYES], thor_extra_models=models)
    assert "THOR-MODEL-EMPTY" in output and "mmproj-none.gguf" in output
    assert device.engine("eyes") == before, "the previous service serves"


def test_whisper_server_is_never_opened_to_the_network(device: Device) -> None:
    del device
    entry = {**EAR, "address": "0.0.0.0"}
    output = refused("site.yml", thor_profiles=[entry], thor_allow_unauthenticated=True)
    assert "THOR-ADDRESS-LOOPBACK: thor_profiles[0].address" in output


def test_compressed_audio_needs_ffmpeg_which_is_installed_or_its_absence_refused(device: Device) -> None:
    entry = {**EAR, "options": {"convert": True, "inference-path": "/v1/audio/transcriptions"}}
    if device.host.run("command -v ffmpeg").rc != 0:
        output = refused("site.yml", thor_profiles=[entry], whisper_cpp_install_ffmpeg=False)
        assert "THOR-PROGRAM-MISSING: thor_services['speech'].programs" in output
        assert HEARD in hears(device), "nothing was changed"
    finish(site("-e", json.dumps({"thor_profiles": [CHAT, entry]})))
    device.run("ffmpeg -loglevel error -y -i /tmp/jfk.wav -c:a libopus /tmp/jfk.webm")
    assert HEARD in hears(device, "/v1/audio/transcriptions", "/tmp/jfk.webm")
    assert "changed=0" in finish(site("-e", json.dumps({"thor_profiles": [CHAT, entry]})))
    # whisper-server leaves files that ffmpeg cannot read behind, in the unit's private /tmp, which disappears with it.
    device.run("echo nothing >/tmp/no-sound")
    assert (
        device.host.run("curl -s --fail -F file=@/tmp/no-sound http://127.0.0.1:8080/v1/audio/transcriptions").rc != 0
    )
    assert device.run("ls /var/cache/thor/speech") == "" or "whisper-server-" not in device.run(
        "ls /var/cache/thor/speech"
    )


def test_verification_sees_that_the_kernel_blocks_remote_fetches(device: Device) -> None:
    closed = {**EYES, "remote_media": False}
    output = finish(site("-e", json.dumps({"thor_profiles": [closed]})))
    assert "image by URL (blocked)" in output and "as it should be" in output
    # The same without the unit's lines: it fetches, and verification reports it.
    drop_in = "/etc/systemd/system/thor-eyes.service.d"
    device.run(f"mkdir -p {drop_in} && printf '[Service]\\nIPAddressDeny=\\nIPAddressAllow=\\n' >{drop_in}/open.conf")
    try:
        device.run("systemctl daemon-reload && systemctl restart thor-eyes.service")
        output = refused("playbooks/verify.yml", thor_profiles=[closed])
    finally:
        device.run(f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart thor-eyes.service")
    assert "THOR-MEDIA-OPEN: thor_services[eyes].remote_media" in output
