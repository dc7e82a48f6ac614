"""Scopes as clients write them, well and badly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.action import Action
from auth.scope import Scope, needed, parse


def scope(name: str, *actions: str, kind: str = "repository") -> Scope:
    return Scope(kind, name, frozenset(actions))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("repository:team/app:pull", scope("team/app", "pull")),
        ("repository:team/app:push,pull", scope("team/app", "pull", "push")),
        ("repository:team/app:*", scope("team/app", "*")),
        ("repository(plugin):team/app:pull", scope("team/app", "pull")),
        ("repository:localhost:5000/team/app:pull", scope("localhost:5000/team/app", "pull")),
        ("repository:[::1]:5000/team/app:pull", scope("[::1]:5000/team/app", "pull")),
        ("registry:catalog:*", scope("catalog", "*", kind="registry")),
        ("unknown:thing:fly", scope("thing", "fly", kind="unknown")),
        ("repository:app:,pull,", scope("app", "pull")),
    ],
)
def test_a_scope_is_split_at_its_first_and_last_colon(text: str, found: Scope) -> None:
    assert parse([text]) == ([found], 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "::",
        "repository",
        "repository:app",
        "repository:app:",
        "repository::pull",
        "repository:*:pull",
        "repository:team/*:pull",
        "repository:a%2f..%2fb:pull",
        "repository:a b:pull",
        "repository:a\x00b:pull",
        "repository:a\n:pull",
        "repository:app:pull\n",
        "repository:\u00e4pp:pull",
        "repository(:app:pull",
        "repository:app:PULL",
        f"repository:{'a' * 256}:pull",
        f"repository:app:{'pull,' * 1000}",
    ],
)
def test_what_is_malformed_is_passed_over_and_counted(text: str) -> None:
    assert parse([text, "repository:good:pull"]) == ([scope("good", "pull")], 1)


def test_scopes_of_one_repository_are_one_in_the_place_of_the_last() -> None:
    found = parse(["repository:a:pull", "repository:b:pull", "repository:a:push"]).scopes
    assert found == [scope("b", "pull"), scope("a", "pull", "push")]


def test_all_of_a_thousand_scopes_are_read() -> None:
    found = parse(f"repository:r{number}:pull" for number in range(1000)).scopes
    assert [each.name for each in found] == [f"r{number}" for number in range(1000)]


@given(st.lists(st.text()))
def test_any_text_is_read(texts: list[str]) -> None:
    found = parse(texts)
    for each in found.scopes:
        assert parse([str(each)]).scopes == [each] or not each.actions
    assert len(found.scopes) + found.malformed <= len(texts)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["pull", "push", "delete"])), max_size=30))
def test_none_is_lost_and_the_newest_come_last(asked: list[tuple[str, str]]) -> None:
    found = parse(f"repository:{name}:{action}" for name, action in asked)
    assert {(each.name, action) for each in found.scopes for action in each.actions} == set(asked)
    newest_first = list(dict.fromkeys(name for name, _ in reversed(asked)))
    assert [each.name for each in reversed(found.scopes)] == newest_first
    assert found.malformed == 0


words = st.sets(st.sampled_from(["pull", "push", "delete", "*"]), min_size=1)
names = st.from_regex(r"[a-z0-9]+(/[a-z0-9]+){0,2}", fullmatch=True)


@given(st.sampled_from(["repository", "registry"]), names, words)
def test_what_is_written_is_read_again(kind: str, name: str, actions: set[str]) -> None:
    written = Scope(kind, name, frozenset(actions))
    assert parse([str(written)]) == ([written], 0)
    assert written.covers(written)


@pytest.mark.parametrize(
    ("action", "enough", "too_little"),
    [
        (Action.PULL, "repository:a:pull", "repository:a:push,delete"),
        (Action.PUSH, "repository:a:pull,push", "repository:a:push"),
        (Action.DELETE, "repository:a:delete", "repository:a:pull,push"),
        (Action.CATALOG, "registry:catalog:*", "registry:catalog:pull"),
        (Action.PULL, "repository:a:*", "repository:b:*"),
        (Action.PULL, "repository:a:*", "registry:a:*"),
    ],
)
def test_an_action_needs_its_scope(action: Action, enough: str, too_little: str) -> None:
    need = needed(action, "a")
    assert parse([enough]).scopes[0].covers(need)
    assert not parse([too_little]).scopes[0].covers(need)
