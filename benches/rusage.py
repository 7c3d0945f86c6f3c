"""Runs a command and prints how long it took, in seconds, and its peak memory, in kilobytes. For benches/check.rs.

The peak that the system tells for a child is at least that of this interpreter (about 10 MB), which it starts out as.
"""

import resource
import subprocess
import sys
import time

started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
took = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(took, peak // 1024 if sys.platform == "darwin" else peak, code)
