"""Reads images with sbr_read.py, whose folder is the first argument: a line of input is a sector size, the name of a
ring in a pool or -, and a path; one of output what came of it."""

import contextlib
import io
import json
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import sbr_read

for line in sys.stdin:
    sector_size, ring, path = line.rstrip("\n").split(" ", 2)
    said = io.StringIO()
    started = time.monotonic()
    with contextlib.redirect_stdout(said):
        code = sbr_read.read(path, int(sector_size), sbr_read.Output(True), None if ring == "-" else ring)
    answer = {"code": code, "seconds": time.monotonic() - started, **json.loads(said.getvalue())}
    print(json.dumps(answer), flush=True)
