"""A real vLLM server, started as a user starts it, against transformers: the same prompts, the same greedy answers, adapters and base mixed.

Needs the serving environment (`adapt env serving`); the server runs there, everything else here.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.digest import digest_file
from adapt.records import Message
from adapt.serving.options import ALLOWED
from adapt.serving.render import ServingReport
from adapt.serving.sign import sign
from adapt.spec.prompt import PinnedPrompt
from tests.serving.adapters import Scene
from tests.serving.conformance import failures
from tests.serving.servers import NEEDS_VLLM, PYTHON, Server, add_adapter, family, running
from tests.tiny import CHAT_TEMPLATE, tiny_base

MAX_TOKENS = 24
END_TOKENS = (2, 251)
"""The end of a turn, and a token that some answers hold and that does not end the base's own."""
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

pytestmark = NEEDS_VLLM


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    scene = Scene(tmp_path_factory.mktemp("vllm") / "work space")
    base = tiny_base(scene.root / "base")
    add_adapter(scene, base, "first", seed=1, end_tokens=END_TOKENS, r=8)
    # Ranks and scalings that differ from module to module, which other engines ignore.
    patterns = {"rank_pattern": {"down_proj": 4}, "alpha_pattern": {r"layers\.1\..*o_proj": 6}}
    add_adapter(scene, base, "second", seed=2, end_tokens=END_TOKENS, r=16, use_rslora=True, **patterns)
    with running(scene, render(scene), "--trust-request-chat-template") as started:  # so that one server can be asked for every template
        yield started


