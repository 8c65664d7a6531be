"""One after the other or on workers, in blocks of any size: the same answers in the same order."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

import python_steps.executors
from flows import fan_out
from flows.cli import app
from flows.fan_out import FanOut, block_size, chosen, fanned_out, of_version, untold
from python_steps.errors import InputError
from python_steps.executors import IN_TURN, dask, processes, serial
from tests.executors import work

PROJECT = Path(__file__).parents[2]
NO_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="ray is an extra that this environment lacks")
EXECUTORS = ["serial", "processes", "dask", pytest.param("ray", marks=NO_RAY)]
MANY = 40
EXPECTED = [work.drawn(item) for item in range(MANY)]


@pytest.fixture(scope="module", params=EXECUTORS)
def started(request):
    """Each executor, with two workers, started in a thread that has ended since, as that of a step does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PORTFOLIO_EXECUTOR", request.param)
        patched.setenv("PORTFOLIO_EXECUTOR_WORKERS", "2")
        with fanned_out(untold) as found:
            starting = threading.Thread(target=found.start)
            starting.start()
            starting.join()
            yield found


@pytest.fixture
def fan(started, monkeypatch):
    """The same, and anything is worth sending to them."""
    monkeypatch.setattr(fan_out, "SENDING", 0.0)
    return started


def answers(fan, function=work.drawn, many: int = MANY, **how) -> list:
    return list(fan("Tried", function, iter(range(many)), many, **how))


def same(found: list[np.ndarray]) -> bool:
    return len(found) == MANY and all(
        (one == other).all() for one, other in zip(found, EXPECTED, strict=True)
    )


@pytest.mark.parametrize("most", [1, 7, None])
def test_answers_are_in_the_order_of_items_whatever_the_blocks(fan, most):
    assert same(answers(fan, most=most))


def test_workers_are_other_processes_and_have_one_thread(fan):
    places = answers(fan, work.place, cost=0.1, most=1)
    pids = {pid for pid, _ in places}
    assert {threads for _, threads in places} == {1}
    assert (os.getpid() in pids) == (not fan.is_parallel)


def test_an_error_of_a_step_keeps_its_type_and_words(fan):
    with pytest.raises(work.OddError, match=r"^window 17: 3 rows, expected 4$"):
        answers(fan, work.odd, cost=0.1)
    assert same(answers(fan))  # and the workers are there for what comes next


def test_a_worker_that_is_killed_costs_no_answer_and_none_comes_twice(fan, tmp_path):
    if not fan.is_parallel:
        pytest.skip("it would be this process")
    assert same(answers(fan, partial(work.dies_once, folder=tmp_path), cost=1.0, most=1))
    assert int((tmp_path / "died").read_text()) != os.getpid()
    assert same(answers(fan))


def test_what_kills_every_worker_ends_in_one_clear_error():
    with processes.opened(python_steps.executors.Wanted(1)) as workers:
        task = workers.submit(work.dies, 0)
        with pytest.raises(processes.WorkerDiedError, match="died 2 times over the same work"):
            task.result()
        assert workers.submit(work.odd, 1).result() == 1


def test_what_takes_no_time_starts_nobody():
    def never():
        raise AssertionError("started")

    fan = FanOut(never, untold, is_parallel=True)
    assert same(answers(fan))


def test_it_starts_workers_as_soon_as_what_is_left_is_worth_it(monkeypatch):
    """The first item takes 0.05 s; 39 more are foreseen to take 2 s, and fewer than 15 s are not worth it."""
    monkeypatch.setattr(fan_out, "STARTING", 1.0)
    started = []

    def opened():
        started.append(True)
        return serial.Here()

    assert same(answers(FanOut(opened, untold, is_parallel=True)))
    assert started == [True]


def test_blocks_are_as_long_as_said_and_shorter_at_the_end():
    assert block_size(10_000, 0.1, 3) == fan_out.BLOCK / 0.1
    assert block_size(60, 0.1, 3) == 10  # 6 s are left, and each worker gets a second of them
    assert block_size(2, 0.1, 3) == fan_out.SMALLEST / 0.1
    assert block_size(10, 60.0, 3) == 1


def test_answers_may_be_left_before_the_last(fan):
    found = fan("Tried", work.drawn, iter(range(MANY)), MANY, cost=1.0, most=1)
    assert (next(found) == EXPECTED[0]).all()
    found.close()
    assert same(answers(fan))


def test_progress_is_told_now_and_then(monkeypatch):
    monkeypatch.setattr(fan_out, "OFTEN", 0.02)
    told = []
    fan = FanOut(None, lambda what, **values: told.append((what, values)), is_parallel=True)
    answers(fan)
    assert told[0] == ("Tried", {"done": f"1 of {MANY}"})
    assert len(told) == 3  # one for each item that took its time


