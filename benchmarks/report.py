"""Results as Markdown tables, for the terminal and for the documentation."""

from collections.abc import Iterator, Sequence

from benchmarks import tls, udp
from benchmarks.engine import IDLE, LOADS, Figures, Load
from benchmarks.results import (
    EMBEDDED,
    OURS,
    PLAIN,
    Results,
    costs,
    cpu,
    growth,
    median,
    servers,
)

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def text(results: Results) -> str:
    """Return everything that was measured, as tables."""
    return "\n".join("\n".join(lines) + "\n" for lines in _tables(results))


def put_into(page: str, results: Results) -> str:
    """Return a page with the tables between its marks."""
    if BEGIN not in page or END not in page:
        raise SystemExit(f"expected {BEGIN!r} and {END!r} in the page")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{_origin(results)}\n\n{text(results)}\n{END}{after}"


def _tables(results: Results) -> Iterator[list[str]]:
    if single := list(_single_figures(results)):
        yield as_table(("what", "figure"), single)
    for load in LOADS:
        if comparison := results.get("engine", {}).get(load.mode):
            yield _comparison(load, comparison)
    if memory := results.get("engine", {}).get("memory"):
        rows = [(name, f"{size:.2f} KiB") for name, size in memory.items()]
        yield as_table((f"memory of an idle accepted connection, {IDLE:,} of them", "each"), rows)
    if datagrams := results.get("udp"):
        yield _datagrams(datagrams["rates"])
    for kind in tls.LOADS:
        if comparison := results.get("tls", {}).get(kind.kind):
            yield _tls(kind, comparison["figures"], comparison["cipher"])
    if scaling := results.get("scaling"):
        yield _scaled_cost(scaling)
        yield _scaled_rate(scaling)


def _single_figures(results: Results) -> Iterator[tuple[str, str]]:
    if start := results.get("start"):
        seconds = {name: median(runs) for name, runs in start["seconds"].items()}
        added = seconds["with the plugin"] - seconds["bare"]
        yield "the plugin, installed but unused, adds to pytest's start", f"{added * 1000:.1f} ms"
    if fixture := results.get("fixture"):
        seconds = {name: median(runs) for name, runs in fixture["seconds"].items()}
        for name, what in (("fixture", "`tcp_server`"), ("with a rule", "the same with a rule")):
            each = (seconds[name] - seconds["empty"]) / fixture["tests"] * 1000
            yield f"{what} adds to a test", f"{each:.2f} ms"
    if specs := results.get("specs"):
        seconds = {name: median(runs) for name, runs in specs["seconds"].items()}
        what = f"{specs['tests']:,} echo specs beside as many hand-written asyncio tests"
        for kind in ("a file each", "one file"):
            ratio = seconds[f"specs, {kind}"] / seconds[f"asyncio, {kind}"]
            yield f"{what}, {kind}", f"{ratio:.2f} of their time"
    if networks := results.get("networks"):
        whole = [sum(parts) for parts in zip(*networks["seconds"].values(), strict=True)]
        what = "a network of two linked hosts, from nothing to nothing"
        yield what, f"{median(whole) * 1000:.1f} ms"
    if engine := results.get("engine"):
        ratio = median(engine["echo"][EMBEDDED]["rate"]) / median(engine["echo"][PLAIN]["rate"])
        what = "the engine inside an asyncio loop beside plain asyncio protocols, echo"
        yield what, f"{ratio:.2f} of their rate"


def _comparison(load: Load, comparison: dict[str, Figures]) -> list[str]:
    head = (
        load.title,
        f"{load.unit}s/s" if load.per == 1 else f"{load.unit}/s",
        "inline ÷ it",
        "in asyncio ÷ it",
        f"user CPU a {load.unit}",
        "system CPU",
        "server busy",
        "load busy",
    )
    inline, embedded = (median(comparison[name]["rate"]) for name in (OURS, EMBEDDED))
    rows = []
    for name, figures in comparison.items():
        rate, user, system, busy, loading = (
            median(figures[each]) for each in ("rate", "user", "system", "busy", "load")
        )
        cells = (f"{rate:,.0f}", f"{inline / rate:.2f}", f"{embedded / rate:.2f}")
        times = (f"{user:.2f} µs", f"{system:.2f} µs", f"{busy:.0%}", f"{loading:.0%}")
        rows.append((name, *cells, *times))
    return as_table(head, rows)


def _datagrams(rates: dict[str, list[float]]) -> list[str]:
    head = (f"UDP, datagrams of {udp.SIZE} bytes", "a second", "beside it", "a second", "ours ÷ it")
    rows = []
    for title, ours, other in udp.COMPARISONS:
        if other in rates:
            mine, its = median(rates[ours]), median(rates[other])
            rows.append((title, f"{mine:,.0f}", other, f"{its:,.0f}", f"{mine / its:.2f}"))
    return as_table(head, rows)


def _tls(load: tls.Load, comparison: dict[str, Figures], cipher: str) -> list[str]:
    head = (
        f"{load.title}, {cipher}",
        f"{load.unit}s/s" if load.per == 1 else f"{load.unit}/s",
        "sockharness ÷ it",
        f"CPU a {load.unit}",
        "sockharness ÷ it",
    )
    rate, cpu = (median(comparison[OURS][each]) for each in ("rate", "cpu"))
    rows = []
    for name, figures in comparison.items():
        its_rate, its_cpu = median(figures["rate"]), median(figures["cpu"])
        cells = (f"{its_rate:,.0f}", f"{rate / its_rate:.2f}")
        rows.append((name, *cells, f"{its_cpu:,.0f} µs", f"{cpu / its_cpu:.2f}"))
    return as_table(head, rows)


def _scaled_cost(scaling: Results) -> list[str]:
    head = ("CPU of a message (µs), on connections", *_counts(scaling), "total grows as")
    rows = [
        (
            name,
            *(f"{cpu(each[name]):.1f}" for each in scaling.values()),
            f"N^{growth(costs(scaling, name)):.2f}" if len(scaling) > 1 else "",
        )
        for name in servers(scaling)
    ]
    return as_table(head, rows)


def _scaled_rate(scaling: Results) -> list[str]:
    head = ("messages a second, on connections", *_counts(scaling))
    rows = [
        (name, *(f"{median(each[name]['rate']):,.0f}" for each in scaling.values()))
        for name in servers(scaling)
    ]
    return as_table(head, rows)


def _counts(scaling: Results) -> list[str]:
    return [f"{int(count):,}" for count in scaling]


def _origin(results: Results) -> str:
    about = results["about"]
    versions = "".join(f", {name} {version}" for name, version in about["versions"].items())
    return (
        f"Medians of {about['rounds']} rounds, {about['seconds']:g} s of load each;"
        f" {about['cores']} cores, {about['system']}, Python {about['python']}{versions}."
    )


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table; the first column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    lines = [
        [
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in (head, *rows)
    ]
    return [f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:])]
