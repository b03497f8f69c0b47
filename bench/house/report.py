"""What is left of a run: results.json, report.md, plots; and a summary for the terminal."""
import json
import os
import sys

from house import plots

# Whose figure the others are divided by: the first of these that has one at that point.
BASELINES = ("raw_jump", "limit", "epoll_callbacks", "threads", "threads_2w", "vervet_light")
# What other programs, and the machine below ours, can only add to.
COSTS = ("cpu", "time")
TITLES = {"micro": "Small works", "memory": "Memory", "servers": "Servers on loopback",
          "programs": "Real programs", "counts": "Counts"}


def _tables(results):
    """{(part, work, metric): {subject: {n: key}}}, in the order of measurement."""
    tables = {}
    for key in results.values:
        part, work, subject, n, metric = key
        tables.setdefault((part, work, metric), {}).setdefault(subject, {})[n] = key
    return tables


def number(value):
    """Three significant digits; thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _cell(value_of, rows, subject, n, baseline):
    key = rows[subject].get(n)
    if key is None:
        return ""
    text = number(value_of(*key))
    base = rows.get(baseline, {}).get(n)
    if base is None or base == key or not value_of(*base):
        return text
    return f"{text} ({value_of(*key) / value_of(*base):.2f})"


def _markdown_table(results, rows, value_of):
    sizes = sorted({n for subject in rows.values() for n in subject})
    baseline = next((name for name in BASELINES if name in rows), None)
    lines = ["| | " + " | ".join(f"{n:,}" for n in sizes) + " | spread |",
             "|---" * (len(sizes) + 2) + "|"]
    for subject in rows:
        cells = [_cell(value_of, rows, subject, n, baseline) for n in sizes]
        spread = max(results.spread(*key) for key in rows[subject].values())
        lines.append(f"| {subject} | " + " | ".join(cells) + f" | {spread:.0%} |")
    note = f"In parentheses: over {baseline}." if baseline and len(rows) > 1 else ""
    return lines, note


def _statistics(results, metric):
    """What is told of a metric's rounds: of the costs, what they are at the machine's best as well."""
    several = any(len(values) > 1 for values in results.values.values())
    told = {"": results.median}
    if several and metric in COSTS:
        told[", the fastest quarter of the rounds"] = results.fastest
    return told


def _markdown(results, machine, over, drawn):
    lines = ["# Benchmark report", "", "Medians of interleaved rounds. Spread: the distance of a "
             "row's extreme rounds over its median, the largest of the line.", ""]
    lines += [f"- {name}: {text}" for name, text in machine.items()]
    lines.append(f"- other programs used up to {results.foreign:.2f} CPUs during a trial")
    if results.interrupted:
        lines.append(f"- interrupted {results.interrupted}")
    for part, title in TITLES.items():
        tables = {key: rows for key, rows in _tables(results).items() if key[0] == part}
        if not tables:
            continue
        lines += ["", f"## {title}"]
        lines += [line for name in drawn.get(part, []) for line in ("", f"![{name}]({name})")]
        for (_, work, metric), rows in tables.items():
            unit = results.units[next(iter(next(iter(rows.values())).values()))]
            for name, value_of in _statistics(results, metric).items():
                table, note = _markdown_table(results, rows, value_of)
                lines += ["", f"### {work}: {metric} ({unit}){name}", "", *table]
                lines += ["", note] if note else []
    for title, entries in (("Broken", results.broken), ("Skipped", results.skipped)):
        if entries:
            lines += ["", f"## {title}", ""]
            lines += [f"- {trial}: {reason}" for trial, reason in entries.items()]
    if over:
        lines += ["", "## Above their ceilings", "", *(f"- {line}" for line in over)]
    return "\n".join(lines) + "\n"


def write(out, results, machine, over):
    """Writes everything into the directory `out`."""
    rows = [{"part": key[0], "work": key[1], "subject": key[2], "n": key[3], "metric": key[4],
             "unit": results.units[key], "median": results.median(*key),
             "fastest": results.fastest(*key), "spread": results.spread(*key), "values": values}
            for key, values in results.values.items()]
    everything = {"machine": machine, "interrupted": results.interrupted, "foreign_cpus": results.foreign, "rows": rows,
                  "skipped": results.skipped, "broken": results.broken, "above_ceilings": over}
    with open(os.path.join(out, "results.json"), "w", encoding="utf-8") as file:
        json.dump(everything, file, indent=1)
    drawn = plots.draw(out, results)
    with open(os.path.join(out, "report.md"), "w", encoding="utf-8") as file:
        file.write(_markdown(results, machine, over, drawn))


def summarize(results, over, out):
    """A few lines on stdout; what is wrong on stderr."""
    print(f"{len(results.values)} rows, {len(results.skipped)} trials skipped, "
          f"{len(results.broken)} broken; see {os.path.join(out, 'report.md')}")
    for trial, reason in results.skipped.items():
        print(f"skipped: {trial}: {reason}")
    for trial, reason in results.broken.items():
        print(f"broken: {trial}: {reason}", file=sys.stderr)
    for line in over:
        print(f"above its ceiling: {line}", file=sys.stderr)
