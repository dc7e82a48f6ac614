"""``preg completion``: have a shell complete what is typed of a preg command."""

import sys
from typing import Final

from runtime.cli.candidates import complete
from runtime.cli.options import Option, Usage
from runtime.errors import UsageError

# Each function hands the words up to the cursor to preg, and takes what it prints; nothing printed means files.
_BASH: Final = """\
_preg() {
    local line=${COMP_LINE:0:COMP_POINT} words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    mapfile -t COMPREPLY < <(preg completion --complete -- "${words[@]:1}" 2> /dev/null)
    # bash takes a colon or an equals sign for the end of a word.
    local last=${words[-1]}
    COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*[:=]}"}"}")
}
complete -o default -F _preg preg
"""
_ZSH: Final = """\
#compdef preg
_preg() {
    local -a found
    found=(${(f)"$(preg completion --complete -- "${(@)words[2,CURRENT]}" 2> /dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _preg preg
"""
_FISH: Final = """\
complete -c preg -a '(preg completion --complete -- (commandline -opc)[2..-1] (commandline -ct) 2> /dev/null)'
"""
_SHELLS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}

USAGE: Final = Usage(
    "completion SHELL",
    f"Print what lets a shell complete the words of a preg command: {', '.join(_SHELLS)}.",
    (Option("--complete", "Print what the last of the words behind -- may become; this is how shells ask"),),
    notes="""
Examples:
  source <(preg completion bash)      # in ~/.bashrc
  source <(preg completion zsh)       # in ~/.zshrc, behind compinit
  preg completion fish | source       # in ~/.config/fish/config.fish
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    if "--complete" in options:
        sys.stdout.writelines(f"{word}\n" for word in complete(options.operands))
        return 0
    (shell,) = options.operands
    if shell not in _SHELLS:
        raise UsageError(f"there is no completion for {shell!r}, but for {', '.join(_SHELLS)}")
    sys.stdout.write(_SHELLS[shell])
    return 0
