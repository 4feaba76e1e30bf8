"""A real vLLM server for tests, started as a user starts it: rendered, signed, with an administrator's token."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.staging import staged
from adapt.serving.client import Replica
from adapt.serving.deploy import Release, Target
from adapt.serving.keys import Keys
from adapt.serving.live import Live
from adapt.serving.render import ServingReport
from adapt.serving.start import prepare
from adapt.spec.resolved.serving import Member
from tests.serving.adapters import BASE, PROMPT, Scene, stage
from tests.tiny import CHAT_TEMPLATE

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-serving" / "bin" / "python"
START_SECONDS = 300
NEEDS_VLLM = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON.exists(), reason="no serving environment: run `adapt env serving`"),
]


@dataclass
class Server:
    """The running server, and what it was started from."""

    process: "subprocess.Popen[bytes]"
    port: int
    scene: Scene
    live: Live
    keys: Keys
    versions: dict[str, str]
    """By adapter the version that it was started with."""

    @property
    def log(self) -> str:
        """What it said so far."""
        return (self.scene.root / "server.log").read_text(encoding="utf-8", errors="replace")

    @property
    def target(self) -> Target:
        return Target(Replica("server", f"http://127.0.0.1:{self.port}", self.keys.token), self.live)

    def send(self, method: str, path: str, body: Any = None, *, admin: bool = False, raw: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Status and answer, JSON where it is."""
        content = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        given = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.keys.token}"} if admin else {}) | headers
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode()

    def post(self, path: str, body: dict[str, Any], **options: Any) -> tuple[int, Any]:
        return self.send("POST", path, body, **options)

    def chat(self, model: str, messages: Sequence[dict[str, str]], *, max_tokens: int, **more: Any) -> tuple[int, Any]:
        body = {"model": model, "messages": list(messages), "temperature": 0, "max_tokens": max_tokens, "return_token_ids": True, **more}
        return self.post("/v1/chat/completions", body)

    def publish(self, name: str, *, golden: Sequence[dict[str, Any]] = ()) -> str:
        """Sign the version of `name` that is rendered, and let no alias lead to it."""
        (source,) = (path for path in (self.scene.out / "adapters").iterdir() if path.name.startswith(f"{name}@"))
        self.live.publish(source, key=self.keys.signing, golden=golden)
        self.begin(source.name)
        return source.name

    def begin(self, version: str) -> None:
        """Begin a roll-out, so that the server may load the version; no alias leads to it."""
        name = version.partition("@")[0]
        self.live.journal.change(name, lambda state: state.cancel("another one").begin(version, "of the test"), action="begin")


@contextmanager
def running(scene: Scene, report: ServingReport, *arguments: str, **environment: str) -> Iterator[Server]:
    """A server of what was rendered, with an alias for each adapter."""
    live, keys = Live(scene.root / ".adapt" / "serving", scene.out), Keys(scene.root / ".adapt" / "keys")
    prepare(live, keys, [Release(offer.name, scene.out / offer.path, ()) for offer in report.served], say=lambda _: None)
    port = free_port()
    with (scene.root / "server.log").open("wb") as log:
        variables = os.environ | {"VLLM_PYTHON": str(PYTHON), "OMP_NUM_THREADS": "1"} | environment
        command = [str(scene.out / "start.sh"), "--port", str(port), *arguments]
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    server = Server(process, port, scene, live, keys, {offer.name: offer.served_name for offer in report.served})
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(process)


def add_adapter(
    scene: Scene, base: Path, name: str, *, seed: int, template: str = CHAT_TEMPLATE, end_tokens: Sequence[int] = (), **lora: Any
) -> None:
    """A random adapter with a strong effect, saved by peft."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    strength = lora.pop("strength", 0.1)
    torch.manual_seed(seed)
    config = LoraConfig(**({"lora_alpha": 16, "task_type": "CAUSAL_LM", "target_modules": "all-linear"} | lora))
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "lora_B" in parameter_name:
                parameter.normal_(0, strength)
    with staged(scene.adapters / name, section=stage(), inputs={}) as folder:
        model.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        (folder / "training.json").write_text(json.dumps({"end_token_ids": list(end_tokens)}), encoding="utf-8")
    scene.members[name] = Member(base=BASE, prompt=PROMPT, enabled=True)
    scene.judge(name)


def add_built_adapter(scene: Scene, source: Path, name: str, *, strength: float = 1.0) -> None:
    """The trained adapter in folder `source`, with its effect scaled."""
    with staged(scene.adapters / name, section=stage(), inputs={}) as folder:
        for file in ("adapter_model.safetensors", "chat_template.jinja", "training.json"):
            shutil.copyfile(source / file, folder / file)
        config = json.loads((source / "adapter_config.json").read_bytes())
        (folder / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": config["lora_alpha"] * strength}), encoding="utf-8")
    scene.members[name] = Member(base=BASE, prompt=PROMPT, enabled=True)
    scene.judge(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(server: Server) -> None:
    end = time.monotonic() + START_SECONDS
    while not server.target.replica.is_ready():
        if server.process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"the server did not start (exit status {server.process.poll()}):\n{server.log[-4000:]}")
        time.sleep(0.25)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server; what it left behind of its own session is killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    tasks = Path(f"/proc/{pid}/task")
    children = [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]
    return [pid, *(descendant for child in children for descendant in family(child))]


def resident_bytes(pid: int) -> int:
    """Memory of a process and its descendants, shared pages counted in part (PSS)."""
    total = 0
    for member in family(pid):
        lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024
