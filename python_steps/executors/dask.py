"""Dask: a cluster that the environment names, or one of processes on this machine, for this run alone."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from python_steps.errors import InputError
from python_steps.executors import Wanted

if TYPE_CHECKING:
    from distributed import Client, Future

EXTRA = ("distributed",)
HAS_CLUSTERS = True
HERE = "127.0.0.1"
ANSWERS_WITHIN = 20  # seconds in which a scheduler answers, or there is none
COMES_BACK_WITHIN = 60  # seconds in which a cluster that lost all workers has some again
SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "1 GiB",  # blocks carry what they need
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.logging.distributed": "error",
}


class NoWorkersError(RuntimeError):
    """A cluster without workers."""


class Cluster:
    """The workers of a cluster. The scheduler has what a worker that died was at done by another one."""

    def __init__(self, client: "Client") -> None:
        self.client = client

    @property
    def width(self) -> int:
        """Threads of all workers that there are now."""
        return max(1, sum(self.client.nthreads().values()))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "_Task":
        """Hand in a task."""
        return _Task(self, self.client.submit(function, *arguments, pure=False))


class _Task:
    def __init__(self, cluster: Cluster, future: "Future") -> None:
        self.cluster, self.future = cluster, future

    def result(self) -> Any:
        """Its answer. Raises NoWorkersError where nobody is left to give one."""
        while True:
            try:
                return self.future.result(timeout=COMES_BACK_WITHIN)
            except TimeoutError:
                if self.future.done():  # the work's own error
                    raise
                if not self.cluster.client.nthreads():
                    said = f"the Dask cluster has had no worker for {COMES_BACK_WITHIN} s"
                    raise NoWorkersError(said) from None

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.future.cancel()


@contextmanager
def opened(wanted: Wanted) -> Iterator[Cluster]:
    """A client of the cluster. Raises InputError where no scheduler answers, or it has no worker."""
    import dask
    from distributed import Client

    with dask.config.set(SETTINGS), ExitStack() as stack:
        cluster = wanted.address or stack.enter_context(_local(wanted.workers))
        try:
            client = stack.enter_context(Client(cluster, set_as_default=False, timeout=ANSWERS_WITHIN))
            client.wait_for_workers(1, timeout=ANSWERS_WITHIN)
        except (OSError, TimeoutError) as error:
            said = f"PORTFOLIO_EXECUTOR_ADDRESS: no Dask cluster with workers answers at {wanted.address}"
            raise InputError(said) from error
        yield Cluster(client)


def _local(workers: int) -> Any:
    """Workers of one thread each; only who has its keys, made for this run, can talk to any of them."""
    from distributed import LocalCluster, Security

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host=HERE,
        dashboard_address=f"{HERE}:0",
        memory_limit=0,
        security=Security.temporary(),
        silence_logs="ERROR",
    )
