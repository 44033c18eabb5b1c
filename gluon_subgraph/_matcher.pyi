import numpy as np

def ordered_isomorphism(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
) -> tuple[float, list[tuple[int, int]]]: ...
def ordered_embedding(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
) -> tuple[float, list[tuple[int, int]]]: ...
