"""The rows of this project's own code: every layer, every loss, and whole networks. Here a remark is a fault."""

import itertools
from types import ModuleType, SimpleNamespace

import numpy as np

from gradcheck.check_activation import check_activation
from gradcheck.check_linear import check_linear
from gradcheck.check_loss import check_loss
from gradcheck.check_step import CONFIGS, SETTINGS, STEPS
from gradcheck.errors import describe
from gradcheck.reference import ACTIVATIONS as TRUE
from gradcheck.reference import CLASSES, LOSSES, central_differences, loss_value, one_hot, points, relative_error, sgd
from gradcheck.report_rows import Row, first_difference

SIZES = {0: (12, 5), 1: (12, 7, 5), 2: (12, 7, 6, 5)}
SAMPLES = 6


def layer_row(layers: ModuleType, name: str) -> Row:
    """The row of layers.Linear, Relu, Sigmoid or Gelu."""
    row = Row(name, "layers.py", strict=True)
    with row.stage("gradient"):
        cls = getattr(layers, name)
        if name == "Linear":

            def make(in_num: int, out_num: int):
                return cls("fc", in_num, out_num, 0.1, dtype=np.float64)

            check_linear(row, make)
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
    arrays = {"forward": output, "backward": grad_input} | {
        n: getattr(layer, n) for n in ("W", "b", "grad_W", "grad_b")
    }
    wide = [name for name, array in arrays.items() if array.dtype != np.float32]
    if wide:
        row.fault("float32", f"{', '.join(wide)} of a float32 layer are not float32", mistake="float32-lost")


def loss_row(losses: ModuleType, name: str) -> Row:
    """The row of one of the three losses."""
    row = Row(name, "loss.py", strict=True)
    with row.stage("gradient"):
        check_loss(row, lambda: getattr(losses, name)("loss"), name, columns_elsewhere=False)
    return row.close()


def network_cases() -> list[tuple[int, str, str]]:
    """(hidden layers, activation, loss): each activation with each loss; without hidden layers there is none."""
    cases = [(0, "", loss) for loss in LOSSES]
    return cases + [(*case,) for case in itertools.product((1, 2), TRUE, LOSSES)]


def network_row(modules: SimpleNamespace, hidden: int, activation: str, loss_name: str) -> Row:
    """The row of a network with so many hidden layers; modules has network, layers and losses."""
    sizes = SIZES[hidden]
    name = " ".join(["-".join(map(str, sizes)), activation, loss_name.removesuffix("Loss")]).replace("  ", " ")
    row = Row(name, "network.py", strict=True)

    def build(dtype):
        rng = np.random.default_rng(11)
        network = modules.network.Network()
        for number, (before, after) in enumerate(itertools.pairwise(sizes), 1):
            network.add(modules.layers.Linear(f"fc{number}", before, after, 0.5, rng, dtype))
            if number < len(sizes) - 1:
                network.add(getattr(modules.layers, activation)(f"act{number}"))
        network.params[:] = points(12, network.params.size, spread=0.5)
        return network

    x, t = points(13, SAMPLES, sizes[0]), one_hot(14, SAMPLES, sizes[-1])
    with row.stage("gradient"):
        loss = getattr(modules.losses, loss_name)("loss")
        network = build(np.float64)
        start = network.params.copy()

        def value(params: np.ndarray) -> float:
            network.params[:] = params
            return loss.forward(network.forward(x), t)

        true = central_differences(value, start, 1e-5)
        network.params[:] = start
        theirs = _gradient(network, loss, x, t)
        row.error = relative_error(theirs, true)
        if row.error > 1e-6:
            evidence = first_difference("grads", theirs, true, lambda i: f"parameter {start[i]:g}", 1e-6)
            row.fault("gradient", "the gradient of the whole network is wrong", evidence=evidence)
    if row.error is None:
        return row.close()
    with row.stage("finite"):
        far = 1000.0 * np.sign(x)
        with np.errstate(all="ignore"):
            values = [loss.forward(network.forward(far), t), *_gradient(network, loss, far, t)]
        if not np.isfinite(values).all():
            row.fault("finite", "loss or gradient is not finite for inputs of ±1000", mistake="not-finite")
    with row.stage("float32"):
        narrow = build(np.float32)
        output = narrow.forward(x.astype(np.float32))
        grad = loss.backward(output, t.astype(np.float32))
        narrow.backward(grad)
        narrow.update(SETTINGS | CONFIGS[0])
        if any(array.dtype != np.float32 for array in (output, grad, narrow.grads, narrow.params, narrow.velocity)):
            row.fault("float32", "something turns into float64 on the way", mistake="float32-lost")
    with row.stage("arguments"):
        given_x, given_t = x.copy(), t.copy()
        _gradient(network, loss, given_x, given_t)
        if not (np.array_equal(given_x, x) and np.array_equal(given_t, t)):
            row.fault("arguments", "the batch is written into", mistake="writes-argument")
    with row.stage("mean"):
        once = [loss.forward(network.forward(x), t), *_gradient(network, loss, x, t)]
        twice_x, twice_t = np.vstack([x, x]), np.vstack([t, t])
        twice = [loss.forward(network.forward(twice_x), twice_t), *_gradient(network, loss, twice_x, twice_t)]
        if relative_error(np.array(twice), np.array(once)) > 1e-9:
            row.fault("mean", "the same batch twice over has another loss or gradient: it is no mean", mistake="sum")
    with row.stage("agreement"):
        # Forward against the formulas of reference.py: the gradient column only message that backward fits it.
        output = x
        for layer in network.layers:
            output = output @ layer.W + layer.b if hasattr(layer, "W") else TRUE[activation][0](output)
        theirs, right = loss.forward(network.forward(x), t), loss_value(loss_name, output, t)
        if abs(theirs - right) > 1e-9 * abs(right):
            row.fault("agreement", f"the loss of the network is {theirs:.9g}, by the formulas {right:.9g}")
    with row.stage("step"):
        for config in CONFIGS:
            network, grads, after = build(np.float64), [], []
            for _ in range(STEPS):
                grads.append(_gradient(network, loss, x, t).copy())
                network.update(SETTINGS | config)
                after.append(network.params.copy())
            if relative_error(np.array(after), np.array(sgd(start, grads, config))) > 1e-9:
                row.fault("step", f"{STEPS} steps of SGD with {config} end elsewhere", mistake="step")
    return row.close()


def _gradient(network, loss, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    network.backward(loss.backward(network.forward(x), t))
    return network.grads


def project_rows() -> list[Row]:
    """All rows of this project's code. What cannot be imported becomes a row too."""
    rows, modules = [], SimpleNamespace()
    for attribute, name in (("layers", "layers"), ("losses", "loss"), ("network", "network")):
        try:
            setattr(modules, attribute, __import__(name))
        except Exception as error:
            message, where = describe(error)
            row = Row(name + ".py", name + ".py", strict=True, verdict="cannot be imported")
            row.fault("import", message, where=where)
            rows.append(row)
    if hasattr(modules, "layers"):
        rows += [layer_row(modules.layers, name) for name in CLASSES["layers"]]
    if hasattr(modules, "losses"):
        rows += [loss_row(modules.losses, name) for name in LOSSES]
    if len(vars(modules)) == 3:
        rows += [network_row(modules, *case) for case in network_cases()]
    return sorted(rows, key=lambda row: ("layers.py", "loss.py", "network.py").index(row.file))
