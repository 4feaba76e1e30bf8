"""Asks vLLM itself, without starting a server: `python -m adapt_serving.rehearsal` in the folder of serve.yaml.

Enters: serve.yaml, server.json and adapters/. Leaves: one line of JSON on standard output: by version, and under `serve.yaml` for the options, why
vLLM refuses it, or null. Runs vLLM's argument parser, its checks of an adapter's configuration, and its loader of weights.
"""

import contextlib
import io
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from .facts import Server


def rehearse(folder: Path) -> dict[str, str | None]:
    """Reasons by version, and for the options."""
    found: dict[str, str | None] = {"serve.yaml": None}
    try:
        arguments = _parse(folder)
    except ValueError as error:
        return {"serve.yaml": str(error)}
    for version in sorted((folder / "adapters").glob("*@*")):
        found[version.name] = _refusal(version, arguments, Server.read(folder))
    return found


def _parse(folder: Path) -> Any:
    """The options as vLLM's parser understands them. Raises ValueError with what it says against them."""
    parser = import_module("vllm.utils.argparse_utils").FlexibleArgumentParser()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return import_module("vllm.entrypoints.launchers.cli_args").make_arg_parser(parser).parse_args(["--config", str(folder / "serve.yaml")])
    except SystemExit:
        raise ValueError(said.getvalue().strip().splitlines()[-1]) from None


def _refusal(folder: Path, arguments: Any, server: Server) -> str | None:
    limits = import_module("vllm.config.lora").LoRAConfig(
        max_lora_rank=arguments.max_lora_rank, max_loras=arguments.max_loras, max_cpu_loras=arguments.max_cpu_loras
    )
    config = json.loads((folder / "adapter_config.json").read_bytes())
    targets = config["target_modules"]
    modules = server.modules or dict.fromkeys(targets if isinstance(targets, list) else [])
    try:
        described = import_module("vllm.lora.peft_helper").PEFTHelper.from_local_dir(str(folder), arguments.max_model_len)
        described.validate_legal(limits)
        import_module("vllm.lora.lora_model").LoRAModel.from_local_checkpoint(
            str(folder), {module.rpartition(".")[2] for module in modules}, described, lora_model_id=1, device="cpu"
        )
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        return str(error).strip().splitlines()[0]
    return None


if __name__ == "__main__":
    print(json.dumps(rehearse(Path.cwd())))
