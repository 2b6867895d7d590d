# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The checks of ``script/test gpu``, on a machine with an NVIDIA GPU: from the bundle, without network, systemd or Docker.

    python3 run.py [--cpu] [--ccache FOLDER] [--json FILE]

The collection's own module builds llama.cpp for this machine's GPU. The real supervisor then serves, at the paths
of a device, with the configurations that the role renders. systemd-run, systemctl and, where it is missing, ccache are
stand-ins (stand-ins/). A unit's command and environment are used, but not its account and sandboxing. ``--cpu``
rehearses on a machine without a GPU: it runs everything that needs none, and lists what it could not check.

One line per check, then JSON. The exit status is 0 if no check failed; without --cpu only whisper.cpp may be skipped,
for lack of time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODULES = "ansible_collections.jetson.thor.plugins.modules"
SECONDS = 540  # for all of it
REHEARSAL_SECONDS = 7200  # on few cores, and with whatever else they do
WHISPER_SECONDS = 200  # are needed for whisper.cpp
# Created here and removed at the end; none of it may exist before.
OURS = ("/opt/thor", "/etc/thor", "/var/lib/thor", "/var/cache/thor", "/run/thor", "/models")
UNITS = Path("/etc/systemd/system")  # only the modules read them, to see whether they exist
# Accounts that a unit or a job names, created for the duration of the checks.
ACCOUNT = "thor"
BENCH_LIMIT = 0.02  # of the engine's own figure
TOOL_SHARE = 0.7  # of llama-bench's figure, which measures without a server
CUDA_OFF = {"CUDA_VISIBLE_DEVICES": "-1"}
# Starts a module like Ansible, but without the zip file.
START = """
import json, runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module(sys.argv[1], run_name="__main__")
"""


class Failed(Exception):
    """A check has failed; the message says how."""


class Skipped(Exception):
    """A check could not be made here; the message says why."""


def run(*command: str | Path, timeout: float = 60, check: bool = True) -> str:
    """The output of a command; raises Failed if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise Failed(
            f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-500:] or done.stdout[-500:]}"
        )
    return done.stdout


def wait_until(what: str, seconds: float, test: Callable[[], Any]) -> Any:
    """The first true value of ``test``; raises Failed after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := test():
            return value
        time.sleep(0.1)
    raise Failed(f"{what} has not come within {seconds:.0f} s")


