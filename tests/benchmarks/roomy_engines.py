"""An engine with twice the heap of the one that tests use.

That one has 512 MB and a collector that runs late: while whole tables are loaded over several connections, its memory
breaker refuses a request now and then, whoever sent it. Invariant: an engine that was named by the environment is taken
as it is.
"""

import os
from dataclasses import replace

from tailrace_local.engine import Engine, SearchEngine, choose_engine
from tailrace_local.engine_flags import choose_spec

HEAP = "1g"


def roomy_engine() -> SearchEngine:
    """An engine to be entered, or the one of TAILRACE_OPENSEARCH_URL."""
    if "TAILRACE_OPENSEARCH_URL" in os.environ:
        return choose_engine()
    return Engine(replace(choose_spec(os.environ), heap=HEAP))