def render(scene: Scene) -> ServingReport:
    report = scene.render(base_folder=scene.root / "base", dtype="float32", max_model_len=512, max_num_seqs=8)
    assert report.left_out == {}
    return report


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

    base = server.scene.root / "base"
    tokenizer = AutoTokenizer.from_pretrained(base)
    found = {}
    for name in ("base", *server.versions):
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        if name != "base":
            model = PeftModel.from_pretrained(model, str(server.scene.adapters / name)).eval()
        for number, messages in enumerate(CONVERSATIONS):
            text = tokenizer.apply_chat_template(messages, chat_template=CHAT_TEMPLATE, tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
            answer = model.generate(**ids, max_new_tokens=MAX_TOKENS, do_sample=False, eos_token_id=list(END_TOKENS))[0].tolist()
            length = ids["input_ids"].shape[1]
            found[name, number] = (answer[:length], answer[length:])
    for number in range(len(CONVERSATIONS)):
        answers = {tuple(found[name, number][1]) for name in ("base", *server.versions)}
        assert len(answers) == 3, "the adapters must differ in effect, or this test shows nothing"
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
    assert (parsed["lora_modules"], parsed["middleware"]) == (None, ["adapt_serving.gate.Gate"])


def test_clients_see_stable_names_and_the_administrator_what_is_loaded(server: Server) -> None:
    models = {model["id"]: model.get("versions") for model in server.send("GET", "/v1/models")[1]["data"]}
    assert models == {"base": None, **{name: {version: 1.0} for name, version in server.versions.items()}}
    for name in server.versions:
        assert server.chat(name, CONVERSATIONS[0], max_tokens=1)[0] == 200
    loaded = {model["id"]: model["parent"] for model in server.send("GET", "/v1/models", admin=True)[1]["data"]}
    assert loaded == {"base": None, **dict.fromkeys(server.versions.values(), "base")}


def test_server_renders_the_prompts_of_training(server: Server, expected: dict[tuple[str, int], tuple[list[int], list[int]]]) -> None:
    for (served, number), (prompt, _) in expected.items():
        status, found = server.post("/tokenize", {"model": served, "messages": CONVERSATIONS[number], "add_generation_prompt": True})
        assert status == 200, found
        assert found["tokens"] == prompt, (served, number)


@pytest.mark.parametrize(
    "prompt",
    [
        PinnedPrompt(kind="model"),
        PinnedPrompt(kind="alpaca"),
        PinnedPrompt(kind="model", system="Be brief."),
        PinnedPrompt(kind="alpaca", system="说中文。"),
    ],
    ids=lambda prompt: f"{prompt.kind}-{'system' if prompt.system else 'plain'}",
)
def test_every_shipped_template_gives_the_token_ids_of_training(server: Server, prompt: PinnedPrompt) -> None:
    from adapt.adapter.prompt import Prompt, effective_template
    from adapt.base.load import load_tokenizer

    tokenizer = load_tokenizer(server.scene.root / "base")
    template = effective_template(prompt, tokenizer).text
    trained = Prompt(template, tokenizer)
    for messages in CONVERSATIONS:
        body = {"model": "first", "messages": messages, "add_generation_prompt": True, "chat_template": template}
        status, found = server.post("/tokenize", body)
        assert status == 200, found
        assert found["tokens"] == list(trained.encode_question(tuple(Message(**turn) for turn in messages)))


def test_mixed_requests_are_answered_as_transformers_answers_them(
    server: Server, expected: dict[tuple[str, int], tuple[list[int], list[int]]]
) -> None:
    def ask(case: tuple[str, int]) -> tuple[str, int, Any]:
        name, number = case
        return name, number, server.chat(name, CONVERSATIONS[number], max_tokens=MAX_TOKENS)

    # Interleaved, so that every batch holds rows of the base and of both adapters.
    cases = sorted(expected, key=lambda case: (case[1], case[0])) * 3
    with ThreadPoolExecutor(len(cases)) as pool:
        answers = list(pool.map(ask, cases))
    for served, number, (status, body) in answers:
        assert status == 200, body
        prompt, answer = expected[served, number]
        assert body["prompt_token_ids"] == prompt, (served, number)
        assert body["choices"][0]["token_ids"] == answer, (served, number)


def test_stable_name_comes_back_in_answers_and_streams(server: Server) -> None:
    assert server.chat("first", CONVERSATIONS[0], max_tokens=2)[1]["model"] == "first"
    status, text = server.chat("first", CONVERSATIONS[0], max_tokens=4, stream=True)
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert status == 200
    assert {event["model"] for event in events} == {"first"}
    assert all(event["choices"] for event in events), "usage is counted at the door and not shown unless it was asked for"
    assert "data: [DONE]" in text


def test_metrics_count_requests_and_tokens_by_version(server: Server) -> None:
    version = server.versions["second"]

    def counted() -> tuple[float, float]:
        found = server.target.replica.metrics()
        return found.get(("adapt_requests_total", version, "200"), 0.0), found.get(("adapt_tokens_total", version, ""), 0.0)

    before = counted()
    status, answer = server.chat("second", CONVERSATIONS[0], max_tokens=5)
    spent = answer["usage"]["total_tokens"]
    server.chat("second", CONVERSATIONS[0], max_tokens=5, stream=True)
    assert (status, counted()) == (200, (before[0] + 2, before[1] + 2 * spent))


def test_request_that_vllm_cannot_answer_vetoes_no_roll_out(server: Server) -> None:
    """One of these made a deployment fail: vLLM answers 500, whichever model is asked."""
    version = server.versions["second"]
    recursive = {"type": "structural_tag", "format": {"type": "json_schema", "json_schema": {"$ref": "#"}}}
    states, asked = server.live.journal, {"max_tokens": 4, "response_format": recursive}
    states.change("second", lambda state: state.begin(version, "test").shift("test", 1.0), action="test")
    try:
        statuses = [server.chat("second", CONVERSATIONS[0], **asked)[0] for _ in range(3)]
        wait_until(lambda: faults(server, version, "request") == 3)
    finally:
        server.live.journal.change("second", lambda state: state.cancel("over"), action="test")
    assert statuses == [500] * 3, "vLLM answers such requests otherwise now, and this test shows nothing"
    assert faults(server, version, "version") == 0


def faults(server: Server, version: str, cause: str) -> float:
    return server.target.replica.metrics().get(("adapt_faults_total", version, cause), 0.0)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_the_table_of_requests_that_every_engine_is_held_to(server: Server) -> None:
    assert failures(lambda method, path, content: server.send(method, path, raw=content)) == []


def test_answers_that_are_no_numbers_spoil_no_other(
    server: Server,
    expected: dict[tuple[str, int], tuple[list[int], list[int]]],
) -> None:
    """Finite weights under which every logit is NaN, past the checks by a holder of the key: what it
    leaves in the cache harms nobody."""
    poison = poisonous(server)
    server.begin(poison)
    for _ in range(3):
        for messages in CONVERSATIONS:
            body = {"model": poison, "messages": messages, "max_tokens": 40}
            server.post("/v1/chat/completions", body, admin=True)
        for (name, number), (_, answer) in expected.items():
            status, answered = server.chat(name, CONVERSATIONS[number], max_tokens=MAX_TOKENS)
            assert (status, answered["choices"][0]["token_ids"]) == (200, answer), (name, number)


def poisonous(server: Server) -> str:
    """A version of `first` with weights that are finite, and too large for every pass; signed, with a
    false account of them."""
    from safetensors.torch import load_file, save_file

    aside = server.live.folder / "aside"
    shutil.copytree(server.live.places.adapters / server.versions["first"], aside)
    weights = load_file(aside / "adapter_model.safetensors")
    big = {name: tensor * (1e36 if "lora_B" in name else 1.0) for name, tensor in weights.items()}
    save_file(big, str(aside / "adapter_model.safetensors"), metadata={"format": "pt"})
    manifest = json.loads((aside / "manifest.json").read_bytes())
    manifest["files"]["adapter_model.safetensors"] = digest_file(aside / "adapter_model.safetensors")
    (aside / "manifest.json").write_text(json.dumps(manifest))
    digest = digest_file(aside / "manifest.json")
    facts = json.loads((aside / "adapter.json").read_bytes()) | {"digest": digest}
    (aside / "adapter.json").write_text(json.dumps(facts))
    (aside / "model.sig").unlink()
    folder = aside.rename(server.live.places.adapters / f"first@{digest[:12]}")
    sign(folder, server.live.folder / "sig", key=server.keys.signing)
    (server.live.folder / "sig").rename(folder / "model.sig")
    return folder.name


def test_a_version_that_no_roll_out_leads_to_is_not_loaded_though_it_is_signed(server: Server) -> None:
    """An old version that somebody put back into the folder, and an alias file that somebody led to it."""
    version = server.versions["second"]
    server.live.journal.change("second", lambda state: replace(state, good=None, earlier=()), action="retire")
    server.live.places.aliases.write_text(json.dumps({"second": {version: 1.0}}))
    server.target.replica.unload(version)
    status, _ = server.chat("second", CONVERSATIONS[0], max_tokens=1)
    assert status == 404
    assert "no roll-out leads to it" in server.log


def test_sigterm_ends_the_server_and_all_its_children(server: Server) -> None:
    processes = family(server.process.pid)
    server.process.terminate()
    server.process.wait(60)
    assert_all_end(processes)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)


def test_kill_of_the_process_that_takes_requests_ends_the_engine_too(server: Server) -> None:
    report = render(server.scene)
    with running(server.scene, report) as another:
        processes = family(another.process.pid)
        another.process.kill()
        another.process.wait(60)
        assert_all_end(processes)


def assert_all_end(processes: list[int]) -> None:
    assert len(processes) > 1
    end = time.monotonic() + 20
    while (left := [pid for pid in processes if runs(pid)]) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []
