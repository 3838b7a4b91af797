"""The rows of the table: what is measured for each, and how a ratio comes out of it."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tarfile
import tempfile

import measure

BATCH = 32
TRAIN_PHOTOS = 2753  # of TF Flowers' 3,670
EPOCHS = 10
SHORT = {"mobilenet_v3_large": "MobileNetV3-Large", "resnet50": "ResNet50"}
ASSETS = pathlib.Path(os.environ.get("THAW_ASSETS", measure.ROOT / "../shared/assets"))
# What the project set out to reach, and what it aims at; where it named no type, in the one that we are faster in.
GOALS = {
    "train mobilenet_v3_large bf16": (2.6, 4), "train mobilenet_v3_large f32": (1.7, 2),
    "train resnet50 bf16": (1.4, 2), "train resnet50 f32": (1.1, 1.2),
    "infer mobilenet_v3_large bf16": (1.3, 1.6), "infer resnet50 bf16": (1.3, 1.6),
    "blocks3 mobilenet_v3_large bf16": (4.5, 6), "blocks3 resnet50 bf16": (2.4, 3),
    "head mobilenet_v3_large bf16": (8, 10), "head resnet50 bf16": (8, 10), "photos mobilenet_v3_large bf16": (1.3, 2),
}


def steps_of(model, workload):
    """Timed steps of a sample: enough for a median, few where a step takes seconds."""
    slow = model == "resnet50"
    return {"train": 2 if slow else 5, "infer": 4 if slow else 10}.get(workload, 4 if slow else 7)


class Row:
    """A comparison. `ours` and `theirs` hold a value in seconds for each round; theirs is the best variant's."""

    def __init__(self, name):
        self.name, self.ours, self.theirs, self.notes = name, [], [], []
        self.best_variant, self.noisy, self.stock = "", [], []

    def goal(self):
        return GOALS.get(self.name)

    def add(self, ours, theirs, samples):
        """A round: both sides' seconds, and the samples that they come from."""
        self.ours.append(ours)
        self.theirs.append(theirs)
        self.noisy.append(any(sample["others"] > measure.BUSY_LIMIT for sample in samples))

    def rounds(self):
        """(ours, theirs) of the rounds that nothing disturbed; of all rounds where each was disturbed."""
        rounds = list(zip(self.ours, self.theirs, self.noisy))
        return [(ours, theirs) for ours, theirs, noisy in rounds if not noisy or all(self.noisy)]

    def ratios(self):
        return [theirs / ours for ours, theirs in self.rounds()]

    def short(self):
        ratios = self.ratios()
        return f"{statistics.median(ratios):.2f}x" if ratios else "; ".join(self.notes) or "not measured"


BOTH = ("f32", "bf16")


class Variants:
    """PyTorch's side of a workload: both versions in `dtypes`. All run once; then only those near the best."""

    cache = {}  # (model, workload, dtypes) -> Variants

    def __init__(self, model, workload, stock=False, options=(), dtypes=BOTH):
        self.model, self.workload, self.stock, self.options, self.dtypes = model, workload, stock, options, dtypes
        self.rounds, self.ms, self.rss = [], {}, {}

    @classmethod
    def of(cls, model, workload, dtype):
        """What a row of ours in `dtype` is divided by: f32 by f32, bf16 by the faster type."""
        dtypes = ("f32",) if dtype == "f32" else BOTH
        return cls.cache.setdefault((model, workload, dtypes), cls(model, workload, dtypes=dtypes))

    @classmethod
    def note(cls, row):
        """How an f32 row compares with PyTorch's faster type, where a row of bf16 has measured that."""
        both = cls.cache.get((row.model, row.workload, BOTH))
        if row.dtype != "f32" or both is None or not both.rounds:
            return []
        theirs = statistics.median(sample["ms"] for _, sample in both.rounds) / 1000 * row.theirs_factor
        ours = statistics.median(ours for ours, _ in row.rounds())
        return [f"{theirs / ours:.2f}x to PyTorch's faster type ({both.rounds[-1][0]})"]

    def round(self, bench, number):
        """(name, sample) of the fastest variant in this round, measured if no other row did."""
        while len(self.rounds) <= number:
            if self.ms:
                least = min(statistics.median(times) for times in self.ms.values())
                run = [key for key, times in self.ms.items() if statistics.median(times) < 1.15 * least]
            else:
                run = [(peer, dtype) for peer in bench.peers for dtype in self.dtypes]
            times = {}
            for peer, dtype in run:
                sample = bench.torch(peer, self.model, self.workload, dtype, steps_of(self.model, self.workload),
                                     self.stock, self.options)
                times[peer, dtype] = sample
                self.ms.setdefault((peer, dtype), []).append(sample["ms"])
                self.rss[dtype] = min(self.rss.get(dtype, 1 << 30), sample["rss_mib"])
            best = min(times, key=lambda key: times[key]["ms"])
            self.rounds.append((" ".join(best), times[best]))
        return self.rounds[number]


