"""Makes insight.json: what dit says of partial information decompositions, and scikit-learn of maps of 2,000 rows.

    python -m venv /tmp/insight && /tmp/insight/bin/pip install numpy dit ecos scikit-learn
    /tmp/insight/bin/python tests/golden/insight.py > tests/golden/insight.json

Tables and rows are rules on SplitMix64, not lists: the suite makes the same ones.
"""

import json
import sys

import dit
import numpy as np
import sklearn
from dit.algorithms.broja_cone import broja_cone_solve
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

MASK = (1 << 64) - 1


def splitmix64(x):
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def table(number):
    """Sizes from 2 to 4 and counts from 0 to 99, a third of them 0."""
    key = splitmix64(number)
    sizes = [2 + splitmix64(key ^ place) % 3 for place in range(3)]
    cells = [splitmix64(key ^ (1000 + cell)) for cell in range(sizes[0] * sizes[1] * sizes[2])]
    counts = [0 if (bits >> 32) % 3 == 0 else bits % 100 for bits in cells]
    return sizes, counts


def union(number):
    """I(X1; Y) + U2 by dit's exponential cone program, and from the other side: both are the union information."""
    sizes, counts = table(number)
    joint = np.array(counts, dtype=float).reshape(sizes) / sum(counts)
    outcomes = [o for o in np.ndindex(*sizes) if joint[o] > 0]
    d = dit.Distribution(outcomes, [joint[o] for o in outcomes])
    _, found = broja_cone_solve(d, [[0], [1]], [2])
    assert found["converged"], number
    first = dit.shannon.mutual_information(d, [0], [2]) + found["ui_source1"]
    second = dit.shannon.mutual_information(d, [1], [2]) + found["ui_source0"]
    return [float(first), float(second)]


def rows(n, width):
    """Ten clusters: centres and noise are multiples of 2⁻²³ from -1 to 1, the noise taken 0.75 times."""

    def number(key):
        return (splitmix64(key) >> 40) / (1 << 23) - 1.0

    centres = [[number((1 << 40) | (c << 20) | d) for d in range(width)] for c in range(10)]
    row = lambda i: [centres[i % 10][d] + 0.75 * number((i << 20) | d) for d in range(width)]
    return np.array([row(i) for i in range(n)], dtype=np.float32)


x = rows(2000, 32)
pca = PCA(n_components=5, svd_solver="full").fit(x.astype(np.float64))
tsne = TSNE(method="exact", init="pca", perplexity=30, random_state=0)
layout = tsne.fit_transform(x)
json.dump(
    {
        "versions": {
            "python": sys.version.split()[0],
            "numpy": np.__version__,
            "dit": dit.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "unions": [union(number) for number in range(200)],
        "pca_variances": [float(v) for v in pca.explained_variance_],
        "pca_trustworthiness": float(trustworthiness(x, pca.transform(x.astype(np.float64))[:, :2], n_neighbors=12)),
        "tsne_trustworthiness": float(trustworthiness(x, layout, n_neighbors=12)),
        "tsne_divergence": float(tsne.kl_divergence_),
    },
    sys.stdout,
    indent=1,
)
print()
