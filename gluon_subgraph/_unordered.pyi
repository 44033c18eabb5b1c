import numpy as np

def unordered_isomorphism(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
    rooted: bool,
) -> tuple[float, list[tuple[int, int]]]: ...
def unordered_embedding(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
    penalty: float,
    rooted: bool,
) -> tuple[float, list[tuple[int, int]]]: ...
