"""The layers of a multi-layer perceptron: Linear, Relu, Sigmoid, Gelu; Dropout, BatchNorm, Residual.

A layer is a function y = f(x) of a batch: each row of x is one sample. Training needs two things of it: the value
(`forward`) and the chain rule (`backward`), which turns dE/dy into dE/dx and, on the way, into the gradients of the
layer's own parameters. Nothing else lives here: no network, no loss, no loop; no convolution. Imports NumPy alone.
"""

import math
from collections.abc import Iterable, Iterator
from types import MappingProxyType

import numpy as np

# Python floats on purpose: a NumPy float64 scalar would silently turn float32 arrays into float64.
SQRT_2_OVER_PI = 0.7978845608028654
GELU_CUBIC = 0.044715
AFTER_EVALUATION = "{} has no gradient after an evaluation: set training = True, then forward, then backward"


class Layer:
    """What every layer promises.

    forward(input) -> output: shapes (N, in) -> (N, out). Reads its argument and never writes it; the output is a
        fresh array. What backward needs is remembered.
    backward(grad_output) -> grad_input: dE/d(output) -> dE/d(input) for the batch of the last forward. Reads its
        argument and never writes it. Writes (does not add to) the gradients of its parameters, where there are any.
    update(config): one step of SGD, for a layer that stands alone.

    A layer of your own declares its parameters (trained) and its state (kept, neither trained nor decayed) by name and
    shape. They lie in three vectors, params, grads and state, in the order declared; a Network puts those of all its
    layers into three of its own. _W, _grad_W and so on are views into them; W and grad_W are made by `copying`.
    """

    trainable = False
    training = True  # whether forward is a step of training or an evaluation; the Network sets it
    arguments = ()  # the attributes that say, beside the name, which layer of its kind it is: in repr and in files
    shapes = state_shapes = MappingProxyType({})
    params = grads = state = np.zeros(0, np.float32)
    _velocity = None

    def __init__(self, name: str):
        self.name = name

    def declare(self, shapes: dict[str, tuple], dtype, state_shapes: dict[str, tuple] | None = None) -> None:
        """Give the layer parameters, gradients and state of these names and shapes, all of them 0."""
        self.shapes, self.state_shapes = shapes, state_shapes or {}
        sizes = [sum(map(math.prod, each.values())) for each in (self.shapes, self.shapes, self.state_shapes)]
        self.use_vectors(*(np.zeros(size, dtype) for size in sizes))

    def use_vectors(self, params: np.ndarray, grads: np.ndarray, state: np.ndarray) -> None:
        """Keep parameters, gradients and state in these three vectors of the right length, as they are."""
        self.params, self.grads, self.state = params, grads, state
        kinds = (params, "_", self.shapes), (grads, "_grad_", self.shapes), (state, "_", self.state_shapes)
        for vector, prefix, shapes in kinds:
            for name, shape in shapes.items():
                own, vector = np.split(vector, [math.prod(shape)])
                setattr(self, prefix + name, own.reshape(shape))

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters and the state by name, as views: what is saved."""
        return {name: getattr(self, f"_{name}") for name in (*self.shapes, *self.state_shapes)}

    def __setstate__(self, attributes: dict) -> None:
        """A copy or a pickle holds every array by itself: make them views again."""
        self.__dict__.update(attributes)
        self.use_vectors(self.params, self.grads, self.state)

    def update(self, config: dict) -> None:
        if self._velocity is None:
            self._velocity = np.zeros_like(self.params)
        sgd_step(self.params, self.grads.copy(), self._velocity, config)

    def __repr__(self) -> str:
        values = (self.name, *(getattr(self, argument) for argument in self.arguments))
        return f"{type(self).__name__}({', '.join(map(repr, values))})"


def copying(attribute: str) -> property:
    """A property that reads the view self.<attribute> and, assigned to, copies into it: a view is never detached."""

    def read(self) -> np.ndarray:
        return getattr(self, attribute)

    def copy_into(self, array) -> None:
        view, array = getattr(self, attribute), np.asarray(array)
        if array.shape != view.shape:
            raise ValueError(f"{self.name}.{attribute[1:]} has shape {view.shape}, not {array.shape}: assign its shape")
        view[...] = array

    return property(read, copy_into)


class Linear(Layer):
    """y = x W + b, with x (N, in_num), W (in_num, out_num), b (out_num,).

    For one weight: W[i, j] reaches the error through output j of every sample, so
        dE/dW[i, j] = sum over n of x[n, i] * dE/dy[n, j]     that is   grad_W = x^T grad_output
        dE/db[j]    = sum over n of dE/dy[n, j]                         grad_b = column sums of grad_output
    and x[n, i] reaches it through every output of sample n, so
        dE/dx[n, i] = sum over j of dE/dy[n, j] * W[i, j]               grad_input = grad_output W^T
    (Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 323, 1986, p. 534.)

    W starts normal with mean 0 and standard deviation init_std, drawn from rng (a fresh, unpredictable one if None);
    b starts at 0. dtype: float32, or float64 for a gradient check.
    """

    trainable = True
    arguments = ("in_num", "out_num")
    W, b = copying("_W"), copying("_b")
    grad_W, grad_b = copying("_grad_W"), copying("_grad_b")

    def __init__(self, name: str, in_num: int, out_num: int, init_std: float, rng=None, dtype=np.float32):
        super().__init__(name)
        self.in_num, self.out_num = in_num, out_num
        rng = np.random.default_rng() if rng is None else rng
        self.declare({"W": (in_num, out_num), "b": (out_num,)}, dtype)
        self.W = rng.normal(0.0, init_std, (in_num, out_num))

    def forward(self, input: np.ndarray) -> np.ndarray:
        self._input = input
        output = input @ self._W
        output += self._b
        return output

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        self.backward_parameters(grad_output)
        return grad_output @ self._W.T

    def backward_parameters(self, grad_output: np.ndarray) -> None:
        """The half of backward that a network's first layer needs: grad_W and grad_b, without dE/dx."""
        # For a batch of one matmul leaves BLAS; dot does not, but it takes numbers of one type alone.
        product = np.dot if self._input.dtype == grad_output.dtype == self._grad_W.dtype else np.matmul
        product(self._input.T, grad_output, out=self._grad_W)
        grad_output.sum(axis=0, out=self._grad_b)


