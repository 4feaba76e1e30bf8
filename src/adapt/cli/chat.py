"""`adapt chat`: talk to a built adapter, on this machine, through the template that it was trained with."""

import sys
from typing import TYPE_CHECKING

import click

from adapt.artifact.progress import progress_for_terminal
from adapt.cli.context import all_specs, complete_names, json_option, open_workspace, print_json, spec_names
from adapt.errors import WorkspaceError
from adapt.plan.workspace import Workspace
from adapt.records import Message
from adapt.spec.adapter import AdapterSpec

if TYPE_CHECKING:
    from adapt.adapter.load import LoadedAdapter

_LEAVE, _RESET, _HELP = ("/quit", "/exit"), "/reset", "/help"
_COMMANDS = "/reset forgets what was said, /help shows this, /quit or /exit (or Ctrl-D) leaves; everything else is asked"


@click.command("chat")
@click.argument("name", shell_complete=complete_names)
@click.option("--prompt", help="Ask this one question and leave; `-` reads it from standard input.")
@click.option("--base", "use_base", is_flag=True, help="Answer with the base model, the adapter switched off.")
@click.option("--max-new-tokens", default=256, show_default=True, type=click.IntRange(1), help="Longest answer, in tokens.")
@json_option
def chat_command(name: str, prompt: str | None, use_base: bool, max_new_tokens: int, as_json: bool) -> None:
    """Talk to adapter NAME. Answers are greedy, so the same question gets the same answer.

    In a conversation, /reset forgets what was said, /help lists the commands, and /quit, /exit or Ctrl-D leaves.
    """
    if as_json and prompt is None:
        raise click.UsageError("--json needs --prompt")
    workspace = open_workspace()
    specs = all_specs(workspace)
    name = spec_names(workspace, [name], specs)[0]
    loaded = _load(workspace, name, specs[name])
    if prompt is None:
        _converse(loaded, name, use_base, max_new_tokens)
        return
    question = sys.stdin.read().strip() if prompt == "-" else prompt
    answer = _answer(loaded, [Message(role="user", content=question)], use_base, max_new_tokens)
    if as_json:
        print_json({"adapter": None if use_base else name, "question": question, "answer": answer})
    else:
        click.echo(answer)


def _load(workspace: Workspace, name: str, spec: AdapterSpec) -> "LoadedAdapter":
    folder = workspace.adapter(name)
    if not (folder / "manifest.json").is_file():
        raise WorkspaceError(f"adapter '{name}' is not built", hint=f"run `adapt build {name}`")
    from adapt.adapter.load import load_adapter, read_training
    from adapt.base.pin import pin
    from adapt.base.prepare import prepare

    pinned = pin(spec.base, root=workspace.root)
    if read_training(folder)["base"]["digest"] != pinned.digest:
        raise WorkspaceError(f"adapter '{name}' was trained on another base than its spec names now", hint=f"run `adapt build {name}`")
    base = prepare(pinned, root=workspace.root, cache=workspace.cache, progress=progress_for_terminal())
    loaded = load_adapter(folder, base)
    if loaded.dtype != loaded.trained_dtype:
        click.echo(f"answers are computed in {loaded.numerics}; the adapter was trained in {loaded.trained_dtype}", err=True)
    return loaded


def _converse(loaded: "LoadedAdapter", name: str, use_base: bool, max_new_tokens: int) -> None:
    click.echo(f"{'base of ' if use_base else ''}{name}; /help lists the commands, /quit or Ctrl-D leaves", err=True)
    turns: list[Message] = []
    while True:
        try:
            question = click.prompt("you", prompt_suffix="> ", type=str).strip()
        except (click.Abort, EOFError):
            click.echo(err=True)
            return
        if question in _LEAVE:
            return
        if question == _RESET:
            turns = []
            click.echo("forgotten", err=True)
            continue
        if question.startswith("/") and question[1:].isalpha():
            known = question == _HELP
            click.echo(_COMMANDS if known else f"{question} is no command; {_COMMANDS}", err=True)
            continue
        if not question:
            continue
        turns.append(Message(role="user", content=question))
        answer = _answer(loaded, turns, use_base, max_new_tokens)
        turns.append(Message(role="assistant", content=answer))
        click.echo(f"{name}> {answer}")


def _answer(loaded: "LoadedAdapter", turns: list[Message], use_base: bool, max_new_tokens: int) -> str:
    from contextlib import nullcontext

    from adapt.adapter.generation import generate

    ids = loaded.prompt.encode_question(tuple(turns))
    with loaded.disabled() if use_base else nullcontext():
        answers = generate(
            loaded.model,
            loaded.tokenizer,
            [ids],
            max_new_tokens=max_new_tokens,
            batch_tokens=len(ids) + max_new_tokens,
            end_ids=loaded.prompt.end_ids,
        )
    return str(loaded.tokenizer.decode(answers[0], skip_special_tokens=True)).strip()
