"""What is built once for all tests, and which tests stay together because of it."""

import pytest

from tests.worlds import small

# What takes long to build. With two workers (pytest-xdist), tests that share it go to one of them.
SHARED = ("small_world", "sample", "own")
# The small world is made in half a minute, and asked for most of an hour: each worker takes a part of that.
ELSEWHERE = "small_world_elsewhere"
# What takes minutes begins first, so that two workers end together.
FIRST = (
    *SHARED,
    ELSEWHERE,
    *("test_no_edge.py", "test_mutants.py", "test_leakcheck.py", "test_rebalance.py", "test_prefect_up.py"),
    "test_canaries.py",
)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> small.World:
    """The small world: told at once, and derived when a test asks for it. Never write into its files."""
    return small.build(tmp_path_factory.mktemp("small_world"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a file stay together, and so do those of all files that share what is slow to build."""
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    places = {group: place for place, group in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(groups[item], len(FIRST)))


def _group(item: pytest.Item) -> str:
    called = item.callspec.params.values() if hasattr(item, "callspec") else ()
    names = (name for name in called if isinstance(name, str))  # a parameter may be the name of a fixture
    needed = {*getattr(item, "fixturenames", ()), *names}
    group = next((name for name in SHARED if name in needed), item.path.name)
    return ELSEWHERE if group == "small_world" and item.path.parent.name != "leakage" else group
