"""What authentication keeps, in the memory of the test."""

import pytest

from registry.state import StoredState
from storage.drivers.memory import MemoryDriver
from storage.guard import Guard


@pytest.fixture
def state() -> StoredState:
    """A state over a driver of ours, empty."""
    return StoredState(Guard(MemoryDriver()), "preg/auth/")
