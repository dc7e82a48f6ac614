"""The policy against an obvious model of it, and what is wrong with a file of rules."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.action import Action
from auth.errors import AuthMisconfigured
from auth.policy import ACTIONS, DEFAULT, Policy, Rule, matches
from auth.principal import ANONYMOUS, Grant, Principal

ALICE = Principal("alice", frozenset({"team"}))
KEY = Principal("key:ci", grants=(Grant(("team/*",), frozenset({Action.PULL, Action.PUSH})),))

GLOBS = (
    st.lists(st.sampled_from(["a", "b", "/", "*", "**", "a/", "/b"]), min_size=1, max_size=9)
    .map("".join)
    .filter(lambda glob: "***" not in glob)
)
NAMES = st.text("ab/", max_size=9)
SOME_ACTIONS = st.frozensets(st.sampled_from(ACTIONS), min_size=1)
WORDS = ["alice", "group:team", "group:b", "key:ci", "authenticated", "anonymous"]
RULES = st.builds(
    Rule,
    st.just("a rule"),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple),
    st.lists(GLOBS, min_size=1, max_size=2).map(tuple),
    SOME_ACTIONS,
    st.booleans(),
)
GRANTS = st.lists(st.builds(Grant, st.tuples(GLOBS), SOME_ACTIONS), max_size=2).map(tuple)
PRINCIPALS = st.one_of(
    st.just(ANONYMOUS),
    st.builds(Principal, st.sampled_from(["alice", "bob"]), st.frozensets(st.sampled_from(["team", "b"])), st.just(())),
    st.builds(Principal, st.just("key:ci"), st.just(frozenset()), GRANTS),
)


def covers(glob: str, name: str) -> bool:
    """Match letter by letter."""
    if not glob:
        return not name
    if glob.startswith("*"):
        deep = glob.startswith("**")
        rest = glob[2 if deep else 1 :]
        return any(covers(rest, name[i:]) for i in range(len(name) + 1) if deep or "/" not in name[:i])
    return name[:1] == glob[0] and covers(glob[1:], name[1:])


def allowed(rules: list[Rule], principal: Principal, action: Action, repository: str) -> bool:
    """What the documentation of the file says, in its order."""
    if action is Action.PING:
        return principal.name != ""
    if action is Action.PUSH and not allowed(rules, principal, Action.PULL, repository):
        return False

    def concerns(globs: tuple[str, ...], actions: frozenset[Action]) -> bool:
        return action in actions and (action is Action.CATALOG or any(covers(glob, repository) for glob in globs))

    about = [rule for rule in rules if concerns(rule.repositories, rule.actions)]
    if principal.name:
        mine = {principal.name, "authenticated", *(f"group:{group}" for group in principal.groups)}
    else:
        mine = {"anonymous"}
    if any(mine & set(rule.who) for rule in about if rule.deny):
        return False
    if principal.grants:
        mine = set()
    if any((mine | {"anonymous"}) & set(rule.who) for rule in about if not rule.deny):
        return True
    return any(concerns(*grant) for grant in principal.grants)


@settings(max_examples=200)
@given(st.lists(RULES, max_size=6), PRINCIPALS, st.sampled_from(Action), NAMES)
def test_it_decides_as_the_model_does(rules: list[Rule], principal: Principal, action: Action, repository: str) -> None:
    policy = Policy(rules, "the model")
    expected = allowed(rules, principal, action, repository)
    first, again = (policy.decide(principal, action, repository) for _ in range(2))
    assert first == again
    assert first.allowed is expected
    assert first.reason


@settings(max_examples=500)
@given(GLOBS, NAMES)
def test_globs_match_as_the_model_does(glob: str, name: str) -> None:
    assert matches((glob,), name) is covers(glob, name)


@given(st.lists(RULES, max_size=6), RULES, PRINCIPALS, st.sampled_from(Action), NAMES)
def test_another_rule_that_denies_never_allows_more(
    rules: list[Rule], rule: Rule, principal: Principal, action: Action, repository: str
) -> None:
    before = Policy(rules, "").decide(principal, action, repository).allowed
    after = Policy([*rules, rule._replace(deny=True)], "").decide(principal, action, repository).allowed
    assert before or not after


@pytest.mark.parametrize(
    ("glob", "name", "matched"),
    [
        ("team/*", "team/app", True),
        ("team/*", "team/app/sub", False),
        ("team/*", "team", False),
        ("team/*", "xteam/app", False),
        ("team/**", "team/app/sub", True),
        ("*", "app", True),
        ("*", "team/app", False),
        ("**", "team/app", True),
        ("**/app", "team/sub/app", True),
        ("team/app-*", "team/app-1", True),
        ("a.b", "axb", False),
        ("team/*", "team/app\n", True),
        ("team/*", "team/app\nx/y", False),
        ("**", "a\nb", True),
    ],
)
def test_globs(glob: str, name: str, matched: bool) -> None:
    assert matches((glob,), name) is matched


@pytest.mark.parametrize("glob", ["**a" * 20 + "b", "*a" * 20 + "b", "**/*a*" * 10 + "b", "**a*a" * 10 + "**b"])
def test_no_name_takes_for_ever_to_match(glob: str) -> None:
    """With an expression that goes back for each star, this test would not end."""
    for name in ("a" * 255, "a/" * 127):
        assert not matches((glob,), name)


def read(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return Policy.read(path)


def test_a_decision_names_the_rule_the_file_and_whom_it_is_about(tmp_path: Path) -> None:
    policy = read(
        tmp_path,
        """
        [[rule]]
        who = ["group:team"]
        repositories = ["team/*", "x"]
        actions = ["push", "pull"]
        [[rule]]
        who = ["alice", "bob"]
        repositories = ["team/secret"]
        actions = ["pull"]
        deny = true
        [[rule]]
        who = ["anonymous"]
        actions = ["catalog"]
        [[rule]]
        who = ["bob"]
        repositories = ["dropbox"]
        actions = ["push"]
        """,
    )
    file = tmp_path / "policy.toml"
    for principal, action, repository, expected in (
        (ALICE, Action.PUSH, "team/app", (True, f"rule 1 of {file} allows group:team pull, push on team/*, x")),
        (ALICE, Action.PULL, "team/secret", (False, f"rule 2 of {file} denies alice pull on team/secret")),
        (ALICE, Action.CATALOG, "", (True, f"rule 3 of {file} allows anonymous catalog")),
        (ALICE, Action.DELETE, "team/app", (False, f"no rule of {file} allows alice group:team delete on team/app")),
        (ANONYMOUS, Action.PULL, "x", (False, f"no rule of {file} allows anonymous pull on x")),
        (
            Principal("bob"),
            Action.PUSH,
            "dropbox",
            (False, f"who pushes must be allowed to pull: no rule of {file} allows bob pull on dropbox"),
        ),
        (KEY, Action.PULL, "team/app", (True, "key:ci was made for pull, push on team/*")),
    ):
        assert policy.decide(principal, action, repository) == expected


def test_what_the_anonymous_may_do_everybody_may_who_is_not_denied_it(tmp_path: Path) -> None:
    policy = read(
        tmp_path,
        """
        [[rule]]
        who = ["anonymous"]
        repositories = ["public/**"]
        actions = ["pull"]
        [[rule]]
        who = ["mallory"]
        repositories = ["**"]
        actions = ["pull"]
        deny = true
        """,
    )
    for principal in (ANONYMOUS, ALICE, KEY):
        assert policy.decide(principal, Action.PULL, "public/app").allowed
        assert not policy.decide(principal, Action.PUSH, "public/app").allowed
    assert not policy.decide(Principal("mallory"), Action.PULL, "public/app").allowed


def test_a_key_may_do_what_it_was_made_for_and_nothing_that_others_may() -> None:
    assert DEFAULT.decide(ALICE, Action.DELETE, "any/thing").allowed
    assert not DEFAULT.decide(ANONYMOUS, Action.PULL, "any/thing").allowed
    assert DEFAULT.decide(KEY, Action.PUSH, "team/app").allowed
    for action, repository in ((Action.PULL, "other/app"), (Action.DELETE, "team/app"), (Action.CATALOG, "")):
        assert not DEFAULT.decide(KEY, action, repository).allowed


def test_a_rule_narrows_a_key_and_never_widens_it() -> None:
    everything = frozenset(ACTIONS)
    for who in ("key:ci", "authenticated", "group:ci"):
        named = Policy([Rule("it", (who,), ("**",), everything)], "it")
        for action, repository in ((Action.PULL, "other/app"), (Action.DELETE, "team/app"), (Action.CATALOG, "")):
            decision = named.decide(KEY._replace(groups=frozenset({"ci"})), action, repository)
            assert decision == (False, "key:ci was made for pull, push on team/*, and no rule allows it more")
        assert named.decide(KEY, Action.PULL, "team/app").allowed
    for who in ("key:ci", "authenticated"):
        narrowed = Policy([Rule("it", (who,), ("team/app",), everything, deny=True)], "it")
        assert not narrowed.decide(KEY, Action.PULL, "team/app").allowed
        assert narrowed.decide(KEY, Action.PULL, "team/other").allowed


@given(st.lists(RULES, max_size=6), st.builds(Grant, st.tuples(GLOBS), SOME_ACTIONS), st.sampled_from(ACTIONS), NAMES)
def test_a_key_may_no_more_than_its_grant_and_the_anonymous(
    rules: list[Rule], grant: Grant, action: Action, repository: str
) -> None:
    if Policy(rules, "").decide(Principal("key:ci", grants=(grant,)), action, repository).allowed:
        made_for = action in grant.actions and (action is Action.CATALOG or matches(grant.repositories, repository))
        assert made_for or any(rule.find(["anonymous"], action, repository) for rule in rules if not rule.deny)


@pytest.mark.parametrize(("deny", "warned"), [("true", False), ("false", True)])
def test_a_rule_that_would_allow_a_key_something_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, deny: str, warned: bool
) -> None:
    read(tmp_path, f'{RULE}[[rule]]\nwho=["bob", "key:ci"]\nrepositories=["a"]\nactions=["pull"]\ndeny={deny}\n')
    said = [f"rule 2 of {tmp_path}/policy.toml allows key:ci nothing: a key may do what it was made for"]
    assert [line.partition(", so ")[0] for line in caplog.messages] == said * warned


def test_no_name_is_so_long_that_it_is_remembered() -> None:
    for repository in ("a" * 256, "a" * 1_000_000):
        decision = DEFAULT.decide(ALICE, Action.PULL, repository)
        assert not decision.allowed
        assert len(decision.reason) < 200
    assert DEFAULT.decide(ALICE, Action.PULL, "a" * 255).allowed


RULE = '[[rule]]\nwho = ["alice"]\nrepositories = ["a"]\nactions = ["pull"]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"holds no \[\[rule\]\], so it would refuse everything"),
        ("rule = []", r"holds no \[\[rule\]\]"),
        ("rule = 1", r"holds no \[\[rule\]\]"),
        ("[[rules]]\n", "what is 'rules'"),
        (RULE + "[x]\n", "what is 'x'"),
        ("not toml", "is not TOML: .*line 1"),
        (RULE + "[[rule]]\n", "rule 2 of .*`who`"),
        ("rule = [1]", "rule 1 of .*Expected `object`"),
        (RULE + "denny = true", "rule 1 of .*denny"),
        (RULE + 'deny = "yes"', r"rule 1 of .*Expected `bool`.*\$\.deny"),
        (RULE.replace('"pull"', '"pul"'), r"rule 1 of .*'pul'.*\$\.actions\[0\]"),
        (RULE.replace('"pull"', '"ping"'), r"rule 1 of .*'ping'"),
        (RULE.replace('"pull"', '"*"'), "rule 1 of"),
        (RULE.replace('["pull"]', "[]"), "rule 1 of .*`actions` is missing or empty"),
        (RULE.replace('["alice"]', "[]"), "rule 1 of .*`who` is missing or empty"),
        (RULE.replace('["a"]', "[]"), "rule 1 of .*`repositories` is missing or empty"),
        (RULE.replace('repositories = ["a"]\n', ""), "rule 1 of .*`repositories` is missing or empty"),
        (RULE.replace('["a"]', '["Team/*"]'), "rule 1 of .*'Team/\\*' matches no repository"),
        (RULE.replace('["a"]', '[""]'), "rule 1 of .*'' matches no repository"),
        (RULE.replace('["a"]', '["a***"]'), r"rule 1 of .*'a\*\*\*' matches no repository"),
        (RULE.replace('["a"]', '["a?"]'), "rule 1 of .*matches no repository"),
        (RULE.replace('["alice"]', '"alice"'), "rule 1 of .*Expected `array`"),
        (RULE.replace('"alice"', '"grp:x"'), "rule 1 of .*'grp:x' is nobody"),
        (RULE.replace('"alice"', '"group:"'), "rule 1 of .*'group:' is nobody"),
        (RULE.replace('"alice"', '""'), "rule 1 of .*'' is nobody"),
        (RULE.replace('"alice"', '"*"'), r"rule 1 of .*'\*' is nobody"),
        (RULE.replace('"alice"', '"a b"'), "rule 1 of .*'a b' is nobody"),
        (RULE.replace('"alice"', '"user:alice"'), "rule 1 of .*'user:alice' is nobody"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_its_rule(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AuthMisconfigured, match=said) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "policy.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(AuthMisconfigured, match=f"{re.escape(str(path))} cannot be read: {said}"):
            Policy.read(path)
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(AuthMisconfigured, match="is not TOML"):
        Policy.read(tmp_path / "bytes")
