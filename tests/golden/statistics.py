"""Makes statistics.json: what SciPy and statsmodels say of the paired tests, corrections and intervals of `viral::eval`.

    python -m venv /tmp/statistics && /tmp/statistics/bin/pip install numpy scipy statsmodels
    /tmp/statistics/bin/python tests/golden/statistics.py > tests/golden/statistics.json

Differences are integers over 60, so that they are the same doubles everywhere. The large case is a rule, not a list:
difference i is ((i * 104729) % 61 - 28) / 60 where (i * 7919) % 1000 < 150, else 0.
"""

import json
import sys

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests


def rule(n):
    i = np.arange(n, dtype=np.int64)
    return np.where((i * 7919) % 1000 < 150, (i * 104729) % 61 - 28, 0)


def permutation(d):
    """Exact where SciPy enumerates all signs, else of 100,000 draws."""
    found = stats.permutation_test(
        (d,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        n_resamples=99_999,
        batch=1_000,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    return float(found.pvalue)


def case(name, numerators, listed=True):
    d = np.asarray(numerators, dtype=np.float64) / 60.0
    wilcoxon = stats.wilcoxon(d, zero_method="pratt", correction=False, method="asymptotic")
    t = stats.ttest_1samp(d, 0.0)
    found = {
        "name": name,
        "n": len(d),
        "t": [float(t.statistic), float(t.pvalue)],
        "wilcoxon": [float(wilcoxon.statistic), float(wilcoxon.pvalue)],
        # Users without a difference only double the number of equal permutations.
        "permutation": permutation(d[d != 0]),
        "n_moved": int(np.count_nonzero(d)),
    }
    if listed:
        found["sixtieths"] = [int(x) for x in numerators]
    return found


def corrected(p):
    return {
        "p": p,
        "holm": [float(x) for x in multipletests(p, method="holm")[1]],
        "benjamini_hochberg": [float(x) for x in multipletests(p, method="fdr_bh")[1]],
    }


def interval(values):
    mean = float(np.mean(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=stats.sem(values))
    return {"values": values, "mean": mean, "low": float(low), "high": float(high)}


rng = np.random.default_rng(7)
recall_like = np.where(rng.random(400) < 0.2, rng.choice([-60, -30, -20, 20, 30, 60], 400, p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.2]), 0)
json.dump(
    {
        "versions": {
            "python": sys.version.split()[0],
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "statsmodels": statsmodels.__version__,
        },
        "cases": [
            case("zeros and ties", [0, 0, 30, 15, -15, 60, 30, 30]),
            case("no zeros, no ties", [1, 5, -2, 9, 13, -4, 21, 17, -3, 30, 8, 11]),
            case("below zero", [-7, -30, 2, -12, -25, -1, 4, -40, 0, -9]),
            case("like recall", recall_like),
            case("many users", rule(20_000), listed=False),
        ],
        "corrections": [
            corrected([0.03, 0.04]),
            corrected([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]),
            corrected([0.5, 0.02, 0.02, 1.0, 0.0001, 0.3]),
        ],
        "intervals": [
            interval([0.0990, 0.0978, 0.0985]),
            interval([0.0749, 0.0753, 0.0742, 0.0769, 0.0756]),
            interval([0.1, 0.2]),
        ],
    },
    sys.stdout,
    indent=1,
)
print()
