"""The network: flat vectors and their views, the backward pass, weights on disk."""

import json
import pickle
import re

import numpy as np
import pytest
from helpers import ACTIVATIONS, make_network, one_hot

from layers import Gelu, Linear
from loss import EuclideanLoss
from network import Network
from utils import FileError

CONFIG = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-2}


def gradients(model, rng, samples=8):
    """Run a random batch forward and backward."""
    output = model.forward(rng.normal(size=(samples, model.layers[0].in_num)))
    model.backward(rng.normal(size=output.shape))


# --- flat vectors ---


def test_weights_and_gradients_are_views_of_the_flat_vectors_in_the_order_of_the_layers():
    model = make_network(np.random.default_rng(1), [4, 3, 2], "Relu")
    first, last = model.layers[0], model.layers[2]
    for vector, names in ((model.params, ("W", "b")), (model.grads, ("grad_W", "grad_b"))):
        vector[:] = np.arange(vector.size)
        parts = [getattr(layer, name) for layer in (first, last) for name in names]
        assert [part.shape for part in parts] == [(4, 3), (3,), (3, 2), (2,)]
        assert all(np.shares_memory(part, vector) for part in parts)
        np.testing.assert_array_equal(np.concatenate([part.ravel() for part in parts]), vector)
    assert model.params.size == model.grads.size == model.velocity.size == 4 * 3 + 3 + 3 * 2 + 2


@pytest.mark.parametrize("name", ["W", "b", "grad_W", "grad_b"])
def test_assigning_copies_into_the_view_and_never_detaches_it(name):
    model = make_network(np.random.default_rng(2), [4, 3, 2], "Relu")
    layer = model.layers[2]
    new = np.random.default_rng(3).normal(size=getattr(layer, name).shape)
    kept = new.copy()
    setattr(layer, name, new)
    new[:] = 7
    vector = model.grads if name.startswith("grad") else model.params
    assert np.shares_memory(getattr(layer, name), vector)
    np.testing.assert_array_equal(getattr(layer, name), kept)
    assert np.isin(kept, vector).all()


@pytest.mark.parametrize("name, shape", [("W", (2, 4)), ("W", (1, 2)), ("W", ()), ("b", (4,)), ("grad_b", (1, 2))])
def test_assigning_a_wrong_shape_is_refused_and_changes_nothing(name, shape):
    layer = Linear("fc1", 4, 2, 0.5)
    before = getattr(layer, name).copy()
    with pytest.raises(ValueError, match=re.escape(f"fc1.{name} has shape {before.shape}, not {shape}")):
        setattr(layer, name, np.ones(shape))
    np.testing.assert_array_equal(getattr(layer, name), before)


def test_two_layers_of_one_generator_start_different_and_so_do_two_without():
    rng = np.random.default_rng(6)
    for one, other in (
        (Linear("a", 5, 5, 0.1, rng), Linear("b", 5, 5, 0.1, rng)),
        (Linear("a", 5, 5, 0.1), Linear("a", 5, 5, 0.1)),
    ):
        assert not np.isin(one.W, other.W).any()


def test_first_weights_are_normal_with_the_given_deviation_and_biases_are_0():
    layer = Linear("fc1", 200, 100, 0.05, np.random.default_rng(7))
    assert abs(layer.W.mean()) < 0.002
    assert layer.W.std() == pytest.approx(0.05, rel=0.02)
    assert not layer.b.any()
    np.testing.assert_array_equal(layer.W, Linear("fc1", 200, 100, 0.05, np.random.default_rng(7)).W)


