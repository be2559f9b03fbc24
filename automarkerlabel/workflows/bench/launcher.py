"""Runs a command and says how long it took and how much memory it held at most.

    python -m automarkerlabel.workflows.bench.launcher COMMAND...

A small process of its own, since a system counts the memory of whoever starts a process to the process as well. Prints
one line of JSON: `seconds`, `peak_bytes` and `processor_seconds` (null where the system does not tell), and `code`, the
exit code.
"""

import json
import os
import subprocess
import sys
import time

_UNIT = 1 if sys.platform == "darwin" else 1024  # of the peak as the system counts it


def main(command: list[str]) -> None:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    peak = used = None
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peak, used = usage.ru_maxrss * _UNIT, usage.ru_utime + usage.ru_stime
    else:
        process.wait()
    seconds = time.perf_counter() - started
    told = {"seconds": seconds, "peak_bytes": peak, "processor_seconds": used, "code": process.returncode}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
