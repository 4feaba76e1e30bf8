"""`adapt completion`: what a shell must source to complete commands, options and spec names."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of SHELL. Put `eval "$(adapt completion bash)"` into ~/.bashrc, or the like."""
    from adapt.cli.main import adapt

    shell_class = get_completion_class(shell)
    if shell_class is None:
        raise AssertionError(shell)
    click.echo(shell_class(adapt, {}, "adapt", "_ADAPT_COMPLETE").source())
