# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What preflight refuses of a host, by code and culprit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import BuildSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import GIB, judge
from sample_host import ARTIFACT, DISK, HOST, SERVICE, SETTINGS, host, made, service

WITHOUT_CUDA = {**HOST["toolchain"], "nvcc": None, "cuda": None}


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


def test_the_account_of_a_person_is_left_alone() -> None:
    problem = only(judge([service()], host(person_thor=True), SETTINGS))
    assert problem.code == "THOR-ACCOUNT-TAKEN" and "usermod --login" in problem.remedy


def test_a_thor_with_room_is_accepted() -> None:
    assert judge([service()], HOST, SETTINGS) == []


def test_another_operating_system_is_refused_by_name() -> None:
    problem = only(judge([], host(os={"id": "ubuntu", "version_id": "22.04"}), SETTINGS))
    assert (problem.code, problem.value) == ("THOR-OS-UNSUPPORTED", "ubuntu 22.04")


def test_an_orin_is_refused_whatever_its_l4t() -> None:
    problem = only(judge([], host(l4t="39.2.0", device={"model": "NVIDIA Jetson AGX Orin", "thor": False}), SETTINGS))
    assert (problem.code, problem.value) == ("THOR-DEVICE-UNSUPPORTED", "NVIDIA Jetson AGX Orin")


def test_an_old_or_missing_l4t_is_refused() -> None:
    assert only(judge([], host(l4t="36.4.0"), SETTINGS)).code == "THOR-L4T-UNSUPPORTED"
    assert only(judge([], host(l4t=None), SETTINGS)).code == "THOR-L4T-UNSUPPORTED"
    assert not judge([], host(l4t="39.2.0"), SETTINGS)


def test_a_host_without_systemd_is_refused() -> None:
    assert only(judge([], host(systemd=None), SETTINGS)).code == "THOR-SYSTEMD-MISSING"


def test_an_engine_without_a_role_is_refused_by_name() -> None:
    problem = only(judge([service(engine="vllm", role=None, kind="image")], HOST, SETTINGS))
    assert (problem.code, problem.value) == ("THOR-ROLE-MISSING", "vllm")
    assert "chat" in problem.variable


def test_nvcc_is_asked_for_only_where_something_is_to_be_compiled_for_the_gpu() -> None:
    problem = only(judge([service()], host(toolchain=WITHOUT_CUDA), SETTINGS))
    assert problem.code == "THOR-CUDA-MISSING" and "cuda-toolkit" in problem.remedy
    assert not judge([], host(toolchain=WITHOUT_CUDA), SETTINGS)
    assert not judge([service()], host(builds=made()), SETTINGS)
    for_cpu = replace(SETTINGS, builds={"llama_cpp": BuildSettings(cuda=False)})
    assert not judge([service()], host(toolchain=WITHOUT_CUDA), for_cpu)
    # A JetPack upgrade has removed the CUDA that the build was made with, so it must be built again.
    assert only(judge([service()], host(toolchain=WITHOUT_CUDA, builds=made()), SETTINGS)).code == "THOR-CUDA-MISSING"


def test_a_changed_cmake_option_needs_nvcc_and_disk_because_the_role_will_build() -> None:
    changed = replace(SETTINGS, builds={"llama_cpp": BuildSettings(cmake_options={"LLAMA_BUILD_NUMBER": 1})})
    there = built(toolchain=WITHOUT_CUDA)
    small = built()
    small["disks"]["/var/lib/thor"]["free_bytes"] = 6 * GIB
    assert not judge([service()], small, SETTINGS)
    problem = only(judge([service()], small, changed))
    assert problem.code == "THOR-DISK-FULL" and "the build of llama.cpp" in problem.reason
    assert only(judge([service()], there, changed)).code == "THOR-CUDA-MISSING"
    other_commit = service(source={**SERVICE["source"], "commit": "1" * 40})
    assert only(judge([other_commit], small, SETTINGS)).code == "THOR-DISK-FULL"


def test_each_native_engine_is_built_for_the_gpu_or_not_by_its_own_role() -> None:
    bare = host(toolchain=WITHOUT_CUDA)
    ear = service(name="ear", engine="whisper.cpp", role="whisper_cpp", version="1.8.5", port=8080)
    for role, engines in (("llama_cpp", "whisper.cpp"), ("whisper_cpp", "llama.cpp")):
        problem = only(judge([service(), ear], bare, replace(SETTINGS, builds={role: BuildSettings(cuda=False)})))
        assert problem.code == "THOR-CUDA-MISSING" and problem.reason.startswith(f"{engines} cannot")


