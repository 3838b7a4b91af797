"""Markdown of what was measured."""
import platform
import statistics

import rows


def machine(ceilings, bench):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    lines = [f"{cpu}, {ceilings['threads']} threads, {ceilings['isa']}, {platform.release()}; peers: "
             + (", ".join(bench.peers) or "none"), "", "| ceiling | 1 thread | all threads |", "|---|---|---|"]
    for key, name, unit in (("fma_f32_gflops", "multiply-add f32, registers", "GFLOP/s"),
                            ("matmul_f32_gflops", "matrix product 2048 f32, oneDNN", "GFLOP/s"),
                            ("matmul_bf16_gflops", "matrix product 2048 bf16, oneDNN", "GFLOP/s"),
                            ("triad_768mib_gbs", "triad 768 MiB", "GB/s"), ("triad_48mib_gbs", "triad 48 MiB", "GB/s")):
        lines.append(f"| {name} | {ceilings[key + '_1']:.1f} {unit} | {ceilings[key + '_all']:.1f} {unit} |")
    if ceilings["others"] > 0.06:
        lines.append(f"\n(others took {100 * ceilings['others']:.0f} % of the machine while the ceilings were measured)")
    return "\n".join(lines) + "\n"


def seconds(value):
    return f"{1000 * value:.0f} ms" if value < 10 else f"{value:.0f} s"


def speed(measured):
    lines = ["| row | thaw | PyTorch, tuned, best | which | ratio (range) | at least, aim | stock |",
             "|---|---|---|---|---|---|---|"]
    notes = []
    for row in measured:
        ratios = row.ratios()
        if not ratios:
            continue
        goal = row.goal()
        median = statistics.median(ratios)
        verdict = "" if goal is None else " **missed**" if median < goal[0] else ""
        ours, theirs = (statistics.median(side) for side in zip(*row.rounds()))
        stock = " / ".join(f"{value / ours:.1f}x" for value in row.stock)
        lines.append(
            f"| {row.name}{' ~' if all(row.noisy) else ''} | {seconds(ours)} | "
            f"{seconds(theirs)} | {row.best_variant} | {median:.2f}x ({min(ratios):.2f}-"
            f"{max(ratios):.2f}) | {'' if goal is None else f'{goal[0]}x, {goal[1]}x'}{verdict} | {stock} |")
        notes += [f"* {row.name}: {note}" for note in row.notes]
    if len(lines) == 2:
        return ""
    return "\n".join(lines + ["", "Rounds in which other processes took more than 6 % of the machine are left out; ~: there was no other."] + notes
                     + [""])


def memory(measured):
    lines = ["| peak memory | thaw | PyTorch (least of both versions) or limit | |", "|---|---|---|---|"]
    notes = []
    for row in measured:
        if isinstance(row, rows.StepRow) and row.workload == "train":
            ours, limit = row.rss, row.rss_theirs
        elif isinstance(row, rows.RunRow):
            ours, limit = row.peak_mib, row.limit_mib
            notes += [f"* {row.name}: {note}" for note in row.notes]
        else:
            continue
        verdict = "" if not limit else "ok" if ours <= limit else "**missed**"
        lines.append(f"| {row.name} | {ours:.0f} MiB | {limit or '?'} MiB | {verdict} |")
    return "\n".join(lines + [""] + notes + [""]) if len(lines) > 2 else ""


def profiles(measured):
    """By kind of layer: time, and the share of the machine's ceilings (the matrix product and the 768 MiB triad)."""
    text = []
    for row in measured:
        if not getattr(row, "profile", None):
            continue
        text += [f"{row.name}, by kind of call, with the share of the ceiling:", "",
                 "| kind | ms | GFLOP/s | GB/s | share |", "|---|---|---|---|---|"]
        text += [f"| {k['kind']} | {k['ms']:.1f} | {k['gflops']:.0f} | {k['gbs']:.1f} | {100 * k['share']:.0f} % |"
                 for k in row.profile if k["ms"] > 0.005 * sum(x["ms"] for x in row.profile)]
        text.append("")
    return "\n".join(text)
