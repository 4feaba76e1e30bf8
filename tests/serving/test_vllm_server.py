"""A real vLLM server, started as a user starts it, against transformers: the same prompts, the same greedy answers, adapters and base mixed.

Needs the serving environment (`make serving-env`); the server runs there, everything else here.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.staging import staged
from adapt.serving.options import ALLOWED
from adapt.spec.resolved.serving import Member
from tests.serving.adapters import BASE, PROMPT, Scene, stage
from tests.tiny import CHAT_TEMPLATE, tiny_base

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-serving" / "bin" / "python"
MAX_TOKENS = 24
END_TOKENS = (2, 251)
"""The end of a turn, and a token that some answers hold and that does not end the base's own."""
START_SECONDS = 300
CONVERSATIONS: tuple[list[dict[str, str]], ...] = (
    [{"role": "user", "content": "What is a bond?"}],
    [{"role": "user", "content": "什么是债券？请用一句话回答。"}],
    [{"role": "system", "content": "Answer as a lawyer."}, {"role": "user", "content": "How does the contract end?"}],
    [
        {"role": "user", "content": "心脏有什么作用？"},
        {"role": "assistant", "content": "心脏把血液送到全身。"},
        {"role": "user", "content": 'And the lungs?\n\n  (two lines, "quotes", <|im_end|> and 100 %)'},
    ],
    [
        {
            "role": "user",
            "content": "A longer question about interest, which the issuer of a bond pays to the investor until the end of the loan. " * 3,
        }
    ],
)

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON.exists(), reason="no serving environment: run `make serving-env`"),
]


