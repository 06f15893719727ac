"""The rows of this project's own code: every layer, every loss, and whole networks. Here a remark is a fault."""

import importlib
import itertools
from types import ModuleType, SimpleNamespace

import numpy as np

from gradcheck import reference
from gradcheck.check_activation import check_activation
from gradcheck.check_linear import check_linear
from gradcheck.check_loss import check_loss
from gradcheck.check_step import CONFIGS, SETTINGS, STEPS
from gradcheck.errors import describe
from gradcheck.reference import points, relative_error
from gradcheck.report_rows import Row, first_difference

SIZES = {0: (12, 5), 1: (12, 7, 5), 2: (12, 7, 6, 5)}
SAMPLES = 6


def layer_row(layers: ModuleType, name: str) -> Row:
    """The row of layers.Linear, Relu, Sigmoid or Gelu."""
    row = Row(name, "layers.py", strict=True)
    with row.stage("gradient"):
        cls = getattr(layers, name)
        if name == "Linear":
            check_linear(row, lambda in_num, out_num: cls("fc", in_num, out_num, 0.1, dtype=np.float64))
            with row.stage("float32"):
                _check_narrow(row, cls)
        else:
            check_activation(row, lambda: cls("act"), name)
    return row.close()


def _check_narrow(row: Row, cls: type) -> None:
    """A Linear as a run makes it, in float32, keeps all it has in float32."""
    layer = cls("fc", 4, 3, 0.1)
    output = layer.forward(points(1, 5, 4).astype(np.float32))
    grad_input = layer.backward(points(2, 5, 3).astype(np.float32))
    layer.update(SETTINGS | CONFIGS[0])
    arrays = {"forward": output, "backward": grad_input}
    arrays |= {name: getattr(layer, name) for name in ("W", "b", "grad_W", "grad_b")}
    wide = [name for name, array in arrays.items() if array.dtype != np.float32]
    if wide:
        row.wrong("float32", f"{', '.join(wide)} of a float32 layer are not float32", mistake="float32-lost")


def loss_row(losses: ModuleType, name: str) -> Row:
    """The row of one of the three losses."""
    row = Row(name, "loss.py", strict=True)
    with row.stage("gradient"):
        check_loss(row, lambda: getattr(losses, name)("loss"), name, columns_elsewhere=False)
    return row.close()


def network_cases() -> list[tuple[int, str, str]]:
    """(hidden layers, activation, loss): each activation with each loss; without hidden layers there is none."""
    hidden = itertools.product((1, 2), reference.ACTIVATIONS, reference.LOSSES)
    return [*((0, "", loss) for loss in reference.LOSSES), *hidden]


