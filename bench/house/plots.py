"""Plots of a run, as SVG, by matplotlib; none where that is missing."""
import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Plot:
    """A line for each subject of a work: `metric` over n."""
    name: str
    part: str
    work: str
    metric: str
    title: str
    across: str
    logarithmic: bool = True  # the figure's own axis


PLOTS = [
    Plot("switch", "micro", "switch", "time", "One switch", "flows"),
    Plot("depth", "micro", "depth", "time", "A wait deep in calls", "depth of calls"),
    Plot("memory", "memory", "parked", "bytes", "A parked flow", "flows"),
    Plot("echo_64_rate", "servers", "echo_64", "rate", "Echo, 64 bytes", "connections", False),
    Plot("echo_64_cpu", "servers", "echo_64", "cpu", "Echo, 64 bytes", "connections"),
    Plot("echo_64_p99", "servers", "echo_64", "p99", "Echo, 64 bytes", "connections"),
    Plot("http_rate", "servers", "http", "rate", "HTTP, kept connections", "connections", False),
    Plot("http_p99", "servers", "http", "p99", "HTTP, kept connections", "connections"),
]
# The same colour in all plots for who is compared most.
COLOURS = {"raw_jump": "black", "limit": "black", "epoll_callbacks": "black",
           "vervet_light": "tab:green", "vervet_full": "tab:olive",
           "vervet_pthread": "tab:blue", "threads": "tab:red", "go": "tab:cyan",
           "gevent": "tab:purple", "coroutine": "tab:orange"}


def _lines(plot, results):
    lines = {}
    for key in results.values:
        part, work, subject, n, metric = key
        if (part, work, metric) == (plot.part, plot.work, plot.metric):
            lines.setdefault(subject, []).append((n, results.median(*key), results.units[key]))
    return {subject: sorted(points) for subject, points in lines.items()}


def _draw(pyplot, plot, lines, path):
    figure, axes = pyplot.subplots(figsize=(8, 5))
    unit = ""
    for subject, points in lines.items():
        sizes, medians, units = zip(*points)
        unit = units[0]
        colour = COLOURS.get(subject.removesuffix("_2w"))
        style = "--" if subject.endswith("_2w") else "-"
        axes.plot(sizes, medians, style, marker="o", markersize=4, color=colour, label=subject)
    axes.set_xscale("log")
    if plot.logarithmic:
        axes.set_yscale("log")
    axes.set_title(plot.title)
    axes.set_xlabel(plot.across)
    axes.set_ylabel(f"{plot.metric} ({unit})")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


def draw(out, results):
    """Draws what there are rows for; the names of the files, by part."""
    drawn = {}
    wanted = [(plot, lines) for plot in PLOTS if (lines := _lines(plot, results))]
    if not wanted:
        return drawn
    try:
        import matplotlib
        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        return drawn
    for plot, lines in wanted:
        name = f"{plot.name}.svg"
        _draw(pyplot, plot, lines, os.path.join(out, name))
        drawn.setdefault(plot.part, []).append(name)
    return drawn
