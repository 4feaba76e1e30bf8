"""One thread per process: tests run several processes at once, and OpenMP threads that wait for a core slow each other down."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
