"""The report's 27 claims: what it said, and the predicate that decides each on the measured curves.

The predicates are in judges.py and judges_of_training.py, the definitions they use in measures.py and compare.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from experiments import judges, judges_of_training
from experiments.judging import Verdict
from experiments.measures import Book, MissingRun

# What a verdict depends on: the runs at the audited batch size, the runs of all batch sizes, the timing pass.
CURVES, BATCHES, TIMES = "curves", "batches", "times"


class Claim(NamedTuple):
    number: int
    text: str  # the claim, in our words
    said: str  # what the report measured or argued
    decide: Callable[[Book], Verdict] | Callable[[dict | None], Verdict]
    on: str = CURVES

    @property
    def by_batch(self) -> bool:
        """Whether an audit at another batch size may come to another verdict."""
        return self.on == CURVES

    def judge(self, book: Book, timing: dict | None) -> Verdict:
        """The verdict on these curves and times: `not measured`, with the name, if one of them is missing."""
        try:
            return self.decide(timing if self.on == TIMES else book)
        except MissingRun as missing:
            return Verdict("not measured", f"{missing}.")


CLAIMS = [
    Claim(
        1,
        "Without a hidden layer the result stays below what one hidden layer reaches, for each loss and activation.",
        "below in all 9 settings",
        judges.without_hidden_layer,
    ),
    Claim(
        2,
        "One hidden layer, Sigmoid: hinge has the best accuracy and Euclidean the worst, on test and train.",
        "hinge > softmax > Euclidean",
        judges.order_of_losses,
    ),
    Claim(
        3,
        "Same runs: the three loss values are clearly different in size and can't be compared; hinge's falls fastest.",
        "read off figure 4",
        judges.sizes_of_losses,
    ),
    Claim(
        4,
        "Same runs: hinge converges fastest, Euclidean slowest.",
        "read off figure 4",
        judges.convergence_of_losses,
    ),
    Claim(
        5,
        "Same runs: training times hardly differ.",
        "hinge 29 s, Euclidean 29 s, softmax 31 s",
        judges_of_training.times_of_losses,
        TIMES,
    ),
    Claim(
        6,
        "Softmax cross-entropy is a smoothed hinge, so the two train about alike.",
        "an argument",
        judges.softmax_like_hinge,
    ),
    Claim(
        7,
        "Euclidean is worse than softmax because its target suits classification less.",
        "an argument",
        judges.euclidean_below_softmax,
    ),
    Claim(
        8,
        "Euclidean climbs faster than softmax at the very start (a), because its initial loss is larger (b).",
        "read off figure 4",
        judges.euclidean_at_the_start,
    ),
    Claim(
        9,
        "One hidden layer, Euclidean: Relu slightly above Gelu in accuracy, Sigmoid clearly below both.",
        "Relu > Gelu ≫ Sigmoid",
        judges.order_of_activations,
    ),
    Claim(
        10,
        "Same runs: Relu's loss slightly below Gelu's, Sigmoid's far above; loss falls as accuracy rises.",
        "Relu < Gelu ≪ Sigmoid",
        judges.losses_of_activations,
    ),
    Claim(
        11,
        "Same runs: Relu and Gelu converge alike, Sigmoid slowest and lowest.",
        "read off figure 5",
        judges.convergence_of_activations,
    ),
    Claim(
        12,
        "Same runs: training takes Relu less time than Sigmoid, and Sigmoid less than Gelu.",
        "22 s < 29 s < 47 s (Gelu differentiated numerically)",
        judges_of_training.times_of_activations,
        TIMES,
    ),
    Claim(
        13,
        "Sigmoid lags there because Euclidean's large initial loss keeps it where its derivative is small.",
        "an argument",
        judges.small_derivative,
    ),
    Claim(
        14,
        "No overfitting in these runs; test loss and test accuracy are negatively correlated.",
        "read off the figures",
        judges.no_overfitting,
    ),
    Claim(
        15,
        "One hidden layer already gets almost everything right.",
        "read off figure 3",
        judges.almost_everything,
    ),
    Claim(
        16,
        "Two hidden layers bring no significant gain over one, and many settings are worse.",
        "figure 6 against figure 3",
        judges.second_layer,
    ),
    Claim(
        17,
        "At the base settings two Sigmoid layers with softmax and with Euclidean fail to train; with hinge they train.",
        "softmax and Euclidean fail",
        judges_of_training.hinge_alone_trains,
    ),
    Claim(
        18,
        "The reason is vanishing gradients; the more Sigmoid layers, the worse.",
        "an argument",
        judges_of_training.vanishing_gradients,
    ),
    Claim(
        19,
        "Hinge alone trains there because it is the more expressive loss.",
        "an argument",
        judges_of_training.more_expressive,
    ),
    Claim(
        20,
        "Raising the learning rate from 0.01 to 1 makes two Sigmoid layers with softmax train.",
        "trains at 1",
        judges_of_training.rate_makes_it_train,
    ),
    Claim(
        21,
        "Two Sigmoid layers with Euclidean stay hard to train at any learning rate.",
        "trains at no rate",
        judges_of_training.hard_at_any_rate,
    ),
    Claim(
        22,
        "One Sigmoid layer, Euclidean: (a) below 0.01, a smaller rate lowers test accuracy (underfitting); (b) a "
        "larger rate converges faster; (c) and less steadily, most of all 1 against 0.1; (d) the author's guess: "
        "above 0.1 the final result suffers.",
        "figure 7; (d) a guess",
        judges_of_training.learning_rates,
    ),
    Claim(
        23,
        "At learning rate 0.01 most models with another activation train.",
        "most",
        judges_of_training.others_train,
    ),
    Claim(
        24,
        "Accuracy falls, basically, as weight decay grows, for both models; at 1 both sit at chance.",
        "about 0.105 at 1",
        judges_of_training.weight_decay,
    ),
    Claim(
        25,
        "After 50 epochs batch size makes no notable difference to final accuracy.",
        "figures 11 and 12",
        judges_of_training.batch_and_accuracy,
        BATCHES,
    ),
    Claim(
        26,
        "A larger batch gives a smoother training curve.",
        "figure 13",
        judges_of_training.batch_and_steadiness,
        BATCHES,
    ),
    Claim(
        27,
        "A larger batch trains faster.",
        "50 epochs, batch 200 against 10: 29 s against 134 s (one layer, Euclidean), 40 s against 191 s (two, softmax)",
        judges_of_training.times_of_batches,
        TIMES,
    ),
]
