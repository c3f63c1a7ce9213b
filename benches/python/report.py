"""The figures as text, as a table in Markdown and as a chart."""

from pathlib import Path


def has_pypy(figures):
    return any("pypy" in figure for figure in figures.values())


def number(value):
    """Three digits that mean something, as tables of small and large figures need."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def rows(figures):
    """The cells of every line, a heading first."""
    pypy = has_pypy(figures)
    yield ["shape", "stock, us", "hereafter, us", "ratio"] + ["PyPy, us"] * pypy
    for name, figure in figures.items():
        cells = [name, number(figure["stock"]), number(figure["hereafter"]), f"{figure['ratio']:.2f}"]
        if pypy:
            cells.append(number(figure["pypy"]) if "pypy" in figure else "-")
        yield cells


def text(title, figures):
    """What is printed."""
    table = list(rows(figures))
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = [title, ""]
    for cells in table:
        first, *others = (cell.rjust(width) for cell, width in zip(cells, widths))
        lines.append("  ".join([cells[0].ljust(widths[0]), *others]))
    return "\n".join(lines)


def markdown(title, figures):
    """The same for a page."""
    heading, *table = rows(figures)
    lines = [
        f"# {title}",
        "",
        "Microseconds per operation, the least of several alternating rounds; bytes where it says so.",
        "",
        "| " + " | ".join(heading) + " |",
        "|---" + "|---:" * (len(heading) - 1) + "|",
    ]
    lines += ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join(lines) + "\n"


def chart(title, figures, path: Path):
    """A bar for each shape: how many times as fast, or as small."""
    import matplotlib

    # No window: it only writes a file.
    matplotlib.use("svg")
    from matplotlib import pyplot

    names = list(reversed(figures))
    ratios = [figures[name]["ratio"] for name in names]
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.26 * len(names)))
    bars = axes.barh(names, ratios, color=["#2a6f97" if ratio >= 1 else "#b5651d" for ratio in ratios])
    axes.bar_label(bars, labels=[f"{ratio:.1f}" for ratio in ratios], padding=3, fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("stock / hereafter: how many times as fast, or as small")
    axes.set_title(title, fontsize=10)
    axes.tick_params(axis="y", labelsize=8)
    axes.margins(x=0.08, y=0.01)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    # Without a date the same figures give the same file.
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
