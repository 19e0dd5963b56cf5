"""Grades a submission for Classroom 50 with the course's own grader.

Put this folder at CLASSROOM/autograders/ASSIGNMENT in the classroom50
repository, and give the assignment the runtime in runtime.json. Classroom 50
runs this script in the student's checkout and reads result.json there.

The folder is published on the web together with the classroom's other files.
It holds nothing that the starter repository does not hold.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

here = Path(__file__).resolve().parent
course = here / "course"
labs = (here / "labs").read_text().split()

with tempfile.TemporaryDirectory() as temp:
    grader = Path(temp) / "grader"
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    subprocess.run(["go", "build", "-o", grader, "./grader"], cwd=course, env=environment, check=True)
    graded = subprocess.run(
        [grader, "--submission", Path.cwd(), "--classroom50", Path.cwd() / "result.json", *labs],
        cwd=course,
        env=environment,
    )
sys.exit(graded.returncode)
