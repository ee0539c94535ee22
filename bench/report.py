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


def verdicts(scenario, samples):
    """One sentence about each limit of which there are samples."""
    return [sentence for limit in scenario.limits() if (sentence := verdict(scenario, limit, samples))]


def verdict(scenario, limit, samples):
    ours = limit.variant or scenario.variants()[0]
    if limit.reference is None:
        values = [sample[limit.key] for sample in samples.get(ours, []) if limit.key in sample]
        unit = scenario.unit if limit.key == "cost" else dict(scenario.columns)[limit.key]
    else:
        values, unit = ratios(samples, ours, limit.reference), f"of {limit.reference}"
    if not values:
        return None
    met = statistics.median(values) <= limit.most
    low, high = bounds(values)
    within = low <= limit.most <= high
    word = "met" if met else "NOT met"
    return (
        f"{ours}: {spread(values)} {unit}; at most {limit.most:g}: "
        f"{word}{', but within the spread' if within else ''}"
    )


def limits_section(scenarios, results):
    """All limits again, in one place."""
    lines = [
        f"- `{scenario.name}`: {sentence}"
        for scenario in scenarios if scenario.name in results
        for sentence in verdicts(scenario, results[scenario.name]["samples"])
    ]  # fmt: skip
    return "## Limits\n\n" + ("\n".join(lines) or "None of these has any.") + "\n"


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
        for key, _ in scenario.columns:
            values = [sample[key] for sample in rounds if key in sample]
            cells.append(spread(values) if values else "")
        if calls:
            cells.append(number(calls[variant]["total"]) if variant in calls else "")
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def section(scenario, result):
    text = f"## {scenario.title}\n\n`{scenario.name}`\n\n{table(scenario, result)}\n"
    for sentence in verdicts(scenario, result["samples"]):
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
        "of streams are taken within each pair of slices of 0.2 s (0.5 s with 1,000 clients), their median with the middle half "
        "in parentheses; other ratios within each round. Proxies run on one CPU of their own, load "
        "and server on the others.\n\n" + "\n".join(sections)
    )
