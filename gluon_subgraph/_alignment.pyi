import numpy as np

def align(
    scores: np.ndarray, gap_open: float, gap_extend: float, end_open: float, end_extend: float
) -> tuple[float, np.ndarray, np.ndarray]: ...
