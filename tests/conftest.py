"""What is built once for all tests."""

import pytest

from tests.worlds import small


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> small.World:
    """The small world, grown by four landings and runs. Never write into its file."""
    return small.build(tmp_path_factory.mktemp("small_world"))