class NetworkCheck:
    """A network under test: so many hidden layers of an activation, with dropout, batch normalisation or a residual
    connection if they are `added`, in training mode. modules has network, layers and losses."""

    def __init__(self, modules: SimpleNamespace, hidden: int, activation: str, loss: str, added: tuple[str, ...] = ()):
        self.modules, self.activation, self.loss_name, self.added = modules, activation, loss, added
        self.sizes = (12, 7, 7, 5) if added else SIZES[hidden]
        name = " ".join(filter(None, ["-".join(map(str, self.sizes)), activation, loss.removesuffix("Loss")]))
        if added:
            name = f"12-7-7-5 {activation}, {added[0] if len(added) == 1 else 'all three'}"
        self.row = Row(name, "network.py", strict=True)
        self.x, self.t = points(13, SAMPLES, self.sizes[0]), reference.one_hot(14, SAMPLES, self.sizes[-1])
        self.masks = np.random.default_rng(15)
        self.state = self.masks.bit_generator.state  # every forward draws the same mask

    def build(self, dtype):
        layers, rng, network = self.modules.layers, np.random.default_rng(11), self.modules.network.Network()
        for number, (before, after) in enumerate(itertools.pairwise(self.sizes), 1):
            block = [layers.Linear(f"fc{number}", before, after, 0.5, rng, dtype)]
            if number < len(self.sizes) - 1:
                block += [layers.BatchNorm(f"bn{number}", after, dtype=dtype)] if "BatchNorm" in self.added else []
                block += [getattr(layers, self.activation)(f"act{number}")]
                block += [layers.Dropout(f"drop{number}", 0.4, self.masks)] if "Dropout" in self.added else []
            inside = "Residual" in self.added and number == 2
            for layer in [layers.Residual("res2", *block)] if inside else block:
                network.add(layer)
        network.params[:] = points(12, network.params.size, spread=0.5)
        return network

    def loss_of(self, network, x: np.ndarray, t: np.ndarray) -> float:
        self.masks.bit_generator.state = self.state
        return self.loss.forward(network.forward(x), t)

    def gradient(self, network, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        self.masks.bit_generator.state = self.state
        network.backward(self.loss.backward(network.forward(x), t))
        return network.grads

    def check(self) -> Row:
        row = self.row
        with row.stage("gradient"):
            self.loss = getattr(self.modules.losses, self.loss_name)("loss")
            self._check_gradient()
        if row.error is None:
            return row.close()
        # Twice over, a batch has other masks, and reference.py has no formulas of the layers that are added.
        left_out = ("mean", "agreement") if self.added else ()
        for column in ("finite", "float32", "arguments", "mean", "agreement", "step"):
            if column not in left_out:
                with row.stage(column):
                    getattr(self, f"_check_{column}")()
        return row.close()

    def _check_gradient(self) -> None:
        network = self.build(np.float64)
        start = network.params.copy()

        def value(params: np.ndarray) -> float:
            network.params[:] = params
            return self.loss_of(network, self.x, self.t)

        true = reference.central_differences(value, start, 1e-5)
        network.params[:] = start
        theirs = self.gradient(network, self.x, self.t)
        self.row.error = relative_error(theirs, true)
        if self.row.error > 1e-6:
            evidence = first_difference("grads", theirs, true, lambda i: f"parameter {start[i]:g}", 1e-6)
            self.row.wrong("gradient", "the gradient of the whole network is wrong", evidence=evidence)

    def _check_finite(self) -> None:
        network, far = self.build(np.float64), 1000.0 * np.sign(self.x)
        with np.errstate(all="ignore"):
            values = [self.loss_of(network, far, self.t), *self.gradient(network, far, self.t)]
        if not np.isfinite(values).all():
            self.row.wrong("finite", "loss or gradient is not finite for inputs of ±1000", mistake="not-finite")

    def _check_float32(self) -> None:
        narrow = self.build(np.float32)
        output = narrow.forward(self.x.astype(np.float32))
        grad = self.loss.backward(output, self.t.astype(np.float32))
        narrow.backward(grad)
        narrow.update(SETTINGS | CONFIGS[0])
        if any(array.dtype != np.float32 for array in (output, grad, narrow.grads, narrow.params, narrow.velocity)):
            self.row.wrong("float32", "something turns into float64 on the way", mistake="float32-lost")

    def _check_arguments(self) -> None:
        x, t = self.x.copy(), self.t.copy()
        self.gradient(self.build(np.float64), x, t)
        if not (np.array_equal(x, self.x) and np.array_equal(t, self.t)):
            self.row.wrong("arguments", "the batch is written into", mistake="writes-argument")

    def _check_mean(self) -> None:
        network = self.build(np.float64)
        both = []
        for times in (1, 2):
            x, t = np.vstack([self.x] * times), np.vstack([self.t] * times)
            both.append(np.array([self.loss_of(network, x, t), *self.gradient(network, x, t)]))
        if relative_error(both[1], both[0]) > 1e-9:
            message = "the same batch twice over has another loss or gradient: it is no mean"
            self.row.wrong("mean", message, mistake="sum")

    def _check_agreement(self) -> None:
        """Forward against the formulas of reference.py: the gradient column only says that backward fits it."""
        network, output = self.build(np.float64), self.x
        for layer in network.layers:
            is_linear = hasattr(layer, "W")
            output = output @ layer.W + layer.b if is_linear else reference.ACTIVATIONS[self.activation][0](output)
        theirs, right = self.loss_of(network, self.x, self.t), reference.loss_value(self.loss_name, output, self.t)
        if abs(theirs - right) > 1e-9 * abs(right):
            self.row.wrong("agreement", f"the loss of the network is {theirs:.9g}, by the formulas {right:.9g}")

    def _check_step(self) -> None:
        for config in CONFIGS:
            network, grads, after = self.build(np.float64), [], []
            start = network.params.copy()
            for _ in range(STEPS):
                grads.append(self.gradient(network, self.x, self.t).copy())
                network.update(SETTINGS | config)
                after.append(network.params.copy())
            if relative_error(np.array(after), reference.sgd(start, grads, config)) > 1e-9:
                self.row.wrong("step", f"{STEPS} steps of SGD with {config} end elsewhere", mistake="step")


ADDED = [("Dropout",), ("BatchNorm",), ("Residual",), ("Dropout", "BatchNorm", "Residual")]


def project_rows() -> list[Row]:
    """All rows of this project's code. What cannot be imported becomes a row too."""
    rows, modules = [], SimpleNamespace()
    for attribute, name in (("layers", "layers"), ("losses", "loss"), ("network", "network")):
        try:
            setattr(modules, attribute, importlib.import_module(name))
        except Exception as error:
            message, where = describe(error)
            row = Row(name + ".py", name + ".py", strict=True, verdict="cannot be imported")
            row.wrong("import", message, where=where)
            rows.append(row)
    if hasattr(modules, "layers"):
        rows += [layer_row(modules.layers, name) for name in reference.CLASSES["layers"]]
    if hasattr(modules, "losses"):
        rows += [loss_row(modules.losses, name) for name in reference.LOSSES]
    if len(vars(modules)) == 3:
        rows += [NetworkCheck(modules, *case).check() for case in network_cases()]
        rows += [NetworkCheck(modules, 2, "Gelu", "SoftmaxCrossEntropyLoss", added).check() for added in ADDED]
    return sorted(rows, key=lambda row: ("layers.py", "loss.py", "network.py").index(row.file))
