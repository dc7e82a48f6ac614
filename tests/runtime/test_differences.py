"""docs/differences.md: whatever docker has and preg has not is listed there with its reason, and nothing else is."""

import re
from collections.abc import Iterator
from importlib import import_module

import pytest

from runtime.cli import COMMANDS
from runtime.cli.aliases import ALIASES
from tests.parts.docker_help import docker_commands
from tests.parts.required import ROOT
from tests.runtime.docker_table import ON_THE_PAGE, ROWS

PAGE = ROOT / ON_THE_PAGE
OWN = {command.name: command for command in COMMANDS}


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    section = PAGE.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(lines) > 2
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def listed_commands() -> set[str]:
    names = {name for cells in rows("Commands that preg does not have") for name in quoted(cells[0])}
    families = {name.removesuffix(" *") for name in names if name.endswith(" *")}
    return {name for name in names if " *" not in name} | {
        name for name in docker_commands() if name.split()[0] in families
    }


def listed_options() -> set[tuple[str, str]]:
    return {
        (command, option)
        for cells in rows("Options that preg does not have")
        for command in quoted(cells[0])
        for option in quoted(cells[1])
    }


def options_of(name: str) -> set[str]:
    usage = import_module(OWN[name].entry.partition(":")[0]).USAGE
    return {spelling for option in usage.options for spelling in (option.name, *option.also)}


def lacking_options() -> Iterator[tuple[str, str]]:
    for name, options in docker_commands().items():
        if name in OWN:
            yield from ((name, option) for option in options - options_of(name) - {"--help"})


def test_every_command_of_docker_is_there_or_has_its_reason() -> None:
    assert {*docker_commands()} - {*OWN} - {*ALIASES} - listed_commands() == set()


def test_every_option_of_docker_is_there_or_has_its_reason() -> None:
    assert {*lacking_options()} - listed_options() == set()


def test_nothing_is_listed_that_is_there() -> None:
    assert listed_commands() & {*OWN, *ALIASES} == set()
    assert {(name, option) for name, option in listed_options() if option in options_of(name)} == set()


@pytest.mark.parametrize("title", ["Commands that preg does not have", "Options that preg does not have"])
def test_each_row_has_a_reason(title: str) -> None:
    for *_, reason in rows(title):
        assert re.fullmatch(r"[A-Z].*\.", reason), reason


def test_what_the_table_beside_docker_calls_a_difference_is_explained() -> None:
    explained = {name for cells in rows("What is done differently") for name in quoted(cells[0])}
    named = {
        f"{name} {option}".strip()
        for name, options in ROWS.items()
        for option, row in options.items()
        if row == ON_THE_PAGE
    }
    assert named
    assert {name for name in named if name not in explained and name.partition(" --")[0] not in explained} == set()
