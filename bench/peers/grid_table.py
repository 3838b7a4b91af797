"""A grid beside PyTorch as Markdown: a row an experiment, the totals, and where the gain comes from."""
import math


def totals(report):
    """For each model, and for all where there are several: seconds of both sides over the experiments that each has."""
    experiments = report["experiments"]
    models = list(dict.fromkeys(row["model"] for row in experiments))
    groups = {model: [row for row in experiments if row["model"] == model] for model in models}
    if len(models) > 1:
        groups["all"] = experiments
    found = {name: total(group) for name, group in groups.items()}
    if report["thaw_wall"]:
        # The clock counts what is outside of every experiment too, so it is spread over them as they took.
        stretch = report["thaw_wall"] / math.fsum(row["thaw"]["total"] for row in experiments)
        for group in found.values():
            group["thaw"] *= stretch
            group["on_the_clock"] = True
    return found


def total(group):
    def over(value):
        values = [value(row) for row in group]
        return None if any(v is None for v in values) else math.fsum(values)

    def of_peer(name):
        return over(lambda row: row.get(name, {}).get("total"))

    def count(estimated):
        return sum(1 for row in group if estimated(row))

    return {"experiments": len(group), "thaw": over(lambda row: row["thaw"]["total"]),
            "uncached": over(lambda row: row["uncached"]), "tuned": of_peer("tuned"), "stock": of_peer("stock"),
            "tuned_estimated": count(lambda row: row.get("tuned", {}).get("estimated")),
            "uncached_estimated": count(lambda row: row["uncached_estimated"])}


def ratio(theirs, ours):
    return "" if theirs is None or not ours else f"{theirs / ours:.2f}x"


def seconds(value, mark=""):
    return "" if value is None else f"{value:.0f}{mark}" if value >= 100 else f"{value:.1f}{mark}"


def marks(peer):
    return ("*" if peer.get("estimated") else "") + ("~" if peer.get("noisy") else "")


def experiment_rows(report):
    lines = ["| experiment | epochs | thaw | thaw, no cache | PyTorch, tuned | which | stock | tuned / thaw | stock / thaw |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in report["experiments"]:
        ours, tuned, stock = row["thaw"]["total"], row.get("tuned", {}), row.get("stock", {})
        lines.append(
            f"| {row['name']} ({row['dtype']}) | {row['epochs']} | {seconds(ours)} | "
            f"{seconds(row['uncached'], '*' if row['uncached_estimated'] else '')} | "
            f"{seconds(tuned.get('total'), marks(tuned))} | {tuned.get('which', '')} | "
            f"{seconds(stock.get('total'), marks(stock))} | {ratio(tuned.get('total'), ours)} | "
            f"{ratio(stock.get('total'), ours)} |")
    return lines


def total_rows(found):
    lines = ["| total, seconds | experiments | thaw | thaw, no cache | PyTorch, tuned | stock | tuned / thaw | stock / thaw | "
             "of it sharing | faster steps |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, t in found.items():
        lines.append(f"| {name} | {t['experiments']} | {seconds(t['thaw'])} | {seconds(t['uncached'])} | "
                     f"{seconds(t['tuned'])} | {seconds(t['stock'])} | {ratio(t['tuned'], t['thaw'])} | "
                     f"{ratio(t['stock'], t['thaw'])} | {ratio(t['uncached'], t['thaw'])} | "
                     f"{ratio(t['tuned'], t['uncached'])} |")
    return lines


def notes(report):
    rows = report["experiments"]
    text = [f"PyTorch decodes each experiment's photos once, at {report['photo_ms']:.2f} ms a photo ({report['reader']}), and "
            "has them in memory from then on; its steps are random pixels."]
    for name, what in (("tuned", "PyTorch"), ("uncached", "thaw without its cache")):
        estimated = [row["name"] for row in rows
                     if (row["uncached_estimated"] if name == "uncached" else row.get("tuned", {}).get("estimated"))]
        if estimated:
            text.append(f"{what} was measured on {len(rows) - len(estimated)} of {len(rows)} experiments; the others (*) are on "
                        f"the line over forward and backward work between those: {', '.join(estimated)}.")
    text.append("Of it sharing: thaw without its cache over thaw; faster steps: tuned PyTorch over thaw without its cache. Their "
                "product is tuned / thaw.")
    if report["thaw_wall"]:
        text.append(f"thaw's totals are of the command's wall clock, {report['thaw_wall']:.0f} s.")
    if report["unfinished"]:
        text.append(f"Not finished, so in no figure: {', '.join(report['unfinished'])}.")
    if any(row.get(side, {}).get("noisy") for row in rows for side in ("tuned", "stock")):
        text.append("~: other processes took more than 6 % of the machine in every round.")
    return text


def markdown(report):
    return "\n".join(experiment_rows(report) + [""] + total_rows(report["totals"]) + [""] + notes(report))