def test_a_program_that_an_engine_starts_is_there_or_refused_beforehand() -> None:
    converts = service(name="ear", role="whisper_cpp", programs=["ffmpeg"])
    assert not judge([converts], host(), SETTINGS), "the role installs it"
    alone = replace(SETTINGS, installs_programs=())
    problem = only(judge([converts], host(), alone))
    assert (problem.code, problem.value) == ("THOR-PROGRAM-MISSING", "ffmpeg") and "ear" in problem.variable
    assert "whisper_cpp_install_ffmpeg" in problem.remedy
    assert not judge([converts], host(programs={"ffmpeg": "/usr/bin/ffmpeg"}), alone)
    problem = only(judge([{**converts, "role": "llama_cpp"}], host(), SETTINGS))
    assert problem.code == "THOR-PROGRAM-MISSING" and "whisper_cpp" not in problem.remedy, "that role installs none"


def test_services_that_do_not_fit_the_memory_say_by_how_much_and_which_is_largest() -> None:
    services = [service(), service(name="big", port=8001, memory_gib=110)]
    problem = only(judge(services, HOST, SETTINGS))
    assert problem.code == "THOR-MEMORY-OVER"
    assert "10.0 GiB too much" in problem.reason and "big (p) with 110 GiB" in problem.reason
    assert not judge(services[:1], HOST, SETTINGS)


def test_a_model_that_does_not_fit_the_disk_is_refused_and_one_that_is_there_is_not_counted() -> None:
    small = host()
    for disk in small["disks"].values():
        disk["free_bytes"] = 30 * GIB
    problem = only(judge([service()], small, SETTINGS))
    assert (
        problem.code == "THOR-DISK-FULL"
        and "m 21.5 GB" in problem.reason
        and "the build of llama.cpp" in problem.reason
    )
    manifest = {
        "source": "modelscope",
        "id": "a/b",
        "revision": "master",
        "include": ["x.gguf"],
        "intact": True,
        "files": ["x.gguf"],
    }
    assert not judge([service()], {**small, "models": {"/models/a/b": manifest}}, SETTINGS)
    for change in ({"intact": False}, {"revision": "v2"}, {"include": ["y.gguf"], "files": ["y.gguf"]}):
        problems = judge([service()], {**small, "models": {"/models/a/b": {**manifest, **change}}}, SETTINGS)
        assert only(problems).code == "THOR-DISK-FULL", change


def test_bytes_of_a_cut_download_are_not_asked_for_again() -> None:
    small = host(builds=made())
    small["disks"]["/models"].update(free_bytes=10 * GIB)
    assert only(judge([service()], small, SETTINGS)).code == "THOR-DISK-FULL"
    small["disks"]["/models"]["staged_bytes"] = 16 * GIB
    assert not judge([service()], small, SETTINGS)


IMAGE = "nvcr.io/nvidia/vllm:25.10-py3"
CONTAINER = {"kind": "image", "engine": "vllm", "version": "25.10", "role": "engine_image"}


def test_an_image_that_is_missing_is_counted_once_where_docker_keeps_its_data() -> None:
    model = {**ARTIFACT, "bytes": 1}
    pair = [
        service(**CONTAINER, name=name, image=IMAGE, image_bytes=30_000_000_000, model=model) for name in ("one", "two")
    ]
    elsewhere = host(docker={"data_root": "/data/docker", "containerd_store": False})
    elsewhere["disks"]["/data/docker"] = {**DISK, "device": 2, "free_bytes": 20 * GIB}
    problem = only(judge(pair, elsewhere, SETTINGS))
    assert (problem.code, problem.variable) == ("THOR-DISK-FULL", "thor_host.disks['/data/docker']")
    assert "30.0 GB are still needed" in problem.reason and f"{IMAGE} 30.0 GB" in problem.reason
    assert "13.9 GB too little" in problem.reason
    there: dict[str, Any] = {IMAGE: {"digest": "sha256:" + "0" * 64, "present": True, "proof": None, "extras": {}}}
    assert not judge(pair, {**elsewhere, "images": there}, SETTINGS)
    there[IMAGE]["present"] = False  # known by its digest, and removed since
    assert only(judge(pair, {**elsewhere, "images": there}, SETTINGS)).code == "THOR-DISK-FULL"
    there[IMAGE]["present"] = True
    pinned = [{**one, "image_digest": "sha256:" + "1" * 64} for one in pair]
    assert only(judge(pinned, {**elsewhere, "images": there}, SETTINGS)).code == "THOR-DISK-FULL", "it is pulled"


