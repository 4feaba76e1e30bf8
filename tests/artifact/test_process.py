"""Whether a process runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

from adapt.artifact.process import lives


def test_a_process_lives_until_it_ends_whether_or_not_somebody_waits_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert lives(child.pid)
    child.kill()
    while Path(f"/proc/{child.pid}/stat").exists() and lives(child.pid):  # without /proc one that nobody waited for counts as alive
        time.sleep(0.01)
    child.communicate()
    assert not lives(child.pid)


def test_processes_of_this_and_other_users_live() -> None:
    assert lives(os.getpid())
    assert lives(1)


def test_stages_learn_who_builds() -> None:
    code = "import os; from adapt.artifact.process import become_builder; become_builder(); print(os.environ['ADAPT_BUILDER'] == str(os.getpid()))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "True\n"
