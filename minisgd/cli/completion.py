"""``minisgd --completion``: a script by which bash and zsh complete commands and options."""

from __future__ import annotations

from collections.abc import Iterator

from minisgd.cli.group import Group

SCRIPT = """\
# eval "$(minisgd --completion)"
if [ -n "$ZSH_VERSION" ]; then
    whence compdef > /dev/null || {{ autoload -U compinit && compinit -u; }}
    autoload -U bashcompinit && bashcompinit
fi
_minisgd() {{
    local words
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{cases}
    esac
    [ "$COMP_CWORD" -eq 1 ] && words="{commands} --help --version"
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _minisgd minisgd
"""


def script(group: Group) -> str:
    """Return the script for all commands of a group."""
    cases = "\n".join(f"        {pattern}) words={words!r} ;;".replace("'", '"') for pattern, words in _cases(group))
    return SCRIPT.format(cases=cases, commands=" ".join(group.commands))


def _cases(group: Group, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is typed, as a pattern, and what may follow it."""
    for name in group.commands:
        inner = getattr(group.command(name), "GROUP", None)
        if inner is not None:
            yield from _cases(inner, f"{name}\\ ")
            yield f"{name}\\ *", " ".join(inner.commands)
        else:
            options = " ".join(group.command_parser(name).options().values())
            yield f"{before}{name}" if before else f"{name}\\ *", options
