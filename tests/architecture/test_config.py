"""The example configuration is the manual of the settings: it names each, explains it, and says its default."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from registry.config import ClaimRule, Config, Oidc, load
from tests.parts.required import ROOT

EXAMPLE = ROOT / "deploy" / "preg.example.toml"
SETTINGS = [
    (section.name, setting.name)
    for section in msgspec.structs.fields(Config)
    if section.name != "oidc"  # of which there are any number
    for setting in msgspec.structs.fields(section.type)
]


def explained() -> set[tuple[str, str]]:
    """The settings of the example that stand below a comment, alone or in a group."""
    section, seen, comment = "", set(), False
    for line in EXAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[([\w.]+)\]", line):
            section, comment = header[1], False
        elif line.startswith("#"):
            comment = True
        elif not line:
            comment = False
        elif comment and (setting := re.match(r"(\w+) *=", line)):
            seen.add((section, setting[1]))
    return seen


@pytest.mark.parametrize(("section", "setting"), SETTINGS)
def test_a_setting_is_in_the_example_with_its_default_and_a_comment(section: str, setting: str) -> None:
    written = tomllib.loads(EXAMPLE.read_text())
    assert setting in written[section]
    assert (section, setting) in explained()
    default = getattr(getattr(Config(), section), setting)
    assert written[section][setting] == msgspec.json.decode(msgspec.json.encode(default))


def test_the_example_loads_and_changes_nothing() -> None:
    assert load(EXAMPLE, {}, {}) == Config()


def test_the_issuer_in_the_comments_is_one_and_names_every_setting(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().splitlines()
    begin = lines.index("# [[oidc]]")
    end = next(number for number in range(begin, len(lines)) if not lines[number])
    text = "\n".join(line.removeprefix("#").strip() for line in lines[begin:end])
    (issuer,) = tomllib.loads(text)["oidc"]
    assert set(issuer) == set(Oidc.__struct_fields__)
    assert set(issuer["rules"][0]) == set(ClaimRule.__struct_fields__)
    config = tmp_path / "preg.toml"
    config.write_text(f'[auth]\nmode = "token"\n{text}')
    assert load(config, {}, {}).oidc[0].rules[0].groups == ("ci",)