def test_adding_a_layer_after_training_keeps_weights_and_velocity():
    model = make_network(np.random.default_rng(8), [4, 3], "Relu")
    gradients(model, np.random.default_rng(9))
    model.update(CONFIG)
    params, grads, velocity = model.params.copy(), model.grads.copy(), model.velocity.copy()
    new = Linear("fc2", 3, 2, 0.5, np.random.default_rng(10), np.float64)
    weights = new.W.copy()
    model.add(new)
    old = slice(0, params.size)
    for vector, before in ((model.params, params), (model.grads, grads), (model.velocity, velocity)):
        np.testing.assert_array_equal(vector[old], before)
    assert velocity.any() and not model.velocity[params.size :].any()
    np.testing.assert_array_equal(new.W, weights)
    assert np.shares_memory(model.layers[0].W, model.params) and np.shares_memory(new.W, model.params)


def test_a_layer_cannot_be_added_twice():
    model, layer = Network(), Linear("fc1", 3, 3, 0.1)
    model.add(layer)
    with pytest.raises(ValueError, match=r"fc1.* is in this network already"):
        model.add(layer)


def test_layers_of_two_types_of_number_do_not_mix():
    model = make_network(np.random.default_rng(11), [4, 3], "Relu", np.float64)
    with pytest.raises(ValueError, match="fc2 is float32, the network float64"):
        model.add(Linear("fc2", 3, 2, 0.1))
    assert len(model.layers) == 1 and model.params.dtype == np.float64


def test_repr_shows_the_architecture_and_the_number_of_parameters():
    model = Network()
    for layer in (Linear("fc1", 784, 100, 0.01), Gelu("act1"), Linear("fc2", 100, 10, 0.01)):
        model.add(layer)
    text = repr(model)
    for part in ("Linear('fc1', 784, 100)", "78,500", "Gelu('act1')", "Linear('fc2', 100, 10)", "1,010", "float32"):
        assert part in text
    assert "79,510 parameters" in text
    assert text.index("fc1") < text.index("act1") < text.index("fc2")


# --- backward and update ---


def test_backward_does_not_compute_the_gradient_of_the_data():
    class Watched(np.ndarray):
        """Notes every matrix product with a transpose of it, as W.T in grad_output @ W.T."""

        products = 0

        def __array_ufunc__(self, ufunc, method, *inputs, **others):
            Watched.products += ufunc is np.matmul
            plain = [np.asarray(x) for x in inputs]
            return getattr(ufunc, method)(*plain, **others)

    model = make_network(np.random.default_rng(15), [6, 5, 3], "Relu")
    first = model.layers[0]
    first._W = first._W.view(Watched)
    gradients(model, np.random.default_rng(16))
    assert Watched.products == 1  # of forward
    first.backward(np.ones((8, 5)))
    assert Watched.products == 2


def test_a_frozen_layer_keeps_its_weights():
    model = make_network(np.random.default_rng(19), [5, 4, 3], "Relu")
    frozen, other = model.layers[2], model.layers[0]
    frozen.trainable = False
    weights, others = frozen.params.copy(), other.params.copy()
    for step in range(3):
        gradients(model, np.random.default_rng(step))
        model.update(CONFIG)
    np.testing.assert_array_equal(frozen.params, weights)
    assert (other.params != others).any()


# --- numbers and layers of another kind ---


@pytest.mark.parametrize(
    "inputs, grads", [(np.float64, np.float32), (np.float32, np.float64), (np.float64, np.float64)]
)
@pytest.mark.parametrize("count", [1, 5])
def test_numbers_of_another_type_than_the_weights_give_their_gradients_too(inputs, grads, count):
    rng = np.random.default_rng(23)
    layer = Linear("fc", 4, 3, 0.5, rng)
    x, grad = rng.normal(size=(count, 4)).astype(inputs), rng.normal(size=(count, 3)).astype(grads)
    layer.forward(x)
    layer.backward(grad)
    assert layer.grad_W.dtype == np.float32
    np.testing.assert_allclose(layer.grad_W, x.T @ grad, rtol=1e-5, atol=1e-6)


class FrozenRows(Linear):
    """A Linear of somebody's own: no gradient for its first row, and a step that is half as long."""

    def backward(self, grad_output):
        grad_input = super().backward(grad_output)
        self.grad_W[0] = 0
        return grad_input

    def update(self, config):
        super().update(config | {"learning_rate": config["learning_rate"] / 2})


