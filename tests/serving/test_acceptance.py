"""The serving promises on a real vLLM server with the bundled base: right answers under mixed load, swaps that nobody notices, attacks that fail.

The adapters are random ones with a strong effect; or, with ADAPT_BUILT=FOLDER, the trained `finance`, `legal` and `medical` in that folder, such as a
workspace's `adapters`, and as the second version of finance the trained one at half its strength.
"""

import base64
import json
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from adapt.artifact.progress import QuietProgress
from adapt.base.pin import pin
from adapt.base.prepare import prepare
from adapt.serving.deploy import rollback
from adapt.serving.sign import sign
from adapt.spec.base import BundledBase
from tests.serving.adapters import Scene, adapter_config, lora_tensors, write_safetensors
from tests.serving.plugin.published import lead
from tests.serving.servers import NEEDS_VLLM, ROOT, Server, add_adapter, add_built_adapter, resident_bytes, running

pytestmark = [*NEEDS_VLLM, pytest.mark.timeout(3000)]
MAX_TOKENS = 12
AT_ONCE = 8
KV_BLOCKS = 32
"""Few enough that every page of the cache has been touched by the time memory is first measured: pages of a large one would look like growth."""
NAMES = ("base", "finance", "legal", "medical")
QUESTIONS = (
    "What is a bond?",
    "How does a contract end?",
    "What does the heart do?",
    "什么是债券？",
    "Explain interest in one sentence.",
    "Who pays a dividend?",
    "What is a fever?",
    "Name three organs.",
    "What is a court?",
    "心脏有什么作用？",
)


@dataclass
class Running:
    """The server, its versions of finance, and what transformers answers."""

    server: Server
    finance: tuple[str, str]
    expected: dict[tuple[str, int], list[int]]
    """Token ids of the greedy answer by version (or `base`) and question."""

    def ask(self, name: str, number: int) -> tuple[int, Any]:
        return self.server.chat(name, conversation(number), max_tokens=MAX_TOKENS)

    def version_of(self, name: str) -> str:
        """The version that `name` was started with."""
        return self.server.versions.get(name, name)


