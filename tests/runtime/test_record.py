"""Records read of objects that others have written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Fault
from runtime.image_config import ImageConfig, Process
from runtime.image_history import History, Step

#: Of each kind of field one, with what null stands for in it.
WITH_NULLS = {
    "config": {
        "User": None,
        "Env": ["A=1", None],
        "Entrypoint": [None],
        "Cmd": None,
        "Labels": {"a": None, "b": "c"},
        "ExposedPorts": {"80": None},
        "Volumes": None,
        "StopSignal": None,
        "Healthcheck": {"Test": None, "Interval": None},
    },
    "rootfs": None,
    "history": [None, {"created": None, "created_by": None, "comment": None, "empty_layer": None}],
    "variant": None,
}


def test_null_is_as_good_as_absent_or_empty() -> None:
    raw = json.dumps(WITH_NULLS).encode()
    config = ImageConfig.parse(raw, "a test").config
    assert config is not None
    assert config._replace(healthcheck=None) == Process(
        env=["A=1", ""], entrypoint=[""], labels={"a": "", "b": "c"}, exposed_ports={"80": None}
    )
    assert History.parse(raw, "a test").history == (Step(), Step())


@pytest.mark.parametrize("config", [{"rootfs": {"diff_ids": [None]}}, {"config": {"Labels": {"a": 1}}}, [], None])
def test_what_is_no_configuration_is_a_fault(config: object) -> None:
    with pytest.raises(Fault, match="the configuration of a test cannot be read: "):
        ImageConfig.parse(json.dumps(config).encode(), "a test")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in items for found in ((*path, key), *_places(each, (*path, key)))]


FULL = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2024-01-01T00:00:00Z",
    "config": {"Env": ["A=1"], "Cmd": ["x"], "Labels": {"a": "b"}, "Healthcheck": {"Test": ["CMD", "x"], "Retries": 1}},
    "rootfs": {"type": "layers", "diff_ids": []},
    "history": [{"created_by": "x"}],
}


@given(st.sets(st.sampled_from(_places(FULL))))
def test_null_may_be_anywhere(places: set[tuple[Any, ...]]) -> None:
    config = json.loads(json.dumps(FULL))
    for place in sorted(places, key=len, reverse=True):
        above = config
        for key in place[:-1]:
            above = above[key]
        above[place[-1]] = None
    raw = json.dumps(config).encode()
    assert ImageConfig.parse(raw, "a test").rootfs.diff_ids == ()
    assert len(History.parse(raw, "a test").history) in (0, 1)