def test_a_worker_of_another_version_is_not_believed():
    with processes.opened(python_steps.executors.Wanted(1)) as workers:
        task = workers.submit(of_version, "another", work.odd, [1])
        with pytest.raises(fan_out.OtherVersionError, match="other code, packages or kind of processor"):
            task.result()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"": "spark"}, "there is no 'spark'; there are dask, needy, processes, ray, serial"),
        ({"": "needy"}, r"needy needs nosuchpackage; pip install 'portfolio-warehouse\[needy\]'"),
        ({"": "processes", "_WORKERS": "0"}, "_WORKERS: expected a whole number from 1 to 1000"),
        ({"": "processes", "_ADDRESS": "tcp://127.0.0.1:1"}, "_ADDRESS: processes has no clusters"),
    ],
)
def test_an_executor_that_cannot_be_had_is_refused_before_anything_is_done(
    tmp_path, monkeypatch, values, said
):
    (tmp_path / "needy.py").write_text('EXTRA = ("nosuchpackage",)\n')
    monkeypatch.setattr(python_steps.executors, "__path__", [*python_steps.executors.__path__, str(tmp_path)])
    for name, value in values.items():
        monkeypatch.setenv(f"PORTFOLIO_EXECUTOR{name}", value)
    with pytest.raises(InputError, match=said):
        chosen()
    ran = CliRunner().invoke(app, ["rebalance", "--warehouse", str(tmp_path / "w"), "--out", str(tmp_path)])
    assert ran.exit_code == 1
    assert ran.stderr.startswith("error: PORTFOLIO_EXECUTOR")
    assert not (tmp_path / "w").exists()


def test_a_cluster_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("PORTFOLIO_EXECUTOR", "dask")
    monkeypatch.setenv("PORTFOLIO_EXECUTOR_ADDRESS", "tcp://127.0.0.1:1")
    monkeypatch.setattr("python_steps.executors.dask.ANSWERS_WITHIN", 1)
    with (
        pytest.raises(InputError, match="no Dask cluster with workers answers at tcp:"),
        fanned_out(untold),
    ):
        pass


ORPHANS = """
import os, time
from python_steps.executors import Wanted, processes
from tests.executors import work
if __name__ == "__main__":
    with processes.opened(Wanted(2)) as workers:
        tasks = [workers.submit(work.place, n) for n in range(4)]
        print(*{task.result()[0] for task in tasks}, flush=True)
        time.sleep(60)
"""


def test_workers_end_with_their_parent_however_it_ends(tmp_path):
    file = tmp_path / "orphans.py"
    file.write_text(ORPHANS)
    parent = subprocess.Popen(
        [sys.executable, file],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert all(alive(pid) for pid in pids)
    assert pids
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_in_turn_is_lazy():
    asked = []
    found = IN_TURN("Tried", asked.append, iter(range(3)), 3)
    next(found)
    assert asked == [0]


def listening() -> set[str]:
    """Addresses on which this process and those that it spawned listen; what Ray starts is not spawned."""
    spawned = [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]
    sockets = [one for process in (psutil.Process(), *spawned) for one in process.net_connections("inet")]
    return {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}


def test_what_listens_is_on_loopback_and_strangers_are_refused(monkeypatch):
    before = listening()
    with dask.opened(python_steps.executors.Wanted(1)) as workers:
        assert listening() - before <= {"127.0.0.1"}
        assert "127.0.0.1" in listening()
        scheduler = workers.client.scheduler.address
        assert scheduler.startswith("tls://127.0.0.1")
        for address in (scheduler, scheduler.replace("tls", "tcp")):
            # In a process of its own: one that is collected while the next starts waits for itself.
            code = f"from distributed import Client; Client({address!r}, timeout=1); print('let in')"
            command = [sys.executable, "-c", code]
            said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert said.returncode != 0
            assert "let in" not in said.stdout
            assert re.search("CommClosedError|OSError|TypeError", said.stderr), said.stderr


STRANGER = "import ray; ray.init(address='{}', logging_level='ERROR'); print('let in')"


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("started", [pytest.param("ray", marks=NO_RAY)], indirect=True)
def test_ray_lets_in_nobody_without_its_token():
    from ray import get_runtime_context

    command = [sys.executable, "-c", STRANGER.format(get_runtime_context().gcs_address)]
    stranger = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    said = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
        for environment in (dict(os.environ), stranger)
    ]
    assert said == ["let in\n", ""]


def test_a_solver_that_was_asked_makes_no_other_version_of_a_run():
    program = "{}from flows.versions import worker_version; print(worker_version())"
    said = [
        subprocess.run(
            [sys.executable, "-c", program.format(first)], capture_output=True, text=True, check=True
        )
        for first in ("", "import scs; ")  # which brings linear algebra of its own
    ]
    assert said[0].stdout == said[1].stdout
    assert "numpy" in said[0].stdout
