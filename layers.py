"""The layers of a multi-layer perceptron: Linear, Relu, Sigmoid, Gelu.

A layer is a function y = f(x) of a batch: each row of x is one sample. Training needs two things of it: the value
(`forward`) and the chain rule (`backward`), which turns dE/dy into dE/dx and, on the way, into the gradients of the
layer's own parameters. Nothing else lives here: no network, no loss, no loop. Imports NumPy alone.

Left out on purpose: convolution, dropout, batch normalisation. A layer of your own needs `forward`, `backward`,
`update` and `trainable`, and can then be added to a Network.
"""

import numpy as np

# Python floats on purpose: a NumPy float64 scalar would silently turn float32 arrays into float64.
SQRT_2_OVER_PI = 0.7978845608028654
GELU_CUBIC = 0.044715


class Layer:
    """What every layer promises.

    forward(input) -> output: shapes (N, in) -> (N, out). Reads its argument and never writes it; the output is a
        fresh array. What backward needs is remembered.
    backward(grad_output) -> grad_input: dE/d(output) -> dE/d(input) for the batch of the last forward. Reads its
        argument and never writes it. Writes (does not add to) grad_W and grad_b, where there are any.
    update(config): one step of SGD, for a layer that stands alone.
    """

    trainable = False

    def __init__(self, name: str):
        self.name = name

    def forward(self, input: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def update(self, config: dict) -> None:
        """Nothing to learn here."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def copying(attribute: str) -> property:
    """A property that reads the view self.<attribute> and, assigned to, copies into it: a view is never detached."""

    def read(self) -> np.ndarray:
        return getattr(self, attribute)

    def copy_into(self, array) -> None:
        view, array = getattr(self, attribute), np.asarray(array)
        if array.shape != view.shape:
            raise ValueError(
                f"{self.name}.{attribute[1:]} has shape {view.shape}, not {array.shape}: assign an array of its shape"
            )
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
    b starts at 0. The layer works in dtype: float32, or float64 for a gradient check.
    Parameters live in one flat vector, gradients in another; W, b, grad_W and grad_b are views into them, and
    assigning to one copies into the view (a wrong shape is a ValueError).
    """

    trainable = True

    def __init__(self, name: str, in_num: int, out_num: int, init_std: float, rng=None, dtype=np.float32):
        super().__init__(name)
        self.in_num, self.out_num = in_num, out_num
        rng = np.random.default_rng() if rng is None else rng
        size = in_num * out_num + out_num
        self._velocity = None
        self.use_vectors(np.zeros(size, dtype), np.zeros(size, dtype))
        self.W = rng.normal(0.0, init_std, (in_num, out_num))

    def use_vectors(self, params: np.ndarray, grads: np.ndarray) -> None:
        """Keep W, b and their gradients in these two vectors of in_num * out_num + out_num numbers, as they are."""
        weights = self.in_num * self.out_num
        self.params, self.grads = params, grads
        self._W, self._b = params[:weights].reshape(self.in_num, self.out_num), params[weights:]
        self._grad_W, self._grad_b = grads[:weights].reshape(self.in_num, self.out_num), grads[weights:]

    def __setstate__(self, state: dict) -> None:
        """A copy or a pickle holds every array by itself: make W, b and their gradients views again."""
        self.__dict__.update(state)
        self.use_vectors(self.params, self.grads)

    W, b = copying("_W"), copying("_b")
    grad_W, grad_b = copying("_grad_W"), copying("_grad_b")

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
        one_type = self._input.dtype == grad_output.dtype == self._grad_W.dtype
        product = np.dot if one_type else np.matmul
        product(self._input.T, grad_output, out=self._grad_W)
        grad_output.sum(axis=0, out=self._grad_b)

    def update(self, config: dict) -> None:
        if self._velocity is None:
            self._velocity = np.zeros_like(self.params)
        sgd_step(self.params, self.grads.copy(), self._velocity, config)

    def __repr__(self) -> str:
        return f"Linear({self.name!r}, {self.in_num}, {self.out_num})"


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


def sgd_step(params: np.ndarray, grads: np.ndarray, velocity: np.ndarray, config: dict) -> None:
    """One step of stochastic gradient descent on flat vectors, in place (all three are written):

        v <- momentum * v + (grad + weight_decay * p)
        p <- p - learning_rate * v

    with config["learning_rate"], config["weight_decay"] and config["momentum"]. Weight decay acts on the biases too,
    as it does in the assignment. With momentum 0 the velocity is neither read nor kept. Afterwards grads holds the
    step, learning_rate * v: room for a third vector would make the step of a small batch a tenth slower.
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