class StepRow(Row):
    """A step, or an inference, of a batch of 32."""

    theirs_factor = 1  # of a step's seconds

    def __init__(self, workload, model, dtype):
        super().__init__(f"{workload} {model} {dtype}")
        self.workload, self.model, self.dtype = workload, model, dtype
        self.profile, self.rss = [], 0

    def measure(self, bench, rounds, stock):
        selector = "all" if self.workload == "train" else "infer"
        theirs = Variants.of(self.model, self.workload, self.dtype)
        steps = steps_of(self.model, self.workload)
        for i in range(rounds):
            ours = bench.step(self.model, selector, self.dtype, steps)
            self.best_variant, best = theirs.round(bench, i)
            self.add(ours["ms"] / 1000, best["ms"] / 1000, (ours, best))
            self.rss = max(self.rss, ours["rss_mib"])
        self.rss_theirs = theirs.rss.get(self.dtype)
        self.notes = Variants.note(self)
        if stock:
            self.stock = [bench.torch(peer, self.model, self.workload, self.dtype, 2, stock=True)["ms"] / 1000
                          for peer in bench.peers]
        if self.workload == "train":
            # bf16 is multiplied in whichever type the machine is faster in.
            gemm = max(bench.machine[f"matmul_{dtype}_gflops_all"] for dtype in {self.dtype, "f32"})
            self.profile = bench.step(self.model, selector, self.dtype, steps,
                                      profile=(gemm, bench.machine["triad_768mib_gbs_all"]))["profile"]


