"""This program as a contestant: train_net itself, the command with all its writing, and the limit beside them."""

import contextlib
import math
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

import run_mlp
from benchmarks.cases import Case, settings_of
from benchmarks.limit import Bare
from solve_net import BLOCK, test_net, train_net
from training.flags import parse
from training.settings import chosen_threads


class GivenOrder:
    """Stands in for train_net's generator: the order is drawn already, the same for every contestant."""

    def __init__(self, order: np.ndarray):
        self.order = order

    def permutation(self, count: int) -> np.ndarray:
        return self.order


class Ours:
    setting = (
        "`solve_net.train_net` on the uint8 images, normalised on the way (the others hold normalised floats); "
        "the mean loss and accuracy of each 50 steps are computed too. Threads as `--threads auto` chooses them."
    )

    def __init__(self, data):
        self.data, self._limits = data, None

    def prepare(self, case: Case) -> None:
        """A new network with its first weights, and as many threads as the program would take."""
        self.case, self.settings = case, settings_of(case)
        self.model, self.loss, _ = run_mlp.build(self.settings, case.widths[0], case.widths[-1])
        self.bare, self.bare_blocks = Bare(case.widths, case.batch_size), Bare(case.widths, BLOCK)
        self.release_threads()
        self.threads = chosen_threads(self.settings, case.widths[0], case.widths[-1])
        self._limits = threadpool_limits(self.threads, user_api="blas")

    def release_threads(self) -> None:
        """The numbers of threads as they were before `prepare`."""
        if self._limits is not None:
            self._limits.restore_original_limits()
        self._limits = None

    def train(self, order: np.ndarray) -> None:
        """One step for each batch of this order of the first images."""
        images, labels = self.data.train_images[: len(order)], self.data.train_labels[: len(order)]
        batch, window = self.settings["batch_size"], self.settings["disp_freq"]
        train_net(self.model, self.loss, self.settings, images, labels, batch, window, GivenOrder(order))

    check = train

    def weights(self) -> list[np.ndarray]:
        """W and b of each Linear, first to last."""
        linears = [layer for layer in self.model.layers if layer.trainable]
        return [array for linear in linears for array in (linear.W, linear.b)]

    def limit(self, steps: int) -> None:
        """The bare products and update of as many steps of the prepared case."""
        self.bare.steps(steps)

    def evaluate(self, times: int) -> None:
        """Evaluations of the prepared network on the test set."""
        for _ in range(times):
            test_net(self.model, self.loss, self.data.test_images, self.data.test_labels, BLOCK)

    def bare_evaluate(self, times: int) -> None:
        """The products of as many evaluations, in blocks of the same size."""
        self.bare_blocks.evaluate(times * math.ceil(len(self.data.test_images) / BLOCK))

    def epochs(self, batch_size: int, epochs: int, logged: bool) -> float:
        """Seconds per epoch of run_mlp: the command with all it prints and writes, or `train` without callbacks.

        Both get the data from memory, and both evaluate before training and after each epoch.
        """
        arguments = ["--batch-size", str(batch_size), "--max-epoch", str(epochs), "--activation", "Sigmoid"]
        if not logged:
            given, _ = parse(arguments, run_mlp.config)
            start = time.perf_counter()
            run_mlp.train(given, self.data)
            return (time.perf_counter() - start) / epochs
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            stdout = stack.enter_context(open(folder / "stdout", "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(stdout))
            load = stack.enter_context(mock.patch("load_data.load_dataset", return_value=self.data))
            start = time.perf_counter()
            code = run_mlp.main([*arguments, "--no-plot", "--run-dir", str(folder / "runs")])
            seconds = time.perf_counter() - start
        if code or not load.called:
            raise RuntimeError(f"run_mlp.main ended with {code}, data {'' if load.called else 'not '}taken from memory")
        return seconds / epochs
