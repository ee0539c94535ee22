"""Medians, spreads, ratios, and the Markdown that shows them."""
import statistics


FEW = 8


def bounds(values):
    """The least and the most of few values, the ends of the middle half of many."""
    if len(values) <= FEW:
        return min(values), max(values)
    lower, _, upper = statistics.quantiles(values, n=4)
    return lower, upper


def spread(values, digits=3):
    """'median (from–to)'."""
    low, high = (number(bound, digits) for bound in bounds(values))
    return f"{number(statistics.median(values), digits)} ({low}–{high})"


def number(value, digits=3):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if abs(value) < 100 else f"{value:.0f}"


def ratios(samples, variant, reference):
    """The ratio of each slice where there are slices, else of each round: what is compared was
    measured within a second, or within a minute."""
    ours, theirs = costs(samples, variant), costs(samples, reference)
    return [one / other for one, other in zip(ours, theirs) if other > 0]


def costs(samples, variant):
    return [cost for sample in samples.get(variant, []) for cost in sample.get("costs", [sample["cost"]])]


def verdict(scenario, samples):
    """One sentence about the limit, or None without one."""
    limit = scenario.limit
    ours = scenario.variants()[0]
    if limit is None or not samples.get(ours):
        return None
    if limit.reference is None:
        values = [sample["cost"] for sample in samples[ours]]
        what = f"{ours}: {spread(values)} {scenario.unit}"
    else:
        values = ratios(samples, ours, limit.reference)
        if not values:
            return None
        what = f"{ours}: {spread(values)} of {limit.reference}"
    met = statistics.median(values) <= limit.most
    low, high = bounds(values)
    within = low <= limit.most <= high
    word = "met" if met else "NOT met"
    return f"{what}; at most {limit.most:g}: {word}{', but within the spread' if within else ''}"


def table(scenario, result):
    samples, calls = result["samples"], result["system_calls"]
    references = [name for name in scenario.references if samples.get(name)]
    head = [f"{scenario.unit}", *(f"ratio to {name}" for name in references)]
    head += [title for _, title in scenario.columns]
    if calls:
        head.append("system calls each")
    lines = ["| | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for variant, rounds in samples.items():
        cells = [spread([sample["cost"] for sample in rounds])]
        for name in references:
            values = ratios(samples, variant, name)
            cells.append(spread(values) if values and variant != name else "1")
        cells += [spread([sample[key] for sample in rounds]) for key, _ in scenario.columns]
        if calls:
            cells.append(number(calls[variant]["total"]) if variant in calls else "")
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def section(scenario, result):
    text = f"## {scenario.title}\n\n`{scenario.name}`\n\n{table(scenario, result)}\n"
    sentence = verdict(scenario, result["samples"])
    if sentence:
        text += f"\n{sentence}\n"
    shares = [
        thread_shares(sample["threads_ns"])
        for sample in result["samples"].get("two workers", [])
        if "threads_ns" in sample
    ]
    if shares:
        text += "\nCPU time by thread, each round: " + "; ".join(shares) + "\n"
    return text


def thread_shares(threads_ns):
    total = sum(threads_ns.values()) or 1
    busy = {name: used / total for name, used in threads_ns.items() if used / total > 0.005}
    return ", ".join(f"{name.split('/')[0]} {share:.0%}" for name, share in sorted(busy.items()))


def document(about, sections):
    rows = "\n".join(f"- {key}: {value}" for key, value in about.items())
    return (
        f"# Measurements of {about['date']}\n\n{rows}\n\n"
        "Every figure is the median of the rounds with the least and the most in parentheses. Ratios "
        "of streams are taken within each pair of slices of 0.2 s, their median with the middle half "
        "in parentheses; other ratios within each round. Proxies run on one CPU of their own, load "
        "and server on the others.\n\n" + "\n".join(sections)
    )
