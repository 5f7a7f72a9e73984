"""Scripts that complete the command in a shell, made from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from autodiff.fit.command.arguments import Parser

__all__ = ["print_completion"]


class _Option(NamedTuple):
    """An option: its spellings, what may follow, and one line of help."""

    names: list[str]
    choices: list[str]
    takes_value: bool
    takes_file: bool
    help: str


def print_completion(shell: str, parser: Parser) -> int:
    """Print the script for a shell; return 0.

    Parameters
    ----------
    shell : {'bash', 'zsh', 'fish'}
        Whose.
    parser : Parser
        With all commands.
    """
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    print("\n".join(write(parser)))
    return 0


def _commands(parser: Parser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield name, help and parser of each command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {a.dest: a.help or "" for a in action._choices_actions}
            for name, one in action.choices.items():
                yield name, helps[name], one


def _options(parser: argparse.ArgumentParser) -> list[_Option]:
    return [
        _Option(
            list(action.option_strings),
            [str(choice) for choice in action.choices or ()],
            action.nargs != 0,
            action.metavar == "FILE",
            action.help or "",
        )
        for action in parser._actions
        if action.option_strings
    ]


def _arguments(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return words that a command's first argument may be; none for files."""
    if name == "explain":
        from autodiff.fit.catalogue import codes

        return list(codes())
    return [
        str(choice)
        for action in parser._actions
        if not action.option_strings
        for choice in action.choices or ()
    ]


def _bash(parser: Parser) -> Iterator[str]:
    names = " ".join(name for name, _, _ in _commands(parser))
    yield "# Completion of autodiff for bash: source <(autodiff completion bash)"
    yield "_autodiff() {"
    yield "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}"
    yield "    COMPREPLY=()"
    yield '    if [ "$COMP_CWORD" -eq 1 ]; then'
    yield f'        COMPREPLY=($(compgen -W "{names} --help --version" -- "$word"))'
    yield "        return"
    yield "    fi"
    yield '    case "${COMP_WORDS[1]}" in'
    for name, _, one in _commands(parser):
        yield f"    {name})"
        yield '        case "$before" in'
        for option in _options(one):
            if option.choices:
                reply = f'$(compgen -W "{" ".join(option.choices)}" -- "$word")'
            elif option.takes_file:
                reply = '$(compgen -f -- "$word")'
            elif option.takes_value:
                reply = ""
            else:
                continue
            yield f"        {'|'.join(option.names)}) COMPREPLY=({reply}); return ;;"
        yield "        esac"
        words = " ".join(text for option in _options(one) for text in option.names)
        yield '        if [[ "$word" == -* ]]; then'
        yield f'            COMPREPLY=($(compgen -W "{words}" -- "$word"))'
        yield "            return"
        yield "        fi"
        arguments = " ".join(_arguments(name, one))
        if arguments:
            yield f'        COMPREPLY=($(compgen -W "{arguments}" -- "$word"))'
        else:
            yield '        COMPREPLY=($(compgen -f -- "$word"))'
        yield "        ;;"
    yield "    esac"
    yield "}"
    yield "complete -o filenames -F _autodiff autodiff"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh(parser: Parser) -> Iterator[str]:
    yield "#compdef autodiff"
    yield "# Completion of autodiff for zsh: in a folder of $fpath, as _autodiff"
    yield "_autodiff() {"
    yield "    local -a commands"
    yield "    commands=("
    for name, text, _ in _commands(parser):
        yield f"        {_quoted(f'{name}:{text}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then _describe command commands; return; fi"
    yield "    local command=$words[2]"
    yield "    shift words; (( CURRENT-- ))"
    yield "    case $command in"
    for name, _, one in _commands(parser):
        yield f"    {name})"
        yield "        _arguments -s \\"
        for option in _options(one):
            text = option.help.replace("[", "(").replace("]", ")").replace(":", ",")
            follows = ""
            if option.choices:
                follows = f":value:({' '.join(option.choices)})"
            elif option.takes_value:
                follows = ":file:_files" if option.takes_file else ":value: "
            for spelling in option.names:
                yield f"            {_quoted(f'*{spelling}[{text}]{follows}')} \\"
        words = " ".join(_arguments(name, one))
        rest = f"*:argument:({words})" if words else "*:file:_files"
        yield f"            {_quoted(rest)}"
        yield "        ;;"
    yield "    esac"
    yield "}"
    yield 'if [ "$funcstack[1]" = _autodiff ]; then _autodiff "$@"; else'
    yield "    compdef _autodiff autodiff"
    yield "fi"


def _fish(parser: Parser) -> Iterator[str]:
    yield "# Completion of autodiff for fish"
    start = "complete -c autodiff -n __fish_use_subcommand -f"
    yield f"{start} -l help -d 'show help'"
    yield f"{start} -l version -d 'print the version'"
    for name, text, _ in _commands(parser):
        yield f"{start} -a {name} -d {_quoted(text)}"
    for name, _, one in _commands(parser):
        within = f"complete -c autodiff -n '__fish_seen_subcommand_from {name}'"
        for option in _options(one):
            spelled = " ".join(
                f"-l {text[2:]}" if text.startswith("--") else f"-s {text[1:]}"
                for text in option.names
            )
            follows = ""
            if option.choices:
                follows = f" -x -a '{' '.join(option.choices)}'"
            elif option.takes_value:
                follows = " -r" if option.takes_file else " -x"
            yield f"{within} {spelled}{follows} -d {_quoted(option.help)}"
        words = " ".join(_arguments(name, one))
        if words:
            yield f"{within} -f -a '{words}'"
