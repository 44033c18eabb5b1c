"""Calls in a process of their own, each with a limit on its CPU time: some peers would take hours.

The script that is run reads its job from standard input and answers with a line of JSON for each of its cases. The
system ends it when a case uses up its time; the cases answered before that stay.
"""

from __future__ import annotations

import gc
import json
import math
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

LIMIT = 10  # seconds of CPU time a call
ROUNDS, LONG = 5, 0.5  # no further round once they have taken so many seconds
HERE = Path(__file__).parent


def run_limited(script: str, job: Any, cases: int) -> list[dict[str, Any]]:
    """Return what a script of this folder answers to each of its cases, as facts of a benchmark.

    ``seconds`` and ``median`` of a case that was answered, ``over``, the limit, of the one that ran into it, nothing
    of those behind it. Another end than these is an error here, too.
    """
    command = [sys.executable, "-W", "ignore", str(HERE / script)]
    run = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode == -signal.SIGXCPU:
        answers.append({"over": LIMIT})
    elif run.returncode or len(answers) != cases:
        raise RuntimeError(f"{script} ended with {run.returncode}: {run.stderr[-2000:]}")
    return answers


def job_of_parent() -> Any:
    """Return the job, in the script that was started."""
    return json.loads(sys.stdin.read())


def answer(call: Callable[[], Any], facts_of: Callable[[Any], dict[str, Any]] = lambda _: {}) -> None:
    """Time a call in rounds, in the script that was started, and print its times and what is to be said of its result.

    What `facts_of` does is not timed.
    """
    times: list[float] = []
    while not times or (len(times) < ROUNDS and sum(times) < LONG):
        gc.collect()
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used) + LIMIT, resource.RLIM_INFINITY))
        start = time.thread_time()  # the clock of the process goes by jumps while it has a limit
        result = call()
        times.append(time.thread_time() - start)
    resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    times.sort()
    facts = {"seconds": times[0], "median": times[len(times) // 2], "rounds": len(times)}
    print(json.dumps({**facts, **facts_of(result)}), flush=True)
