"""Hierarchical equal risk contribution: clusters share the risk down their tree, assets inside a cluster.

Source: Raffinot 2018, The hierarchical equal risk contribution portfolio: Ward's linkage, the tree cut where
the gap statistic says, each split in inverse proportion to the risks of the clusters below, inverse variance
inside a cluster. The gap is that of Yue, Wang and Wei 2009, in second differences, which needs no random
draws.
"""

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import cut_tree, linkage, to_tree
from scipy.spatial.distance import squareform

from python_steps.allocators import risk_based
from python_steps.covariances import correlation
from python_steps.limits import Limits

IS_RISK_BASED = True
VARIANT = "Raffinot 2018: variance, Ward linkage, clusters by the second difference of the gap"
MOST_CLUSTERS = 8  # or the square root of the number of assets, if that is more


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """h(1 - s²/v²) by symbol, h being the parity weights of the assets with a shrunk view above 0."""
    return risk_based(views, covariance, lambda block, _: cluster_weights(block))


def cluster_weights(covariance: np.ndarray) -> np.ndarray:
    """Weights above 0 that sum to 1, from an N x N covariance with a positive diagonal."""
    if len(covariance) == 1:
        return np.ones(1)
    distance = np.sqrt((1.0 - correlation(covariance)) / 2.0)
    tree = linkage(squareform(distance, checks=False), "ward")
    labels = cut_tree(tree, cluster_count(distance, tree)).ravel()
    variances = np.diag(covariance)
    weights, risks = np.empty(len(covariance)), np.empty(labels.max() + 1)
    for label in range(len(risks)):
        members = np.flatnonzero(labels == label)
        inside = 1.0 / variances[members]
        inside = inside / inside.sum()
        weights[members] = inside
        risks[label] = inside @ covariance[np.ix_(members, members)] @ inside
    return weights * _shares(tree, labels, risks)[labels]


def cluster_count(distance: np.ndarray, tree: np.ndarray) -> int:
    """How many clusters the tree is cut into: where the fall of the dispersion bends most."""
    size = len(distance)
    most = min(size, max(MOST_CLUSTERS, round(np.sqrt(size))))
    if most < 3:
        return most
    dispersion = np.array(
        [_dispersion(distance, cut_tree(tree, count).ravel()) for count in range(1, most + 1)]
    )
    return int(np.argmax(dispersion[2:] - 2 * dispersion[1:-1] + dispersion[:-2])) + 2


def _dispersion(distance: np.ndarray, labels: np.ndarray) -> float:
    """Half the mean distance from a member to the others of its cluster, summed over members."""
    return sum(
        float(distance[np.ix_(members, members)].sum()) / (2 * len(members))
        for members in (np.flatnonzero(labels == label) for label in range(labels.max() + 1))
    )


def _shares(tree: np.ndarray, labels: np.ndarray, risks: np.ndarray) -> np.ndarray:
    """Share of each cluster: from the root down, a branch has the more, the less risk its clusters have."""
    shares = np.ones(len(risks))
    nodes = [to_tree(tree)]
    while nodes:
        node = nodes.pop()
        below = [np.unique(labels[side.pre_order()]) for side in (node.get_left(), node.get_right())]
        left, right = (float(risks[side].sum()) for side in below)
        shares[below[0]] *= right / (left + right)
        shares[below[1]] *= left / (left + right)
        nodes += [
            side
            for side, clusters in zip((node.get_left(), node.get_right()), below, strict=True)
            if len(clusters) > 1
        ]
    return shares