def test_where_docker_is_still_to_be_installed_its_usual_place_counts() -> None:
    bare = host()
    bare["disks"]["/var/lib/docker"].update(free_bytes=20 * GIB, device=3)
    one = service(**CONTAINER, image=IMAGE, image_bytes=30_000_000_000)
    assert only(judge([one], bare, SETTINGS)).variable == "thor_host.disks['/var/lib/docker']"


def test_a_port_of_another_process_is_refused_by_its_name() -> None:
    nginx = {"address": "0.0.0.0", "port": 8000, "pid": 7, "process": "nginx", "unit": "nginx.service"}
    problem = only(judge([service()], host(listening=[nginx]), SETTINGS))
    assert problem.code == "THOR-PORT-TAKEN" and "nginx (pid 7, nginx.service)" in problem.reason


def test_a_port_of_our_own_units_is_available() -> None:
    units = {"thor-old.service": {"active": "active"}}
    ours = {"address": "127.0.0.1", "port": 8000, "pid": 7, "process": "llama-server", "unit": "thor-old.service"}
    assert not judge([service()], host(listening=[ours], units=units), SETTINGS)
    elsewhere = {**ours, "unit": "x.service", "address": "192.0.2.7"}
    assert not judge([service()], host(listening=[elsewhere]), SETTINGS)


def test_arguments_are_checked_against_the_built_program() -> None:
    there = host(builds=made(options=["--model", "--alias", "--host", "--port", "--ctx-size"]))
    assert not judge([service()], there, SETTINGS)
    problem = only(judge([service(argv=["llama-server", "--prt", "8000"])], there, SETTINGS))
    assert (problem.code, problem.value) == ("THOR-FLAG-UNKNOWN", "--prt")
    assert "chat" in problem.variable and "'--port'" in problem.remedy


def test_an_unsupported_device_or_system_is_the_only_problem_reported() -> None:
    lacking: dict[str, Any] = {
        "toolchain": WITHOUT_CUDA,
        "memory": {"total_bytes": GIB},
        "systemd": None,
        "l4t": None,
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        (
            {"device": {"model": "PC", "thor": False}, "os": {"id": "debian", "version_id": "13"}},
            "THOR-DEVICE-UNSUPPORTED",
        ),
        ({"os": {"id": "debian", "version_id": "13"}}, "THOR-OS-UNSUPPORTED"),
        ({}, "THOR-L4T-UNSUPPORTED"),
        ({"l4t": "38.2.0"}, "THOR-SYSTEMD-MISSING"),
    ]
    for changes, code in wrong:
        assert only(judge([service()], host(**{**lacking, **changes}), SETTINGS)).code == code


def test_without_root_that_is_what_is_said_and_not_what_cannot_be_seen() -> None:
    ours = {"address": "127.0.0.1", "port": 8000, "pid": None, "process": None, "unit": None}
    problem = only(judge([service()], host(root=False, listening=[ours]), SETTINGS))
    assert problem.code == "THOR-ROOT-MISSING" and "-K" in problem.remedy
    seen = only(judge([service()], host(root=True, listening=[ours]), SETTINGS))
    assert seen.code == "THOR-PORT-TAKEN" and "None" not in seen.text() and "no process of this host" in seen.reason


def built(**changes: Any) -> dict[str, Any]:
    """A host that has everything."""
    model = {**ARTIFACT["sources"][0], "source": "hub", "include": ARTIFACT["include"], "intact": True}
    return host(**{"builds": made(), "models": {"/models/a/b": model}, **changes})


def test_a_gpu_that_is_divided_is_refused_where_an_engine_wants_it() -> None:
    problem = only(judge([service()], built(mig=True), SETTINGS))
    assert problem.code == "THOR-GPU-MIG" and "chat" in problem.reason and "nvidia-smi -mig 0" in problem.remedy
    for mig in (False, None):
        assert judge([service()], built(mig=mig), SETTINGS) == []
    for_cpu = replace(SETTINGS, builds={"llama_cpp": BuildSettings(cuda=False)})
    assert judge([service()], built(mig=True, builds=made(cuda=False)), for_cpu) == []
    assert judge([], built(mig=True), SETTINGS) == []


