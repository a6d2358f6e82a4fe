"""What is published when: lists of (second, length in seconds), the same for the same seed on every machine."""
import math
import random


def length(drawn, median, sigma, shortest, longest):
    return max(shortest, min(longest, drawn.lognormvariate(math.log(median), sigma)))


def waves(waves, tasks, seed=7):
    """A wave every 240 s, its arrivals triangular over 120 s. Draw by draw what KEDA was measured with: its load was made
    by this generator from this seed, so the tasks are the very same (ideal for two slots a pod: 5,753 pod-seconds)."""
    drawn = random.Random(seed)
    plan = []
    for wave in range(waves):
        for _ in range(tasks // waves):
            at = wave * 240 + drawn.triangular(0, 120, 60)
            plan.append((at, length(drawn, 20, 0.9, 1, 120)))
    return sorted(plan)


def bursts(bursts, tasks, every, within, median, sigma, longest, seed=7):
    """Each burst comes evenly `within` seconds, and is as large as its neighbours by half at most; then there is a lull."""
    drawn = random.Random(seed)
    weights = [drawn.uniform(0.5, 1.5) for _ in range(bursts)]
    plan = []
    for burst, weight in enumerate(weights):
        # The last one takes what rounding has left.
        left = tasks - len(plan)
        count = left if burst == bursts - 1 else min(left, round(tasks * weight / sum(weights)))
        for n in range(count):
            plan.append((burst * every + within * n / count, length(drawn, median, sigma, 0.1, longest)))
    return plan


def steady(tasks, every, shortest, longest, first=0, seed=7):
    """The first few (`first`) three a second, then one after another, evenly; `every` may be 0."""
    drawn = random.Random(seed)
    ats = [n / 3 if n < first else first / 3 + (n - first) * every for n in range(tasks)]
    return [(at, drawn.uniform(shortest, longest)) for at in ats]