class Service:
    """One service, started as its unit says."""

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        self.log = Path(f"/var/lib/thor/{name}.log")
        # A line that ends with a backslash goes on.
        settings = re.findall(r"^(\w+)=(.*)$", unit.replace("\\\n", " "), re.MULTILINE)
        commands = [value for key, value in settings if key == "ExecStart"]
        words = shlex.split(commands[-1].lstrip("@-:+!"))
        self.command = [word.replace("%%", "%").replace("$$", "$") for word in words]
        self.environment: dict[str, str] = {}
        for key, value in settings:
            if key == "Environment":
                self.environment |= dict(word.replace("%%", "%").partition("=")[::2] for word in shlex.split(value))
        self.folder = next((value for key, value in settings if key == "WorkingDirectory"), "/")
        self.process: subprocess.Popen[bytes] | None = None
        self.told: list[str] = []

    @contextlib.contextmanager
    def started(self, **environment: str) -> Iterator[Service]:
        """Start it with a socket for its notifications, and stop it afterwards."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        self.told = []
        with tempfile.TemporaryDirectory() as scratch, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            address = f"{scratch}/notify"
            channel.bind(address)
            channel.settimeout(0.2)
            done = threading.Event()
            thread = threading.Thread(target=self._listen, args=(channel, done))
            thread.start()
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    self.command,
                    cwd=self.folder,
                    env={"PATH": os.environ["PATH"], **self.environment, **environment, "NOTIFY_SOCKET": address},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                yield self
            finally:
                self.end()
                done.set()
                thread.join(5)

    def _listen(self, channel: socket.socket, done: threading.Event) -> None:
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                self.told += channel.recv(65536).decode(errors="replace").splitlines()

    def end(self) -> None:
        """Ask it to stop, and check that it does."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed(f"{self.name} has not ended within 60 s of SIGTERM") from None

    def ready(self, seconds: float) -> float:
        """Wait until it reports an answer; how long that took."""
        begin = time.monotonic()

        def said() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise Failed(f"{self.name} has ended with {self.process.returncode}: {self.last_words()}")
            return "READY=1" in self.told

        wait_until(f"READY of {self.name}", seconds, said)
        return time.monotonic() - begin

    def gives_up(self, code: str, seconds: float) -> str:
        """Wait until it ends by itself with this code in its last line; that line."""
        assert self.process is not None
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            ready = "it serves" if "READY=1" in self.told else "it still starts"
            raise Failed(f"{self.name} has not given up within {seconds:.0f} s: {ready}") from None
        words = self.last_words()
        if status != 1 or code not in words:
            raise Failed(f"{self.name} ended with {status} and not with {code}: {words}")
        if "READY=1" in self.told and code != "THOR-ENGINE-EXITED" and code != "THOR-ENGINE-HUNG":
            raise Failed(f"{self.name} was taken for good before {code}")
        return words

    def last_words(self) -> str:
        """The last lines of its log."""
        return " | ".join(self.text().strip().splitlines()[-3:])[-600:]

    def text(self) -> str:
        """Its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def engine(self) -> int:
        """The process of the engine: the one child of the supervisor."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if len(children) != 1:
            raise Failed(f"{self.name} has {len(children)} children")
        return int(children[0])