class Relu(Layer):
    """y = max(0, x); dE/dx = dE/dy where x > 0, else 0. At the kink x = 0 the derivative is taken as 0.

    Nair, Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010, section 2.
    """

    def forward(self, input: np.ndarray) -> np.ndarray:
        self._input = input
        return np.maximum(input, 0)

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        return grad_output * (self._input > 0)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)); dy/dx = y (1 - y), so dE/dx = dE/dy * y * (1 - y).

    Computed as (1 + tanh(x / 2)) / 2: the same function, but tanh never overflows, as exp(-x) does at x = -1000.
    """

    def forward(self, input: np.ndarray) -> np.ndarray:
        output = np.tanh(input * 0.5)
        output *= 0.5
        output += 0.5
        self._output = output
        return output

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        return grad_output * (self._output * (1.0 - self._output))


class Gelu(Layer):
    """y = x/2 (1 + t) with t = tanh(u), u = sqrt(2/pi) (x + 0.044715 x^3): the tanh form of GELU.

    By the product rule, with dt/dx = (1 - t^2) u' and u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2):
        dy/dx = (1 + t)/2 + x/2 (1 - t^2) u'
    It is the exact derivative of this form, not of x * Phi(x), which the form approximates.
    Hendrycks, Gimpel, "Gaussian error linear units (GELUs)", arXiv:1606.08415, section 2.
    """

    def forward(self, input: np.ndarray) -> np.ndarray:
        self._input = input
        self._tanh = np.tanh(SQRT_2_OVER_PI * input * (1.0 + GELU_CUBIC * input * input))
        return 0.5 * input * (1.0 + self._tanh)

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        x, t = self._input, self._tanh
        slope = SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * x * x)
        return grad_output * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)


class Dropout(Layer):
    """y = m x in training, y = x in evaluation; m[n, i] is 0 with probability rate, else 1 / (1 - rate).

    m is drawn anew by each forward, and its mean is 1: an evaluation needs no rescaling (inverted dropout). It does
    not depend on x, so dE/dx = m dE/dy. backward after an evaluation is a RuntimeError: there was no m.
    rng (a fresh, unpredictable one if None) may be shared by layers; set back to the same state it draws the same m.
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014, section 4.
    """

    arguments = ("rate",)

    def __init__(self, name: str, rate: float, rng=None):
        super().__init__(name)
        if not 0 <= rate < 1:
            raise ValueError(f"the rate of {name} is {rate}: give 0 <= rate < 1")
        self.rate = float(rate)
        self.rng = np.random.default_rng() if rng is None else rng

    def forward(self, input: np.ndarray) -> np.ndarray:
        if not self.training:
            self._mask = None
            return input.copy()
        self._mask = (self.rng.random(input.shape, dtype=np.float32) >= self.rate).astype(input.dtype)
        self._mask *= 1.0 / (1.0 - self.rate)
        return input * self._mask

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        if self._mask is None:
            raise RuntimeError(AFTER_EVALUATION.format(self.name))
        return grad_output * self._mask


class BatchNorm(Layer):
    """y = gamma z + beta with z = (x - mean) / s and s = sqrt(variance + epsilon), for each of num columns.

    In training mean and variance (1/N) are those of the batch, so x[n] reaches E through z[n], and through the mean
    (dmean/dx[n] = 1/N) and the variance (dvariance/dx[n] = 2 (x[n] - mean) / N = 2 s z[n] / N) through every z.
    With g = dE/dy, so gamma g = dE/dz, and sums over the batch:
        dE/dbeta = sum g               dE/dmean = -gamma sum g / s
        dE/dgamma = sum g z            dE/dvariance = -gamma sum g z / (2 s^2)
        dE/dx[n] = gamma g[n] / s + dE/dmean / N + dE/dvariance 2 s z[n] / N
                 = gamma / s (g[n] - (sum g) / N - z[n] (sum g z) / N)
    In evaluation they are running ones, which each forward in training moves: running <- decay running + (1 - decay)
    (mean, or variance N / (N - 1), which has no bias). Then backward is a RuntimeError: the above would be wrong.
    gamma starts at 1, beta at 0; weight decay acts on both, as on all parameters. The running mean (from 0) and
    variance (from 1) are state, which only forward changes.
    Ioffe, Szegedy, "Batch normalization", ICML 2015, algorithm 1, section 3 (the gradients) and 3.1 (evaluation).
    """

    trainable = True
    arguments = ("num", "decay", "epsilon")
    gamma, beta = copying("_gamma"), copying("_beta")
    grad_gamma, grad_beta = copying("_grad_gamma"), copying("_grad_beta")
    running_mean, running_var = copying("_running_mean"), copying("_running_var")

    def __init__(self, name: str, num: int, decay: float = 0.9, epsilon: float = 1e-5, dtype=np.float32):
        super().__init__(name)
        if not (0 <= decay < 1 and epsilon > 0):
            raise ValueError(f"{name} has decay {decay} and epsilon {epsilon}: give 0 <= decay < 1 and epsilon > 0")
        self.num, self.decay, self.epsilon = num, float(decay), float(epsilon)
        self.declare({"gamma": (num,), "beta": (num,)}, dtype, {"running_mean": (num,), "running_var": (num,)})
        self._gamma[:] = self._running_var[:] = 1

    def forward(self, input: np.ndarray) -> np.ndarray:
        if input.shape[1] != self.num:
            raise ValueError(f"{self.name} normalises {self.num} columns, its input has {input.shape[1]}")
        if not self.training:
            self._normalised = None
            scale = self._gamma / np.sqrt(self._running_var + self.epsilon)
            return (input - self._running_mean) * scale + self._beta
        if (count := len(input)) < 2:
            raise ValueError(f"{self.name} got a batch of one, which has no variance: give two samples or more")
        mean = input.mean(axis=0)
        self._normalised = input - mean
        variance = np.square(self._normalised).mean(axis=0)
        self._running_mean += (1.0 - self.decay) * (mean - self._running_mean)
        self._running_var += (1.0 - self.decay) * (variance * (count / (count - 1)) - self._running_var)
        self._deviation = np.sqrt(variance + self.epsilon)
        self._normalised /= self._deviation
        return self._normalised * self._gamma + self._beta

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        if self._normalised is None:
            raise RuntimeError(AFTER_EVALUATION.format(self.name))
        np.sum(grad_output, axis=0, out=self._grad_beta)
        np.sum(grad_output * self._normalised, axis=0, out=self._grad_gamma)
        grad_input = grad_output - self._grad_beta / len(grad_output)
        grad_input -= self._normalised * (self._grad_gamma / len(grad_output))
        return grad_input * (self._gamma / self._deviation)


class Residual(Layer):
    """y = x + f(x), where f is the given layers in a row; f(x) must have the shape of x (else a ValueError).

    x reaches y directly and through f: dE/dx = dE/dy + (dE/dy df/dx, which is what the backward of f gives).
    He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, section 3.2, equation 1.
    """

    arguments = ("layers",)

    def __init__(self, name: str, *layers):
        super().__init__(name)
        self.layers = layers

    @property
    def trainable(self) -> bool:
        return any(layer.trainable for layer in self.layers)

    def forward(self, input: np.ndarray) -> np.ndarray:
        output = input
        for layer in self.layers:
            output = layer.forward(output)
        if output.shape != input.shape:
            raise ValueError(f"{self.name} adds its input {input.shape} to an output {output.shape}: use one width")
        return input + output

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        grad = grad_output
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad_output + grad

    def update(self, config: dict) -> None:
        for layer in self.layers:
            if layer.trainable:
                layer.update(config)


def flatten(layers: Iterable) -> Iterator:
    """Each of the layers, a Residual followed by those inside it."""
    for layer in layers:
        yield layer
        yield from flatten(layer.layers if isinstance(layer, Residual) else ())


def initial_std(name: str, in_num: int, out_num: int, init_std: float) -> float:
    """The standard deviation of a Linear's initial weights: normal (as given), xavier or he.

    Glorot, Bengio, AISTATS 2010, equation 12; He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """
    return {"normal": init_std, "xavier": math.sqrt(2 / (in_num + out_num)), "he": math.sqrt(2 / in_num)}[name]


def sgd_step(params: np.ndarray, grads: np.ndarray, velocity: np.ndarray, config: dict) -> None:
    """One step of stochastic gradient descent on flat vectors, in place (all three are written):

        v <- momentum * v + (grad + weight_decay * p)
        p <- p - learning_rate * v

    with config's momentum, weight_decay and learning_rate. Weight decay acts on biases too, as in the assignment. With
    momentum 0 the velocity is neither read nor kept. Afterwards grads holds the step, learning_rate * v: room for a
    third vector would make the step of a small batch a tenth slower.
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, section 2 (the heavy ball).
    """
    step = grads
    if config["weight_decay"] != 0:
        step = grads + config["weight_decay"] * params
    if config["momentum"] != 0:
        velocity *= config["momentum"]
        velocity += step
        step = velocity
    np.multiply(step, config["learning_rate"], out=grads)
    params -= grads
