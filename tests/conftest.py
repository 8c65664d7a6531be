"""What is built once for all tests, and which tests stay together because of it."""

import pytest

from tests.worlds import small

# What takes long to build. With two workers (pytest-xdist), tests that share it go to one of them.
SHARED = ("sample", "own", "small_world")


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> small.World:
    """The small world: told at once, and derived when a test asks for it. Never write into its files."""
    return small.build(tmp_path_factory.mktemp("small_world"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a file stay together, and so do those of all files that share what is slow to build."""
    for item in items:
        # A parameter may be the name of a fixture.
        called = item.callspec.params.values() if hasattr(item, "callspec") else ()
        needed = {*getattr(item, "fixturenames", ()), *(name for name in called if isinstance(name, str))}
        shared = next((name for name in SHARED if name in needed), item.path.name)
        item.add_marker(pytest.mark.xdist_group(shared))
