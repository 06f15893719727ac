"""One small network for all tests of predict.py."""

import pytest
from small_run import train_small


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("runs"), "-b", "50", "-lr", "0.2", "--test-epoch", "3")
