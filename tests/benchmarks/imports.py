"""What importing the indexer adds to a cold start: the real runtime client, from its start to its first request.

An empty handler takes turns with the indexer's; the median of the differences is the figure.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tailrace_local.runtime_api import RuntimeApi

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7
EMPTY = "def lambda_handler(event, context):\n    return {}\n"


def seconds_until_ready(folder: Path) -> float:
    """From the start of `python -m awslambdaric app.lambda_handler` in a folder to its first `next`."""
    api = RuntimeApi()
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_REGION": "us-east-1",
        "PYTHONPATH": str(ROOT / "layers/tailrace"),
    }
    command = [sys.executable, "-m", "awslambdaric", "app.lambda_handler"]
    started = time.perf_counter()
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=silent, stderr=silent)
    try:
        request = api.receive(time.time() + 30)
        took = time.perf_counter() - started
    finally:
        process.kill()
        process.wait()
        api.close()
    if request.name != "next":
        raise RuntimeError(f"{folder.name} did not come up")
    return took


def measure(scratch: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """`empty`, `indexer` (medians) and `more`, the median difference, all in milliseconds. `scratch` is a folder."""
    (scratch / "app.py").write_text(EMPTY)
    folders = {"empty": scratch, "indexer": ROOT / "functions/indexer"}
    for folder in folders.values():  # compiled modules and the file cache, as a deployed layer has them
        seconds_until_ready(folder)
    rows = [{name: seconds_until_ready(folder) * 1000 for name, folder in folders.items()} for _ in range(rounds)]
    middle = {name: median(row[name] for row in rows) for name in folders}
    return middle | {"more": median(row["indexer"] - row["empty"] for row in rows)}
