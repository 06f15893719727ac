"""What several files share, and the three helpers of the assignment: onehot_encoding, calculate_acc, LOG_INFO."""

from datetime import datetime

import numpy as np


def onehot_encoding(labels: np.ndarray, class_count: int, dtype=np.float32) -> np.ndarray:
    """Class numbers (N,) -> (N, class_count), 1 in the column of the class and 0 elsewhere."""
    return np.eye(class_count, dtype=dtype)[labels]


def calculate_acc(output: np.ndarray, labels: np.ndarray) -> float:
    """The share (0 to 1) of rows of output (N, K) whose largest entry stands in the column of the label (N,)."""
    return float(np.mean(np.argmax(output, axis=1) == labels))


def LOG_INFO(message: str) -> None:
    """Print the time of day and a message to stdout."""
    print(f"{datetime.now():%H:%M:%S.%f}"[:-3], message)