def conversation(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": QUESTIONS[number]}]


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = prepare(pin(BundledBase(), root=ROOT), root=ROOT, cache=ROOT / ".adapt" / "cache", progress=QuietProgress())
    template = (base / "chat_template.jinja").read_text(encoding="utf-8")
    scene = Scene(tmp_path_factory.mktemp("acceptance") / "work space")
    kept = scene.root / "kept"
    for seed, name in enumerate(NAMES[1:]):
        add(scene, base, name, seed=seed, template=template)
    report = scene.render(base=str(base), base_folder=base, dtype="float32", max_model_len=512, max_num_seqs=AT_ONCE)
    assert report.left_out == {}
    folders = {"base": None} | {offer.served_name: scene.adapters / offer.name for offer in report.served}
    first = report.served[0].served_name
    shutil.copytree(scene.adapters / "finance", kept)
    folders[first] = kept
    with running(scene, report, "--num-gpu-blocks-override", str(KV_BLOCKS)) as server:
        add(scene, base, "finance", seed=9, template=template, built_strength=0.5)
        scene.render(base=str(base), base_folder=base, dtype="float32", max_model_len=512, max_num_seqs=AT_ONCE)
        second = server.publish("finance")
        folders[second] = scene.adapters / "finance"
        yield Running(server, (first, second), greedy_answers(base, template, folders))


def add(scene: Scene, base: Path, name: str, *, seed: int, template: str, built_strength: float = 1.0) -> None:
    """A trained adapter where ADAPT_BUILT has it, else a random one."""
    if folder := os.environ.get("ADAPT_BUILT"):
        add_built_adapter(scene, Path(folder) / name, name, strength=built_strength)
    else:
        add_adapter(scene, base, name, seed=seed, template=template, r=8, strength=0.03)


def greedy_answers(base: Path, template: str, folders: dict[str, Path | None]) -> dict[tuple[str, int], list[int]]:
    """What transformers and peft answer in float32."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    found = {}
    for name, folder in folders.items():
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        if folder is not None:
            model = PeftModel.from_pretrained(model, str(folder)).eval()
        for number in range(len(QUESTIONS)):
            text = tokenizer.apply_chat_template(conversation(number), chat_template=template, tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
            answer = model.generate(**ids, max_new_tokens=MAX_TOKENS, do_sample=False, repetition_penalty=1.0)[0].tolist()
            found[name, number] = answer[ids["input_ids"].shape[1] :]
    return found


def test_mixed_load_is_answered_as_transformers_answers(bundled: Running) -> None:
    cases = [(name, number) for name in NAMES for number in range(len(QUESTIONS))] * 5
    random.Random(0).shuffle(cases)
    assert len(cases) == 200
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda case: bundled.ask(*case), cases))
    print(f"\n{len(cases)} mixed requests, {AT_ONCE} at a time: {time.monotonic() - started:.1f} s")
    assert {status for status, _ in answers} == {200}
    wrong = [
        case
        for case, (_, body) in zip(cases, answers, strict=True)
        if body["choices"][0]["token_ids"] != bundled.expected[bundled.version_of(case[0]), case[1]]
    ]
    assert wrong == []


def test_swaps_under_load_lose_no_request_and_mix_no_versions(bundled: Running) -> None:
    server, (first, second) = bundled.server, bundled.finance
    done = Event()
    answered: list[tuple[str, int, int, Any]] = []

    def visit(seed: int) -> None:
        """Ask on and on; finance more often than the others."""
        rng = random.Random(seed)
        while not done.is_set():
            name, number = rng.choice((*NAMES, "finance", "finance")), rng.randrange(len(QUESTIONS))
            answered.append((name, number, *bundled.ask(name, number)))

    memory, late, slowest, versions = {}, [], 0.0, cycle((second, first))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda case: bundled.ask(*case), [(name, number) for name in NAMES for number in range(len(QUESTIONS))]))
        visitors = [pool.submit(visit, seed) for seed in range(AT_ONCE - 1)]
        try:
            for swap in range(1, 21):
                version, rolled_back = next(versions), None
                if swap % 5 == 0:
                    rolled_back = pool.submit(rollback, "finance", [server.target], say=lambda _: None)
                    while server.live.aliases()["finance"] != {version: 1.0} and not rolled_back.done():
                        time.sleep(0.001)
                else:
                    lead(server.live, "finance", {version: 1.0})
                seen = time.time() - server.live.places.aliases.stat().st_mtime
                status, body = bundled.ask("finance", swap % len(QUESTIONS))
                assert status == 200
                if body["choices"][0]["token_ids"] != bundled.expected[version, swap % len(QUESTIONS)]:
                    late.append(swap)
                if rolled_back is not None:
                    rolled_back.result()
                slowest = max(slowest, seen)
                if swap in (2, 20):
                    memory[swap] = resident_bytes(server.process.pid)
        finally:
            done.set()
        for visitor in visitors:
            visitor.result()
    lead(server.live, "finance", {first: 1.0})
    sizes = f"{memory[2] >> 20} MiB after 2, {memory[20] >> 20} MiB after 20"
    print(f"\n{len(answered)} requests during 20 swaps, each in force within {slowest:.3f} s; memory {sizes}")
    assert slowest < 1
    assert late == [], "a request made after the shift was answered by the version before"
    assert [entry for entry in answered if entry[2] != 200] == []
    for name, number, _, body in answered:
        allowed = (first, second) if name == "finance" else (bundled.version_of(name),)
        assert body["choices"][0]["token_ids"] in [bundled.expected[version, number] for version in allowed], (name, number)
    assert len(answered) > 60
    assert memory[20] < memory[2] * 1.05


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "finance@../../../../../tmp",
        "finance@000000000000",
        "meta-llama/Llama-3-8B",
        "finance\x00",
        "",
        "https://x/y",
    ],
)
def test_names_that_are_not_ours_are_refused_at_the_door(bundled: Running, name: str) -> None:
    before = bundled.server.log
    status, body = bundled.ask(name, 0)
    assert (status, body["error"]["param"]) == (404, "model")
    assert "the model does not exist; there are: base, finance, legal, medical" in body["error"]["message"]
    assert "Traceback" not in bundled.server.log.removeprefix(before)


def test_a_thousand_unknown_names_leave_nothing(bundled: Running) -> None:
    server = bundled.server
    series = len(server.target.replica.metrics())
    before = resident_bytes(server.process.pid)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = set(pool.map(lambda number: bundled.ask(f"unknown-{number}@{number:012x}", 0)[0], range(1000)))
    grown = resident_bytes(server.process.pid) - before
    print(f"\n1000 unknown names: {grown / 1024:.0f} KiB more")
    assert statuses == {404}
    assert len(server.target.replica.metrics()) <= series + 1
    assert grown < 4 << 20


def test_raw_routes_are_the_administrators(bundled: Running) -> None:
    server, path = bundled.server, str(bundled.server.live.places.adapters / bundled.finance[0])
    for route in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/adapters", "/invocations", "/adapt/state", "/docs", "/openapi.json"):
        for headers in ({}, {"Authorization": "Bearer guess"}):
            status, body = server.post(route, {"lora_name": "other", "lora_path": path}, **headers)
            assert (status, body["error"]["code"]) == (404, 404), route
    assert bundled.finance[0] in server.send("GET", "/adapt/state", admin=True)[1]["stored"]


def test_long_bodies_are_refused(bundled: Running) -> None:
    body = {"model": "finance", "messages": [{"role": "user", "content": "a" * (5 << 20)}]}
    status, answer = bundled.server.post("/v1/chat/completions", body)
    assert (status, answer["error"]["message"]) == (413, "the body is longer than 4194304 bytes")


def test_pinned_versions_are_the_live_ones_and_the_administrators(bundled: Running) -> None:
    first, second = bundled.finance
    assert bundled.ask(first, 0)[0] == 200
    assert bundled.ask(second, 0)[0] == 404
    body = {"model": second, "messages": conversation(0), "max_tokens": 1}
    assert bundled.server.post("/v1/chat/completions", body, admin=True)[0] == 200


def forged(bundled: Running, digits: str, *, resign: bool = True, files: dict[str, bytes | None] | None = None, **about: Any) -> str:
    """A version made from the second one of finance: other files, other facts, signed again by the rightful key or not."""
    adapters = bundled.server.live.places.adapters
    name = f"finance@{digits}"
    folder = adapters / name
    shutil.copytree(adapters / bundled.finance[1], folder)
    for file, content in (files or {}).items():
        if content is None:
            (folder / file).unlink()
        else:
            (folder / file).write_bytes(content)
    if about:
        facts = json.loads((folder / "adapter.json").read_bytes()) | about
        (folder / "adapter.json").write_text(json.dumps(facts))
    if resign:
        (folder / "model.sig").unlink(missing_ok=True)
        sign(folder, adapters / ".sig", key=bundled.server.keys.signing)
        (adapters / ".sig").rename(folder / "model.sig")
    return name


def tensors(path: Path, **shape: Any) -> bytes:
    write_safetensors(path, lora_tensors(**shape))
    return path.read_bytes()


def test_forged_adapters_are_not_served_and_the_log_says_why_once(bundled: Running, tmp_path: Path) -> None:
    adapters, second = bundled.server.live.places.adapters, bundled.finance[1]
    weights = bytearray((adapters / second / "adapter_model.safetensors").read_bytes())
    weights[-1] ^= 1
    wide = json.dumps(adapter_config(r=512)).encode()
    bundle = json.loads((adapters / second / "model.sig").read_bytes())
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(b"{}").decode()
    cases = {
        forged(
            bundled, "000000000001", resign=False, files={"adapter_model.safetensors": bytes(weights)}
        ): "its signature was made for another folder",
        forged(bundled, "000000000002", resign=False, files={"model.sig": None}): "it is not signed",
        forged(bundled, "000000000003", resign=False, files={"model.sig": json.dumps(bundle).encode()}): "made with a key that is not trusted here",
        forged(bundled, "000000000004", base={"digest": "c" * 64, "revision": None}): "it was trained on another base model than the one served",
        forged(bundled, "000000000005", template="d" * 64): "it was trained with another template than the one served",
        forged(bundled, "000000000006", files={"adapter_model.safetensors": tensors(tmp_path / "w")}): "its name is not that of its content",
        forged(bundled, "000000000007", files={"adapter_config.json": wide}): "its name is not that of its content",
        forged(bundled, "000000000008", resign=False, files={"adapter_model.bin": b"\x80\x04."}): "its signature was made for another folder",
        forged(bundled, "000000000009", files={"adapter_model.bin": b"\x80\x04."}): "it was signed with other files than an adapter has",
    }
    linked = adapters / "finance@00000000000a"
    linked.symlink_to(adapters / second)
    cases[linked.name] = "there is no folder of that name"
    for name, reason in cases.items():
        bundled.server.begin(name)  # else that no roll-out leads to it would be the reason
        for _ in range(2):
            status, _ = bundled.server.post("/v1/completions", {"model": name, "prompt": "a", "max_tokens": 1}, admin=True)
            assert status == 404, name
        lines = [line for line in bundled.server.log.splitlines() if f"{name} is not served" in line]
        assert len(lines) == 1, name
        assert reason in lines[0]


def test_altered_weights_of_a_live_version_are_not_loaded(bundled: Running) -> None:
    """The server holds a verified copy, so what it has loaded stays right; a version altered before it is loaded is refused."""
    (source,) = (path for path in bundled.server.live.places.adapters.iterdir() if path.name == bundled.finance[1])
    path = source / "adapter_model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-4] + b"\0\0\x80\x3f")
    try:
        lead(bundled.server.live, "finance", {source.name: 1.0})
        reason = bundled.server.send("GET", "/adapt/state", admin=True)[1]["versions"][source.name]
        assert reason == "adapter_model.safetensors is not what was signed"
        answers: Sequence[Any] = [bundled.ask("finance", number)[1]["choices"][0]["token_ids"] for number in range(3)]
        assert list(answers) == [bundled.expected[source.name, number] for number in range(3)]
    finally:
        path.write_bytes(content)
        lead(bundled.server.live, "finance", {bundled.finance[0]: 1.0})