@pytest.mark.parametrize("position", ["first", "last"])
def test_a_subclass_of_linear_keeps_its_own_backward_and_update(position):
    rng = np.random.default_rng(22)
    sizes = [(6, 4), (4, 3)]
    kinds = [FrozenRows, Linear] if position == "first" else [Linear, FrozenRows]
    model, plain = Network(), Network()
    for (in_num, out_num), kind in zip(sizes, kinds):
        model.add(kind("fc", in_num, out_num, 0.5, rng))
        plain.add(Linear("fc", in_num, out_num, 0.0))
        plain.layers[-1].W = model.layers[-1].W
    inputs, target = rng.normal(size=(5, 6)).astype(np.float32), one_hot([0, 1, 2, 0, 1], 3, np.float32)
    config = {"learning_rate": 0.25, "momentum": 0.0, "weight_decay": 0.0}
    before = [layer.W.copy() for layer in model.layers]
    for network in (model, plain):
        network.backward(EuclideanLoss("loss").backward(network.forward(inputs), target))
        network.update(config)
    for layer, same, start in zip(model.layers, plain.layers, before):
        if isinstance(layer, FrozenRows):
            np.testing.assert_array_equal(layer.W[0], start[0])
            np.testing.assert_allclose((layer.W - start)[1:], (same.W - start)[1:] / 2, rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(layer.W, same.W)


# --- weights on disk ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_saved_network_comes_back_bit_for_bit(tmp_path, activation, dtype):
    rng = np.random.default_rng(22)
    model = make_network(rng, [6, 5, 4, 3], activation, dtype)
    inputs = rng.normal(size=(9, 6)).astype(dtype)
    model.save(tmp_path / "model.npz")
    loaded = Network.load(tmp_path / "model.npz")
    assert loaded.params.dtype == dtype
    np.testing.assert_array_equal(loaded.params, model.params)
    np.testing.assert_array_equal(loaded.forward(inputs), model.forward(inputs))
    assert repr(loaded) == repr(model)
    assert all(np.shares_memory(layer.W, loaded.params) for layer in loaded.layers[::2])


def test_arrays_in_the_file_are_named_by_position_and_parameter(tmp_path):
    model = make_network(np.random.default_rng(23), [4, 3, 2], "Relu", np.float32)
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert sorted(set(file.files) - {"architecture"}) == ["0.W", "0.b", "2.W", "2.b"]
        np.testing.assert_array_equal(file["2.W"], model.layers[2].W)
        np.testing.assert_array_equal(file["0.b"], model.layers[0].b)


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "model.npz"
    for seed in (1, 2):
        model = make_network(np.random.default_rng(seed), [4, 2], "Relu")
        model.save(path)
    np.testing.assert_array_equal(Network.load(path).params, model.params)
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_leaves_the_old_file_and_no_part_of_a_new_one(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model = make_network(np.random.default_rng(24), [4, 2], "Relu")
    model.save(path)
    before = path.read_bytes()

    def full_disk(part, array, **how):
        part.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full_disk)
    for target in (path, tmp_path / "new.npz"):
        with pytest.raises(OSError, match="No space left"):
            model.save(target)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_network_with_somebody_else_s_layer_is_not_saved(tmp_path):
    class TheirScale:
        trainable = False

    class Linear:
        """A name of ours does not make it ours."""

        trainable = True

    for layer in (TheirScale(), Linear()):
        model = make_network(np.random.default_rng(26), [4, 2], "Relu")
        model.add(layer)
        with pytest.raises(ValueError, match=rf"layer 1 \({type(layer).__name__}\)"):
            model.save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


NOT_OURS = r"is not (a weights|an \.npz) file"


def refuse(path, saying: str) -> None:
    """Loading raises FileError, one sentence that names the file."""
    with pytest.raises(FileError, match=saying) as caught:
        Network.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def parts(tmp_path):
    """What a good file holds: a dict to damage. And a function that writes it and refuses to load it."""
    path = tmp_path / "model.npz"
    make_network(np.random.default_rng(27), [4, 3, 2], "Relu", np.float32).save(path)
    with np.load(path) as file:
        contents = {name: file[name] for name in file.files}

    def refused(saying: str) -> None:
        np.savez(path, **contents)
        refuse(path, saying)

    return contents, refused


def test_the_undamaged_parts_load(parts, tmp_path):
    contents, _ = parts
    np.savez(tmp_path / "again.npz", **contents)
    np.testing.assert_array_equal(Network.load(tmp_path / "again.npz").layers[2].W, contents["2.W"])


@pytest.mark.parametrize("content", [b"", b"split,epoch\n", b"PK\x03\x04 and no more"], ids=["empty", "text", "cut"])
def test_loading_refuses_what_is_no_zip(tmp_path, content):
    (tmp_path / "model.npz").write_bytes(content)
    refuse(tmp_path / "model.npz", NOT_OURS)


def test_loading_refuses_pickles_and_runs_none(tmp_path, parts):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    contents, refused = parts
    contents["0.W"] = np.array([[Trap()]], dtype=object)
    refused(NOT_OURS)
    (tmp_path / "model.npz").write_bytes(pickle.dumps(Trap()))
    refuse(tmp_path / "model.npz", NOT_OURS)
    assert not (tmp_path / "sprung").exists()


def array(name, value):
    return lambda contents, header: contents.update({name: value})


def header_of(change):
    return lambda contents, header: change(header)


def set_last(name, value):
    return lambda contents, header: contents[name].flat.__setitem__(-1, value)


DAMAGES = [
    *((lambda contents, header, name=name: contents.pop(name), name) for name in ("0.W", "0.b", "2.W", "2.b")),
    *((array(name, np.ones((4, 3), np.float32)), name) for name in ("1.W", "3.W", "velocity")),
    *((array("0.W", np.zeros(shape, np.float32)), "shape") for shape in ((3, 4), (12,))),
    *((array("0.b", np.zeros(shape, np.float32)), "shape") for shape in ((1, 3), ())),
    (array("2.b", np.zeros(3, np.float32)), "shape"),
    *((set_last("0.W", value), "layer 0 has weights that are not finite") for value in (np.nan, np.inf, -np.inf)),
    *((set_last("2.b", value), "layer 2 has weights that are not finite") for value in (np.nan, np.inf)),
    *((array("2.W", np.ones((3, 2), kind)), "layer 2 is not float32") for kind in (np.float64, np.float16, np.int32)),
    *(
        (header_of(lambda header, kind=kind: header["layers"][1].update(type=kind)), f"unknown type '{kind}'")
        for kind in ("Layer", "Network", "sgd_step", "np")
    ),
    (header_of(lambda header: header.update(format="mlp-weights-2")), NOT_OURS),
    (header_of(lambda header: header.update(dtype="float16")), NOT_OURS),
    (header_of(lambda header: header.update(layers=3)), NOT_OURS),
    (header_of(lambda header: header.update(layers=["Linear"])), NOT_OURS),
    (header_of(lambda header: header["layers"][0].pop("in_num")), NOT_OURS),
    (header_of(lambda header: header["layers"][0].pop("name")), NOT_OURS),
    (header_of(lambda header: header.clear()), NOT_OURS),
]


@pytest.mark.parametrize(("damage", "saying"), DAMAGES)
def test_loading_refuses_a_damaged_part_and_names_it(parts, damage, saying):
    contents, refused = parts
    header = json.loads(str(contents["architecture"]))
    damage(contents, header)
    contents["architecture"] = np.array(json.dumps(header))
    refused(saying if saying == NOT_OURS else re.escape(saying))


def test_loading_refuses_a_file_without_its_header(parts):
    contents, refused = parts
    del contents["architecture"]
    refused("architecture")
