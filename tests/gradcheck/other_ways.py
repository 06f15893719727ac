"""Correct layers and losses, written as other people write them: the checker must find no fault in any of them."""

import other_activations
import other_linears
import other_losses

# File, class of the assignment, the class that stands for it, and a remark that it must get (None: none is needed).
WAYS = [*other_linears.WAYS, *other_activations.WAYS, *other_losses.WAYS]
