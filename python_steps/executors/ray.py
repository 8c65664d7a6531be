"""Ray: a cluster that the environment names, or one on this machine, for this run alone."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from python_steps.errors import InputError
from python_steps.executors import Wanted
from python_steps.scrub import hide

EXTRA = ("ray",)
HAS_CLUSTERS = True
HERE = "127.0.0.1"
LIVES = 4  # so often a task is begun whose worker dies
STORE = 2_000_000_000  # bytes of memory in which workers of this machine hand over what they were sent


class Cluster:
    """The workers of a cluster. What a worker that died was at is done by another one."""

    def __init__(self) -> None:
        import ray

        self.call = ray.remote(max_retries=LIVES - 1)(_called)

    @property
    def width(self) -> int:
        """Processors of all machines that there are now."""
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "_Task":
        """Hand in a task."""
        return _Task(self.call.remote(function, *arguments))


class _Task:
    def __init__(self, reference: Any) -> None:
        self.reference = reference

    def result(self) -> Any:
        """Its answer. Raises what it raised, which Ray gives in an error of its own."""
        import ray

        try:
            return ray.get(self.reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        import ray

        ray.cancel(self.reference)


@contextmanager
def opened(wanted: Wanted) -> Iterator[Cluster]:
    """Raises InputError where no cluster answers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not wanted.address:
        _ask_for_a_token()
    import ray

    started = {"num_cpus": wanted.workers, "object_store_memory": STORE, "_node_ip_address": HERE}
    try:
        ray.init(
            address=wanted.address or "local",
            include_dashboard=None if wanted.address else False,
            log_to_driver=False,
            logging_level="ERROR",
            **({} if wanted.address else started),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        at = wanted.address
        why = f"_ADDRESS: no Ray cluster answers at {at}" if at else f": Ray does not start ({error})"
        raise InputError(f"PORTFOLIO_EXECUTOR{why}") from error
    try:
        yield Cluster()
    finally:
        ray.shutdown()


def _ask_for_a_token() -> None:
    """Ray listens on every address of the machine; who talks to it must know what was drawn here."""
    os.environ["RAY_AUTH_MODE"] = "token"
    token = os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # a process keeps its first
    hide(token)


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)