class Checks:
    """All checks, in order, with their shared state."""

    def __init__(self, cpu: bool, ccache: Path | None) -> None:
        self.cpu = cpu
        self.ccache = ccache
        self.begin = time.monotonic()
        self.results: list[dict[str, Any]] = []
        self.plan = json.loads((HERE / "plan.json").read_text(encoding="utf-8"))
        self.units = {one["name"]: one["unit"] for one in self.plan["definitions"]}
        self.services = {one["name"]: one for one in self.plan["services"]}
        self.architecture = ""
        self.writing: threading.Thread | None = None

    def left(self) -> float:
        """Seconds left for everything."""
        return (REHEARSAL_SECONDS if self.cpu else SECONDS) - (time.monotonic() - self.begin)

    def check(self, name: str, work: Callable[[], str]) -> bool:
        """Run one check and print its line."""
        begin = time.monotonic()
        try:
            state, detail = "passed", work()
        except Skipped as error:
            state, detail = "not run", str(error)
        except (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            state, detail = "failed", str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        seconds = round(time.monotonic() - begin, 1)
        self.results.append({"check": name, "state": state, "detail": detail, "seconds": seconds})
        print(f"{state:8} {name:34} {seconds:6.1f} s  {detail}", flush=True)
        return state == "passed"

    def needs_gpu(self) -> None:
        """Raise Skipped in a rehearsal."""
        if self.cpu:
            raise Skipped("needs a GPU")

    # --- What is there ---

    def machine(self) -> str:
        """The GPU and the tools."""
        tools = ["cmake", "ninja", "g++"] + ([] if self.cpu else ["nvcc", "nvidia-smi"])
        path = os.environ["PATH"]
        missing = [name for name in tools if shutil.which(name, path=f"{path}:/usr/local/cuda/bin") is None]
        if missing:
            raise Failed(f"missing: {', '.join(missing)}")
        if self.cpu:
            return f"no GPU is used: {os.cpu_count()} CPUs, {platform.machine()}"
        query = "name,compute_cap,driver_version,memory.total,memory.free"
        line = run("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader").strip().splitlines()[0]
        self.architecture = line.split(",")[1].strip().replace(".", "")
        if not self.architecture.isdigit():
            raise Failed(f"nvidia-smi does not tell the compute capability: {line}")
        return f"{line}; {os.cpu_count()} CPUs"

    # --- The build ---

    def module(self, name: str, arguments: dict[str, Any], wait: float) -> dict[str, Any]:
        """Run a module of the collection, and its job to the end; its result."""
        answer = self._module(name, arguments)
        if "job" not in answer:
            return answer
        job = answer["job"]["name"]
        deadline = time.monotonic() + min(wait, max(self.left(), 1))
        while time.monotonic() < deadline:
            status = self._module("job_status", {"name": job, "wait": 5.0})
            if status["state"] == "ended":
                result: dict[str, Any] = status["result"]
                if result.get("failed"):
                    raise Failed(result["msg"][-1500:])
                return result
            if status["state"] == "lost":
                raise Failed(f"the job {job} was lost: {' | '.join(status['log'][-5:])}")
        raise Failed(f"the job {job} has not ended in time")

    def _module(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", START, f"{MODULES}.{name}"],
            cwd=HERE / "site",
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise Failed(f"the module {name} says: {done.stdout[-300:]}{done.stderr[-700:]}") from None
        if answer.get("failed"):
            raise Failed(answer["msg"])
        return answer

    def build_arguments(self, engine: str) -> dict[str, Any]:
        """The role's own, for this machine's GPU instead of Thor's."""
        (build,) = [one for one in self.plan["builds"] if one["engine"] == engine]
        keys = ("options", "version_options", "version_text", "targets", "cuda", "architectures")
        source = self.plan["sources"][engine]
        given = {
            **{key: build[key] for key in keys if key in build},  # the text of the version has a default
            "engine": engine,
            "version": source["version"],
            "libraries": self.plan["libraries"],
            "source": {
                "archive": (HERE / source["archive"]).as_uri(),
                "sha256": source["sha256"],
                "subdirectory": source["subdirectory"],
            },
        }
        if self.ccache:
            given["ccache"] = str(self.ccache)
        if self.cpu:
            return {**given, "cuda": False, "options": {**given["options"], "GGML_CUDA": False}}
        thor = str(given["architectures"])
        if "110" not in thor:
            raise Failed(f"the role builds for {thor!r}, and not for Thor (110)")
        return {**given, "architectures": thor.replace("110", self.architecture)}

    def build(self, engine: str) -> str:
        """Build with the collection's module, and check that a second run has nothing to do."""
        arguments = self.build_arguments(engine)
        found = self.module("cmake_build", arguments, self.left())
        again = self._module("cmake_build", arguments)
        if again["changed"]:
            raise Failed("a second run would build again")
        return f"{found['path']}, {arguments['architectures'] if not self.cpu else 'for the CPU'}; the second run is unchanged"

    def one_architecture(self) -> str:
        """The binary contains machine code for this GPU only."""
        self.needs_gpu()
        program = self.program("llama.cpp", "llama-server")
        tool = shutil.which("cuobjdump", path=f"{os.environ['PATH']}:/usr/local/cuda/bin")
        if tool is None:
            raise Skipped("there is no cuobjdump")
        kinds = set(re.findall(r"\.(sm_\w+)\.cubin", listing := run(tool, "-lelf", program)))
        texts = re.findall(r"\.ptx$", run(tool, "-lptx", program, check=False), re.MULTILINE)
        if kinds != {f"sm_{self.architecture}"} or texts:
            raise Failed(f"it holds {', '.join(sorted(kinds)) or 'nothing'} and {len(texts)} times PTX")
        return f"{listing.count('.cubin')} objects of sm_{self.architecture}, no PTX"

    def program(self, engine: str, name: str) -> Path:
        """A program of the current build."""
        return Path("/opt/thor/engines", engine, self.plan["sources"][engine]["version"], "bin", name)

    # --- What serves ---

    def lay_out(self) -> str:
        """The files of the role and the models, where a device has them."""
        for item in self.plan["files"]:
            path = Path(item["path"])
            if "/tmpfiles.d/" in item["path"]:
                self.apply(item["content"])
            if not item["path"].startswith(OURS):
                continue  # systemd's
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(item["content"], encoding="utf-8")
        UNITS.mkdir(parents=True, exist_ok=True)
        for one in self.plan["definitions"]:
            (UNITS / f"thor-{one['name']}.service").write_text(one["unit"], encoding="utf-8")
            config = json.loads(one["config"])
            if self.cpu:
                config["require_gpu"] = False
            path = Path(f"/etc/thor/services/{one['name']}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(config), encoding="utf-8")
        for model in ("tiny", "whisper"):
            path = Path(self.services[model]["model"]["path"]) / self.services[model]["model"]["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE / path.name, path)
        Path("/var/lib/thor").mkdir(parents=True, exist_ok=True)
        return f"{len(self.plan['files'])} files, {len(self.units)} services"

    def apply(self, tmpfiles: str) -> None:
        """What systemd-tmpfiles creates from it: folders (d) and files (f)."""
        for kind, path, mode, owner, group in re.findall(r"^([df]) (\S+) (\d+) (\S+) (\S+)", tmpfiles, re.MULTILINE):
            if kind == "d":
                Path(path).mkdir(parents=True, exist_ok=True)
            else:
                Path(path).touch()
            shutil.chown(path, owner, group)
            Path(path).chmod(int(mode, 8))

    def write_large(self) -> None:
        """In a thread, beside the build: the large model. Each block of 32 weights is a scale (float16) and 32 random bytes."""
        model = self.services["large"]["model"]
        path = Path(model["path"]) / model["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "large.head", path)
        noise = os.urandom(32 << 20)
        # 0x0800 is 0.00012: sums of thousands of them stay far from the limits of float16.
        weights = memoryview(b"".join(b"\x00\x08" + noise[at : at + 32] for at in range(0, len(noise), 32)))
        ones = memoryview(b"\x00\x00\x80\x3f" * 4096)
        with path.open("ab") as stream:
            for size, random in self.plan["large"]:
                block = weights if random else ones
                for at in range(0, size, len(block)):
                    stream.write(block[: min(len(block), size - at)])

    def start_writing(self) -> str:
        """Start creating the large model."""
        self.needs_gpu()
        self.writing = threading.Thread(target=self.write_large, daemon=True)
        self.writing.start()
        return "begun"

    def service(self, name: str) -> Service:
        """A service by its name."""
        return Service(name, self.units[name])

    def evidence(self, service: Service) -> str:
        """What its log says about the GPU, for people."""
        lines = [line.strip() for line in service.text().splitlines() if re.search(r"offloaded|CUDA\d+ total", line)]
        return (lines or ["no line on layers"])[-1][-120:]

    def tiny(self) -> str:
        """Ready, and verify agrees."""
        with self.service("tiny").started() as service:
            took = service.ready(90)
            asked = {"services": [self.services["tiny"]], "max_tokens": 48}
            (answer, *_rest) = self._module("verify", asked)["results"]
            if not answer["ok"]:
                raise Failed(" ".join(answer["messages"]))
            return f"ready after {took:.1f} s; {self.evidence(service)}; verify: {answer['answer'][:60]!r}"

    def without_device(self) -> str:
        """An engine that finds no GPU is refused."""
        if self.cpu:
            config = Path("/etc/thor/services/tiny.json")
            before = config.read_text(encoding="utf-8")
            config.write_text(json.dumps({**json.loads(before), "require_gpu": True}), encoding="utf-8")
        try:
            with self.service("tiny").started(**CUDA_OFF) as service:
                return service.gives_up("THOR-GPU-UNUSED", 90)[-200:]
        finally:
            if self.cpu:
                config.write_text(before, encoding="utf-8")

    def kill(self) -> str:
        """A killed engine ends its supervisor, and nothing is left behind."""
        with self.service("tiny").started() as service:
            service.ready(90)
            engine = service.engine()
            os.kill(engine, signal.SIGKILL)
            service.gives_up("THOR-ENGINE-EXITED", 20)
        if Path(f"/proc/{engine}").exists():
            raise Failed(f"process {engine} is still there")
        return "the supervisor ended with THOR-ENGINE-EXITED"

    def hang(self) -> str:
        """An engine that no longer answers is killed."""
        with self.service("tiny").started() as service:
            service.ready(90)
            engine = service.engine()
            os.kill(engine, signal.SIGSTOP)
            begin = time.monotonic()
            service.gives_up("THOR-ENGINE-HUNG", 60)
            took = time.monotonic() - begin
        if Path(f"/proc/{engine}").exists():
            raise Failed(f"process {engine} is still there")
        return f"noticed and killed after {took:.0f} s"

    def large(self) -> str:
        """The large model is ready, and bench measures what the engine itself measures."""
        self.needs_gpu()
        assert self.writing is not None
        self.writing.join(min(120, max(self.left(), 1)))
        with self.service("large").started() as service:
            took = service.ready(150)
            method = {"input_tokens": 512, "output_tokens": 128, "concurrency": [1], "requests": 4, "warmups": 1}
            told = self.module("bench", {"services": [self.services["large"]], **method}, 150)["result"]["services"][0]
            if told["state"] != "measured":
                raise Failed(f"bench: {told['reason']}")
            load = told["loads"][0]
            ours, engine = (load[key]["median"] for key in ("decode_tokens_per_s", "engine_decode_tokens_per_s"))
            tool = told["engine_tool"] or {}
            rates = [one["tokens_per_s"] for one in tool.get("tests", []) if one["output_tokens"]]
            words = f"ready after {took:.0f} s; {self.evidence(service)}; bench {ours:.1f}, engine {engine:.1f} tok/s"
            if abs(ours / engine - 1) > BENCH_LIMIT:
                raise Failed(f"{words}: more than {BENCH_LIMIT:.0%} apart")
            if not rates:
                raise Failed(f"{words}; llama-bench: {tool.get('reason')}")
            if engine < TOOL_SHARE * rates[0]:
                raise Failed(f"{words}, llama-bench {rates[0]:.1f}: too far apart")
            return f"{words}, llama-bench {rates[0]:.1f}"

    @contextlib.contextmanager
    def memory_taken(self, left_mib: int) -> Iterator[None]:
        """Another process has all of the GPU's memory except ``left_mib``."""
        program = Path("/var/lib/thor/hog")
        if not program.exists():
            nvcc = shutil.which("nvcc", path=f"/usr/local/cuda/bin:{os.environ['PATH']}") or "nvcc"
            run(nvcc, "-o", program, HERE / "hog.cu", timeout=120)
        with subprocess.Popen([program, str(left_mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hog:
            assert hog.stdin is not None
            assert hog.stdout is not None
            try:
                if not hog.stdout.readline():
                    raise Failed(f"the GPU's memory could not be taken (exit status {hog.wait(10)})")
                yield
            finally:
                hog.stdin.close()

    def partial(self) -> str:
        """With little free memory the engine puts a part on the GPU: refused."""
        self.needs_gpu()
        with self.memory_taken(4600), self.service("large").started() as service:
            return service.gives_up("THOR-GPU-PARTIAL", 150)[-300:]

    def out_of_memory(self) -> str:
        """An engine that may not adapt to the free memory exits, and its supervisor says so."""
        self.needs_gpu()
        with self.memory_taken(4600), self.service("large-unfitted").started() as service:
            service.gives_up("THOR-ENGINE-EXITED", 150)
            if "out of memory" not in service.text():
                raise Failed(f"its log does not speak of memory: {service.last_words()}")
        return "ended with THOR-ENGINE-EXITED, its log says why"

    def whisper(self) -> str:
        """whisper.cpp, if there is time for it."""
        if not self.cpu and self.left() < WHISPER_SECONDS:
            raise Skipped(f"only {self.left():.0f} s are left, and it wants {WHISPER_SECONDS}")
        built = self.build("whisper.cpp")
        with self.service("whisper").started() as service:
            took = service.ready(90)
            return f"{built}; ready after {took:.1f} s; {self.evidence(service)}"

    def run(self) -> None:
        """Everything; a failed build ends it."""
        if not self.check("machine", self.machine):
            return
        self.check("files of the role", self.lay_out)
        self.check("large model (begun)", self.start_writing)
        if not self.check("build llama.cpp", lambda: self.build("llama.cpp")):
            return
        for name, work in (
            ("one architecture", self.one_architecture),
            ("ready, evidence, verify", self.tiny),
            ("refused without a device", self.without_device),
            ("kill", self.kill),
            ("hang", self.hang),
            ("8B: ready, bench, llama-bench", self.large),
            ("refused where it fits in part", self.partial),
            ("out of memory", self.out_of_memory),
            ("whisper.cpp", self.whisper),
        ):
            self.check(name, work)


def refuse() -> str | None:
    """Why this must not run here, or None."""
    if os.geteuid() != 0:
        return "it lays files out as on a device: run it as root"
    there = [path for path in OURS if Path(path).exists()] + [str(path) for path in UNITS.glob("thor-*")]
    if there:
        return f"{', '.join(there)} exist: this is a provisioned device, or an earlier run was cut off. It runs on a bare machine alone"
    return None


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """Stand-ins on PATH and the account; removed at the end."""
    stand_ins = HERE / "on-path"
    stand_ins.mkdir()
    for path in (HERE / "stand-ins").iterdir():
        if path.name != "ccache" or shutil.which("ccache") is None:
            shutil.copy(path, stand_ins)
    os.environ["PATH"] = f"{stand_ins}:{os.environ['PATH']}"
    os.environ["THOR_GPU_UNITS"] = str(HERE / "units")
    had_account = subprocess.run(["id", ACCOUNT], capture_output=True, check=False).returncode == 0
    if not had_account:
        run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT)
    for folder in OURS:
        Path(folder).mkdir(parents=True)
    Path("/run/thor/gpu.lock").touch()  # on a device by tmpfiles.d
    try:
        yield
    finally:
        for noted in (HERE / "units").glob("*"):
            # A job that has not ended in time. setsid made it the leader of its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(noted.read_text()), signal.SIGKILL)
        for folder in OURS:
            shutil.rmtree(folder, ignore_errors=True)
        for unit in UNITS.glob("thor-*.service"):
            unit.unlink()
        if not had_account:
            subprocess.run(["userdel", ACCOUNT], capture_output=True, check=False)


def main() -> int:
    """Run the checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="rehearse without a GPU")
    parser.add_argument(
        "--ccache", type=Path, help="a folder of ccache that outlives this run: the next one compiles little"
    )
    parser.add_argument("--json", type=Path, help="write the results here, too")
    arguments = parser.parse_args()
    if reason := refuse():
        print(f"error: {reason}", file=sys.stderr)
        return 2
    # A termination from outside also removes everything.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks = Checks(arguments.cpu, arguments.ccache and arguments.ccache.resolve())
    with prepared():
        checks.run()
    states = [one["state"] for one in checks.results]
    document = {
        "gpu": not arguments.cpu,
        "seconds": round(time.monotonic() - checks.begin, 1),
        "results": checks.results,
    }
    text = json.dumps(document, indent=1)
    print(text)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(f"{states.count('passed')} passed, {states.count('failed')} failed, {states.count('not run')} not run")
    left_out = {one["check"] for one in checks.results if one["state"] == "not run"}
    complete = arguments.cpu or left_out <= {"whisper.cpp"}
    return 0 if complete and "failed" not in states else 1


if __name__ == "__main__":
    sys.exit(main())
