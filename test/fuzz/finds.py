"""finds.py PROGRAM CORPUS [WORDS]: the recorded inputs find the fault that PROGRAM, a replay, was built with.

It must end by the target's own check with its WORDS; without WORDS a signal does. A sanitizer's report always does:
under sanitizers it comes before the check."""
import subprocess
import sys


def main():
    program, corpus = sys.argv[1:3]
    words = sys.argv[3] if len(sys.argv) > 3 else ""
    done = subprocess.run([program, corpus], capture_output=True, text=True, errors="replace", timeout=110)
    reported = done.returncode and ("Sanitizer" in done.stderr or ": runtime error: " in done.stderr)
    if not reported and (done.returncode >= 0 or words not in done.stderr):
        print(done.stderr[-2000:])
        print(f"not found: it ended with {done.returncode}; expected its check \"{words}\" to fail")
        return 1
    print("\n".join(done.stderr.splitlines()[-3:]))
    return 0


sys.exit(main())