@dataclass
class Server:
    """The running server, and what it was started from."""

    process: "subprocess.Popen[bytes]"
    port: int
    scene: Scene
    base: Path
    names: dict[str, str]
    """Adapter to the name that requests use; `base` for the base model."""

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    scene = Scene(tmp_path_factory.mktemp("vllm") / "work space")
    base = tiny_base(scene.root / "base")
    add_adapter(scene, base, "first", seed=1, r=8)
    # Ranks and scalings that differ from module to module, which other engines ignore.
    add_adapter(scene, base, "second", seed=2, r=16, use_rslora=True, rank_pattern={"down_proj": 4}, alpha_pattern={r"layers\.1\..*o_proj": 6})
    report = scene.render(base_folder=base, dtype="float32", max_model_len=512, max_num_seqs=8)
    assert report.left_out == {}
    port = free_port()
    with (scene.root / "server.log").open("wb") as log:
        environment = os.environ | {"VLLM_PYTHON": str(PYTHON), "OMP_NUM_THREADS": "1"}
        command = [str(scene.out / "start.sh"), "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    names = {"base": "base"} | {offer.name: offer.served_name for offer in report.served}
    running = Server(process, port, scene, base, names)
    try:
        wait_until_ready(running)
        yield running
    finally:
        stop(process)


def add_adapter(scene: Scene, base: Path, name: str, *, seed: int, **lora: Any) -> None:
    """A random adapter with a strong effect, saved by peft."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(lora_alpha=16, task_type="CAUSAL_LM", target_modules="all-linear", **lora)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "lora_B" in parameter_name:
                parameter.normal_(0, 0.1)
    with staged(scene.adapters / name, section=stage(), inputs={}) as folder:
        model.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
        (folder / "training.json").write_text(json.dumps({"end_token_ids": END_TOKENS}), encoding="utf-8")
    scene.members[name] = Member(base=BASE, prompt=PROMPT, enabled=True)
    scene.judge(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(running: Server) -> None:
    end = time.monotonic() + START_SECONDS
    while not running.ready():
        if running.process.poll() is not None or time.monotonic() > end:
            log = (running.scene.root / "server.log").read_text(encoding="utf-8", errors="replace")
            pytest.fail(f"the server did not start (exit status {running.process.poll()}):\n{log[-4000:]}")
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
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    children = [int(child) for task in listed.parent.parent.iterdir() for child in (task / "children").read_text().split()]
    return [pid, *(descendant for child in children for descendant in family(child))]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def expected(server: Server) -> dict[tuple[str, int], tuple[list[int], list[int]]]:
    """By model and conversation: the prompt's token ids and the greedy answer's, by transformers and peft in float32."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(server.base)
    found = {}
    for name, served in server.names.items():
        model = AutoModelForCausalLM.from_pretrained(server.base, dtype=torch.float32).eval()
        if name != "base":
            model = PeftModel.from_pretrained(model, str(server.scene.out / "adapters" / served)).eval()
        for number, messages in enumerate(CONVERSATIONS):
            text = tokenizer.apply_chat_template(messages, chat_template=CHAT_TEMPLATE, tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
            answer = model.generate(**ids, max_new_tokens=MAX_TOKENS, do_sample=False, eos_token_id=list(END_TOKENS))[0].tolist()
            length = ids["input_ids"].shape[1]
            found[served, number] = (answer[:length], answer[length:])
    for number in range(len(CONVERSATIONS)):
        answers = {tuple(found[served, number][1]) for served in server.names.values()}
        assert len(answers) == len(server.names), "the adapters must differ in effect, or this test shows nothing"
    assert any(answer[-1] == END_TOKENS[1] for _, answer in found.values()), "no answer ends at the second end token, so this test shows less"
    return found


def test_parser_of_vllm_takes_every_option_that_is_written(server: Server) -> None:
    code = (
        "import json; from vllm.utils.argparse_utils import FlexibleArgumentParser; from vllm.entrypoints.launchers.cli_args import make_arg_parser;"
        "args = make_arg_parser(FlexibleArgumentParser()).parse_args(['--config', 'serve.yaml']);"
        "print(json.dumps({key: value for key, value in vars(args).items()}, default=lambda value: getattr(value, '__dict__', str(value))))"
    )
    done = subprocess.run([str(PYTHON), "-c", code], cwd=server.scene.out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    parsed = json.loads(done.stdout.splitlines()[-1])
    assert {key.replace("-", "_") for key in ALLOWED} <= parsed.keys()
    assert (parsed["host"], parsed["dtype"], parsed["max_model_len"], parsed["max_loras"], parsed["max_lora_rank"]) == (
        "127.0.0.1",
        "float32",
        512,
        3,
        16,
    )
    assert [module["name"] for module in parsed["lora_modules"]] == [server.names["first"], server.names["second"]]


def test_server_lists_base_and_adapters(server: Server) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/models", timeout=30) as answer:
        models = {model["id"]: model["parent"] for model in json.loads(answer.read())["data"]}
    assert models == {"base": None, server.names["first"]: "base", server.names["second"]: "base"}


def test_server_renders_the_prompts_of_training(server: Server, expected: dict[tuple[str, int], tuple[list[int], list[int]]]) -> None:
    for (served, number), (prompt, _) in expected.items():
        status, found = server.post("/tokenize", {"model": served, "messages": CONVERSATIONS[number], "add_generation_prompt": True})
        assert status == 200, found
        assert found["tokens"] == prompt, (served, number)


def test_mixed_requests_are_answered_as_transformers_answers_them(
    server: Server, expected: dict[tuple[str, int], tuple[list[int], list[int]]]
) -> None:
    def ask(case: tuple[str, int]) -> tuple[str, int, Any]:
        served, number = case
        body = {"model": served, "messages": CONVERSATIONS[number], "temperature": 0, "max_tokens": MAX_TOKENS, "return_token_ids": True}
        return served, number, server.post("/v1/chat/completions", body)

    # Interleaved, so that every batch holds rows of the base and of both adapters.
    cases = sorted(expected, key=lambda case: (case[1], case[0])) * 3
    with ThreadPoolExecutor(len(cases)) as pool:
        answers = list(pool.map(ask, cases))
    for served, number, (status, body) in answers:
        assert status == 200, body
        prompt, answer = expected[served, number]
        assert body["prompt_token_ids"] == prompt, (served, number)
        assert body["choices"][0]["token_ids"] == answer, (served, number)


def test_server_refuses_to_load_other_adapters_and_to_answer_for_unknown_ones(server: Server) -> None:
    path = str(server.scene.out / "adapters" / server.names["first"])
    assert server.post("/v1/load_lora_adapter", {"lora_name": "other", "lora_path": path})[0] == 404
    status, _ = server.post("/v1/chat/completions", {"model": "first", "messages": CONVERSATIONS[0]})
    assert status == 404


def test_sigterm_ends_the_server_and_all_its_children(server: Server) -> None:
    processes = family(server.process.pid)
    assert len(processes) > 1
    server.process.terminate()
    server.process.wait(60)
    end = time.monotonic() + 20
    while (left := [pid for pid in processes if runs(pid)]) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)
