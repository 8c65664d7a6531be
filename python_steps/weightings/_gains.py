"""What strategies gained in each test span, without holes."""

import numpy as np

from python_steps.strategy_weighting import total

Array = np.ndarray


def gains(spans: Array, adopted: Array, most: float) -> tuple[Array, Array]:
    """Gains of the adopted (assets by strategies by spans) within ± `most`, and how many spans an asset has.

    A span counts once it is known of one adopted strategy; one of which it is not known is taken to have
    gained what the others did on average, which neither helps nor harms it. Zero elsewhere.
    """
    known = adopted[..., None] & np.isfinite(spans)
    bounded = np.where(known, np.clip(np.where(known, spans, 0.0), -most, most), 0.0)
    sums, counts = (total(values.swapaxes(-1, -2)) for values in (bounded, known.astype(float)))
    mean = (sums / np.maximum(counts, 1)).swapaxes(-1, -2)
    filled = np.where(adopted[..., None] & ~known, mean, bounded)
    return filled, (counts[..., 0] > 0).sum(axis=-1)
