"""The experiments of a finished grid: what thaw took for them, what each trains, and PyTorch's figures between those that
were measured."""
import json
import pathlib
import subprocess
import sys

import measure

ELEMENT_FLOPS = 100  # moving an element there and back, in the flops done meanwhile (340 GFLOP/s, 27 GB/s, 4 bytes)


class Cell:
    """An experiment: its settings, both runs' results, and what a training step of it computes."""

    def __init__(self, entry, result, uncached):
        self.name, self.model, self.settings = entry["name"], entry["model"], entry["settings"]
        self.result, self.uncached = result, uncached
        self.epochs, self.batch = result["epochs"], self.settings["batch"]
        described = describe(self.model, self.settings)
        self.size = described["size"]
        rows = [row for row in described["layers"] if not row["head"]]
        self.trainable = [row["name"] for row in rows if row["trainable_params"] > 0]
        self.batch_norms = [row["name"] for row in rows if self.settings["bn"] == "train" and not row["frozen"]
                            and row["type"] == "BatchNormalization"]
        self.cost = step_cost(described)

    def network(self):
        """What cells must share so that their steps can be told from one another's."""
        s = self.settings
        return (self.model, self.size, self.batch, s["head"], s["dropout"])

    def work(self):
        """Cells of the same work take PyTorch the same time a step."""
        return self.network() + (tuple(self.trainable), tuple(self.batch_norms))

    def trained_photos(self):
        return self.epochs * self.result["split"]["train"]

    def evaluated_photos(self):
        """Validation after each epoch, test photos at the end (again for the best epoch's weights), training photos."""
        split = self.result["split"]
        tests = 1 if self.result["best_epoch"] == self.epochs else 2
        train = {"each": self.epochs, "last": 1, "off": 0}[self.settings["train_eval"]]
        return self.epochs * split["val"] + tests * split["test"] + train * split["train"]

    def torch_options(self):
        return ["--batch", self.batch, "--size", self.size, "--head", self.settings["head"], "--dropout",
                self.settings["dropout"]]


def describe(model, settings):
    command = [measure.BUILD / "app/thaw", "describe", model, "--json"]
    for key in ("unfreeze", "bn", "keras_rescaling", "head", "dropout"):
        command += [f"--{key.replace('_', '-')}", settings[key]]
    command += ["--size", settings["size"] or 224]
    try:
        done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    except OSError:
        sys.exit(f"grid: no thaw in {measure.BUILD}/app; build first: cmake --preset cpu && cmake --build --preset cpu")
    except subprocess.CalledProcessError as error:
        sys.exit(f"grid: thaw describe {model}: {error.stderr.strip()}")
    return json.loads(done.stdout)


def step_cost(described):
    """Forward everywhere, the gradient of the input behind the first layer that trains, that of the weights in those that
    do; in flops of an image. Only for interpolating."""
    cost, behind = 0, False
    for row in described["layers"]:
        elements = 1
        for extent in row["output_shape"]:
            elements *= extent
        forward = row["flops"] + ELEMENT_FLOPS * elements
        trains = row["trainable_params"] > 0
        behind = behind or trains
        cost += forward * (1 + behind + trains)
    return cost


def read_grid(folder):
    """{name: (entry, result or None)} of a grid's folder."""
    path = pathlib.Path(folder) / "grid.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["experiments"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"grid: {path} lists no experiments ({error}); --ours wants the OUT of a finished `thaw grid run`")
    found = {}
    for entry in entries:
        result = pathlib.Path(folder) / entry["folder"] / "result.json"
        found[entry["name"]] = (entry, json.loads(result.read_text("utf-8")) if result.exists() else None)
    return found


def read_cells(folder, uncached_folder):
    """The finished experiments, and the names of those that are not."""
    uncached = read_grid(uncached_folder) if uncached_folder else {}
    cells, unfinished = [], []
    for name, (entry, result) in read_grid(folder).items():
        other = uncached.get(name, (None, None))[1]
        if result is None:
            unfinished.append(name)
            continue
        if other and (other["epochs"], other["split"]) != (result["epochs"], result["split"]):
            sys.exit(f"grid: {name} ran {result['epochs']} epochs in {folder} and {other['epochs']} in {uncached_folder}, or on "
                     "other photos; both folders must be runs of one grid")
        cells.append(Cell(entry, result, other))
    if not cells:
        sys.exit(f"grid: no experiment in {folder} is finished; run `thaw grid run ... --out {folder}` to its end first")
    return cells, unfinished


def choose(cells, wanted):
    """The cells that are measured, one of each work: all, by name, or so many of each network, evenly over the cost and
    with the cheapest and the dearest."""
    by_work = {}
    for cell in cells:
        by_work.setdefault(cell.work(), cell)
    if wanted == "all":
        return list(by_work.values())
    if not wanted.isdigit():
        names = wanted.split(",")
        unknown = [name for name in names if name not in {cell.name for cell in cells}]
        if unknown:
            sys.exit(f"grid: no finished experiment is named '{unknown[0]}'; there are {', '.join(c.name for c in cells)}")
        return list({cell.work(): cell for cell in cells if cell.name in names}.values())
    chosen = []
    for network in dict.fromkeys(cell.network() for cell in cells):
        ordered = sorted((c for c in by_work.values() if c.network() == network), key=lambda c: c.cost)
        count = min(max(int(wanted), 2), len(ordered))
        chosen += [ordered[round(i * (len(ordered) - 1) / max(count - 1, 1))] for i in range(count)]
    return chosen


def between(points, cost):
    """The value at a cost, on the line through the two nearest (cost, value) around it or, beyond the last, beside it."""
    points = sorted(points)
    if len(points) == 1:
        return points[0][1]
    upper = next((i for i, point in enumerate(points) if point[0] >= cost and i > 0), len(points) - 1)
    (c0, v0), (c1, v1) = points[upper - 1], points[upper]
    return v1 if c0 == c1 else v0 + (v1 - v0) * (cost - c0) / (c1 - c0)


def estimate(cells, known, value):
    """({work: value}, set of works that are estimates): known ones as they are, others on the line over the cost. A
    network with a single known cell has no line: its others stay out."""
    values = {cell.work(): value(cell) for cell in known}
    estimated = set()
    for cell in cells:
        if cell.work() in values:
            continue
        points = [(other.cost, value(other)) for other in known if other.network() == cell.network()]
        if len({cost for cost, _ in points}) >= 2:
            estimated.add(cell.work())
            values[cell.work()] = between(points, cell.cost)
    return values, estimated
