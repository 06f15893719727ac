"""One small network for all tests of predict.py, and one thread: their products are small, more threads would spin."""

import pytest
from small_run import train_small
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield
