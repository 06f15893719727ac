"""What a training step costs here and elsewhere. To run, in this order of use:

step_cost.py        a step beside its lower bound: a minute, no other library
layer_cost.py       what dropout, batch normalisation and residual connections add
start.py            how soon the command answers, and its memory
threads.py          when a second thread pays: behind --threads auto
compare.py          against PyTorch, JAX, scikit-learn and a textbook loop: RESULTS.md, compare.png, compare.json
growth.py           against batch size, width and depth: GROWTH.md, growth.png, growth.json

To read: cases.py (what is measured, and what the commands share), implementations.py (a training step, six ways),
processes.py (an implementation in a process of its own).
"""