def test_a_disk_that_is_not_mounted_is_refused() -> None:
    problem = only(judge([service()], built(unmounted={"/models": "/models"}), SETTINGS))
    assert problem.code == "THOR-MOUNT-MISSING" and "sudo mount /models" in problem.remedy
    assert judge([], built(unmounted={"/models": "/models"}), SETTINGS) == []
    # Where images lie matters to containers alone.
    assert judge([service()], built(unmounted={"/var/lib/docker": "/var/lib/docker"}), SETTINGS) == []
    container = service(kind="image", role="serving", image=None)
    (problem,) = [
        one
        for one in judge([container], built(unmounted={"/var/lib/docker": "/var/lib/docker"}), SETTINGS)
        if one.code == "THOR-MOUNT-MISSING"
    ]
    assert "/var/lib/docker" in problem.variable


DAY = 86400


def clock(behind: int, synchronized: bool | None) -> dict[str, Any]:
    """As a Thor has it that was without power: 2025-09-25T22:50:00Z."""
    return {"time": 1758840600.0, "behind_s": behind, "synchronized": synchronized}


def test_a_clock_in_the_past_is_refused_where_something_is_to_be_fetched() -> None:
    problem = only(judge([service()], host(clock=clock(427 * DAY, False)), SETTINGS))
    assert problem.code == "THOR-CLOCK-WRONG" and problem.value == "2025-09-25T22:50:00+00:00"
    assert "427.0 days behind" in problem.reason and "the sources of llama.cpp" in problem.reason
    assert "timedatectl" in problem.remedy and "insecure" not in problem.text()
    ahead = only(judge([service()], host(clock=clock(-7200, None)), SETTINGS))
    assert "2.0 hours ahead of" in ahead.reason


def test_a_clock_that_is_synchronised_or_not_needed_is_not_a_problem() -> None:
    assert judge([service()], host(clock=clock(427 * DAY, True)), SETTINGS) == [], "the controller's is wrong then"
    assert judge([service()], host(clock=clock(1800, False)), SETTINGS) == []
    assert judge([service()], host(clock={"time": 0.0, "synchronized": False}), SETTINGS) == [], "nobody has compared"
    assert judge([service()], built(clock=clock(427 * DAY, False)), SETTINGS) == [], "nothing is to be fetched"


def test_a_service_of_unknown_memory_is_refused_once_the_host_is_known() -> None:
    unknown = service(memory_gib=None)
    problem = only(judge([unknown], built(), SETTINGS))
    assert (problem.code, problem.variable) == ("THOR-MEMORY-UNKNOWN", "thor_services['chat'].memory_gib")
    assert "memory_gib" in problem.remedy
    # One that is unknown because what was written is refused has been reported.
    assert judge([{**unknown, "unclear": ["memory_gib"]}], built(), SETTINGS) == []


def test_a_model_of_unknown_size_is_not_held_against_the_disk() -> None:
    small = host(builds=made())
    small["disks"]["/models"].update(free_bytes=10 * GIB)
    unknown = service(model={**ARTIFACT, "bytes": None})
    assert judge([unknown], small, SETTINGS) == []
    assert only(judge([service()], small, SETTINGS)).code == "THOR-DISK-FULL"


def test_the_internal_port_of_a_service_that_starts_on_demand_is_checked_like_its_own() -> None:
    nap = service(on_demand={"idle_seconds": 900, "engine_port": 18000})
    theirs = {"address": "0.0.0.0", "port": 18000, "pid": 7, "process": "nginx", "unit": "nginx.service"}
    problem = only(judge([nap], host(listening=[theirs]), SETTINGS))
    assert problem.code == "THOR-PORT-TAKEN" and problem.variable.endswith(".on_demand.port") and problem.value == 18000
    assert not judge([service()], host(listening=[theirs]), SETTINGS)
    # systemd holds the port of a service that sleeps.
    ours = {"address": nap["address"], "port": nap["port"], "pid": 1, "process": "systemd", "unit": "thor-chat.socket"}
    assert not judge([nap], host(listening=[ours]), SETTINGS)
    stranger = only(judge([nap], host(listening=[{**ours, "unit": None}]), SETTINGS))
    assert stranger.code == "THOR-PORT-TAKEN"
