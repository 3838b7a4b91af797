"""Runs one program at a time and writes down what it says, with what else the machine was doing."""
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("THAW_BUILD", ROOT / "build/cpu"))
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
TUNED = {"LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1", "ATEN_CPU_CAPABILITY": "avx512",
         "OMP_NUM_THREADS": "2"}
BUSY_LIMIT = 0.06  # of the machine used by others: above it a sample is taken again
TRIES = 4


def peers():
    """The Pythons whose torch is measured: the newest, and Debian's."""
    newest = os.environ.get("PEERS_PYTHON", str(ROOT / "build/peers/venv/bin/python"))
    found = {"newest": newest, "debian": os.environ.get("PEERS_DEBIAN", "/usr/bin/python3")}
    return {name: path for name, path in found.items() if has_torch(name, path)}


def has_torch(name, python):
    try:
        subprocess.run([python, "-c", "import torch, torchvision"], check=True, capture_output=True)
        return True
    except (OSError, subprocess.CalledProcessError):
        print(f"run: no torch and torchvision for {python}; the {name} peer is left out (bench/peers/README.md says "
              "how to get them)", file=sys.stderr)
        return False


def set_up():
    """Makes build/peers/venv with the newest torch (about 5 GB, with libraries that a processor does not need)."""
    venv = ROOT / "build/peers/venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([str(venv / "bin/pip"), "install", "-q", "torch", "torchvision", "numpy", "pillow"], check=True)
    print(f"run: torch is in {venv}; for Debian's: apt-get install python3-torch python3-torchvision libjemalloc2")
    return 0


class Bench:
    """Takes samples; every one becomes a line of the output file."""

    def __init__(self, out):
        if not (BUILD / "bench/thaw_bench_step").exists():
            sys.exit(f"run: no thaw_bench_step in {BUILD}/bench; build first: cmake --preset cpu && "
                     "cmake --build --preset cpu")
        pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
        self.out = open(out, "w", encoding="utf-8")
        self.wrap = shlex.split(os.environ.get("PEERS_WRAP", ""))
        self.peers = peers()
        if not os.path.exists(JEMALLOC):
            sys.exit(f"run: tuned PyTorch needs {JEMALLOC}; apt-get install libjemalloc2")

    def sample(self, command, extra_env=None, **labels):
        """The JSON that the command prints last; of several tries the one that others disturbed least."""
        best = None
        for i in range(TRIES):
            if i > 0:
                wait_for_quiet()
            report = self.once([str(word) for word in command], extra_env or {})
            report.update(labels)
            self.out.write(json.dumps(report) + "\n")
            self.out.flush()
            if best is None or report["others"] < best["others"]:
                best = report
            if best["others"] <= BUSY_LIMIT:
                break
        return best

    def once(self, command, extra_env, wrapped=True):
        # env inside the wrapper: jemalloc is for the program, not for what waits for it
        words = (self.wrap if wrapped else []) + ["bash", "-c", WATCHED, "watched", "env"] + [f"{k}={v}" for k, v in extra_env.items()]
        done = subprocess.run(words + command, capture_output=True, text=True, cwd=HERE, check=False)
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0 or len(lines) < 2:
            sys.exit(f"run: '{' '.join(command)}' failed ({done.returncode}):\n{done.stderr[-2000:]}")
        report = json.loads(lines[-2]) if lines[-2].startswith("{") else {}
        before, own, after = (lines[-1].split("|"))
        report["others"] = round(others_share(before, own, after), 3)
        report["wall_ms"] = 1000 * float(own.split()[0])
        return report

    def step(self, model, workload, dtype, steps, profile=None):
        """A sample of thaw's step."""
        command = [BUILD / "bench/thaw_bench_step", model, workload, dtype, 32, 224, steps, "--json"]
        if profile:
            command += ["--profile", f"--ceilings={profile[0]},{profile[1]}"]
        return self.sample(command, {"OMP_NUM_THREADS": "2"}, side="thaw")

    def torch(self, peer, model, workload, dtype, steps, stock=False, options=()):
        """A sample of torch's step; `options` are more of torch_step.py's."""
        command = [self.peers[peer], HERE / "torch_step.py", model, workload, dtype, "--steps", steps, "--warmup", 2]
        return self.sample(command + (["--stock"] if stock else []) + list(options), {} if stock else TUNED, side=peer)

    def ceilings(self):
        self.machine = self.sample([BUILD / "bench/thaw_bench_ceilings", "--json"], side="ceilings")
        return self.machine


# Prints, behind the program's output, the machine's ticks before and after and the program's own seconds.
WATCHED = r"""
before=$(head -1 /proc/stat)
exec 3>&1
TIMEFORMAT='%R %U %S'
own=$( { time "$@" 1>&3 2>/dev/stderr 3>&-; } 2>&1 ) || { printf '%s\n' "$own" >&2; exit 1; }
after=$(head -1 /proc/stat)
printf '%s|%s|%s\n' "$before" "$(tail -1 <<<"$own")" "$after"
"""


def wait_for_quiet(most_seconds=60):
    """Waits until the machine has been idle for a second, but not for ever."""
    for _ in range(most_seconds):
        before = pathlib.Path("/proc/stat").read_text(encoding="ascii")
        time.sleep(1)
        if others_share(before, "1 0 0", pathlib.Path("/proc/stat").read_text(encoding="ascii")) < BUSY_LIMIT:
            return


def others_share(before, own, after):
    """The share of the machine that other processes took while the sample ran."""
    b, a = ([int(x) for x in text.split("\n")[0].split()[1:9]] for text in (before, after))
    total = sum(a) - sum(b)
    busy = total - (a[3] + a[4] - b[3] - b[4])
    user_and_system = sum(float(x) for x in own.split()[1:3]) * os.sysconf("SC_CLK_TCK")
    return max(0.0, (busy - user_and_system) / max(total, 1))