class PartialRow(Row):
    """Ten epochs over the training photos with a frozen prefix: extrapolated from steps on both sides. Ours computes the
    prefix once (that is included) and runs the rest 10 times; theirs runs all of it 10 times. No decoding on either."""

    theirs_factor = -(-TRAIN_PHOTOS // BATCH) * EPOCHS

    def __init__(self, workload, model, dtype):
        super().__init__(f"{workload} {model} {dtype}")
        self.workload, self.model, self.dtype = workload, model, dtype

    def measure(self, bench, rounds, stock):
        selector = "blocks:3" if self.workload == "blocks3" else "none"
        theirs = Variants.of(self.model, self.workload, self.dtype)
        batches = -(-TRAIN_PHOTOS // BATCH)
        steps = steps_of(self.model, self.workload)
        for i in range(rounds):
            fill = bench.step(self.model, f"prefix:{selector}", self.dtype, steps)
            step = bench.step(self.model, f"cached:{selector}", self.dtype, steps)
            self.best_variant, best = theirs.round(bench, i)
            self.add(batches * (fill["ms"] + EPOCHS * step["ms"]) / 1000, batches * EPOCHS * best["ms"] / 1000,
                     (fill, step, best))
        self.notes = [f"extrapolated; last round: fill {fill['ms']:.0f} ms, step {step['ms']:.1f} ms a batch; "
                      f"theirs {best['ms']:.0f} ms"] + Variants.note(self)


def weights_of(model, folder):
    """A file of weights for the model; drawn ones where the assets have none, as speed does not depend on them."""
    found = sorted(ASSETS.glob(f"{model}_*notop.h5")) if ASSETS.is_dir() else []
    if found:
        return found[0]
    path = pathlib.Path(folder) / f"{model}_synth.h5"
    subprocess.run([measure.BUILD / "app/thaw", "weights", "synth", "--model", model, "--out", path], check=True,
                   capture_output=True)
    return path


def photo_folder():
    """The photos as a folder of class folders, so that both sides read the same files."""
    folder = measure.ROOT / "build/peers/flower_photos"
    if not folder.exists():
        with tarfile.open(ASSETS / "flower_photos.tgz") as archive:
            archive.extractall(folder.parent, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder


class PhotosRow(Row):
    """Decoding, resizing and the whole frozen base of the 3,670 photos, from files to features. Ours is the wall time of
    the process; theirs starts when the model is traced and warm."""

    def __init__(self, model, dtype):
        super().__init__(f"photos {model} {dtype}")
        self.model, self.dtype = model, dtype

    best = {}  # model -> (peer, dtype, reader)

    def theirs_of(self, bench, folder, peer, dtype, reader, limit=None):
        command = [bench.peers[peer], measure.HERE / "torch_photos.py", folder, self.model, dtype, reader]
        return bench.sample(command + (["--limit", limit] if limit else []), measure.TUNED, side=peer)

    def fastest(self, bench, folder):
        """How torch does it best, found on some of the photos."""
        if self.model not in self.best:
            tried = {}
            for peer in bench.peers:
                for dtype in ("f32", "bf16"):
                    first = self.theirs_of(bench, folder, peer, dtype, "threads-io", 320)
                    tried[peer, dtype, "threads-io"] = first["ms"]
            peer, dtype, _ = min(tried, key=tried.get)
            for reader in ("threads-pil", "workers-io", "workers-pil", "after-io"):
                tried[peer, dtype, reader] = self.theirs_of(bench, folder, peer, dtype, reader, 640)["ms"] / 2
            tried[peer, dtype, "threads-io"] = self.theirs_of(bench, folder, peer, dtype, "threads-io", 640)["ms"] / 2
            self.best[self.model] = min((key for key in tried if key[:2] == (peer, dtype)), key=tried.get)
        return self.best[self.model]

    def measure(self, bench, rounds, stock):
        folder = photo_folder()
        with tempfile.TemporaryDirectory() as scratch:
            weights = weights_of(self.model, scratch)
            peer, dtype, reader = self.fastest(bench, folder)
            self.best_variant = f"{peer} {dtype} {reader}"
            for _ in range(rounds):
                ours = bench.sample([measure.BUILD / "app/thaw", "features", "--model", self.model, "--weights", weights,
                                     "--data", folder, "--dtype", self.dtype, "--json", "--out",
                                     pathlib.Path(scratch) / "features.h5"], side="thaw", workload="photos")
                theirs = self.theirs_of(bench, folder, peer, dtype, reader)
                self.add(ours["wall_ms"] / 1000, theirs["ms"] / 1000, (ours, theirs))


class RunRow(Row):
    """A real `thaw train --unfreeze blocks:3`, for its seconds and its peak memory; nothing of torch's beside it."""

    def __init__(self, model, dtype, epochs, limit_mib):
        super().__init__(f"memory {model} {dtype}")
        self.model, self.dtype, self.epochs, self.limit_mib, self.peak_mib = model, dtype, epochs, limit_mib, 0

    def measure(self, bench, rounds, stock):
        scratch = tempfile.mkdtemp()
        try:
            command = [measure.BUILD / "app/thaw", "train", "--model", self.model, "--weights",
                       weights_of(self.model, scratch), "--data", ASSETS / "flower_photos.tgz", "--unfreeze", "blocks:3",
                       "--epochs", self.epochs, "--dtype", self.dtype, "--out", pathlib.Path(scratch) / "run"]
            bench.once(["bash", "-c", '"$@" >&2 && echo {}', "run"] + [str(word) for word in command], {},
                       wrapped=self.model != "resnet50")  # minutes: its memory is the figure, its time is not
            result = json.loads((pathlib.Path(scratch) / "run/result.json").read_text(encoding="utf-8"))
        finally:
            shutil.rmtree(scratch)
        self.peak_mib = result["peak_memory_bytes"] / 2**20
        seconds = result["seconds"]
        self.notes = [f"{self.epochs} epochs with validation in {seconds['total']:.0f} s: prefix "
                      f"{seconds['prefix']:.0f}, training {seconds['train']:.0f}, evaluation {seconds['evaluate']:.0f}"]


def all_rows():
    models, dtypes = SHORT, ("bf16", "f32")
    rows = [StepRow(work, model, dtype) for work in ("train", "infer") for model in models for dtype in dtypes]
    rows += [PartialRow(work, model, dtype) for work in ("blocks3", "head") for model in models for dtype in dtypes]
    rows += [PhotosRow("mobilenet_v3_large", dtype) for dtype in dtypes]
    return rows + [RunRow("mobilenet_v3_large", "f32", 10, 1024), RunRow("mobilenet_v3_large", "bf16", 1, 1024),
                   RunRow("resnet50", "f32", 1, 3072), RunRow("resnet50", "bf16", 1, 3072)]
