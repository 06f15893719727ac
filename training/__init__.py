"""What run_mlp.py needs beside the core, in reading order:

settings.py    every setting in one table: its flag, range, default and help; the name of a run
flags.py       the command line of run_mlp.py
epochs.py      what an epoch trains on: images, learning rates; when it stops early
run.py         a run: its files, from the first row to the end
folder.py      where a run and its picture go; the lock
resume.py      reopening a run that was stopped
metrics.py     the rows of metrics.csv
checkpoint.py  the state after an epoch, to resume from
progress.py    the bar, the lines, the summary
probe.py       gradient statistics per layer
pictures.py    matplotlib without a display; the picture of the gradient statistics
diagnosis.py   why a run did not train, and what to try
diverged.py    the first layer with non-finite values
seeds.py       the same run for several seeds, in parallel
machine.py     versions, BLAS, threads
command.py     how every command begins and ends: parser, sentences, exit codes
"""
