"""The gradient checker behind check_gradients.py, in reading order.

reference.py           the right formulas, written anew, and central differences
report_rows.py         what a check finds: a row per class, a finding for each thing that there is to say
wrapped.py             the object under test: copies in, results out, watched for what it writes
source.py              the text of a class: lines and stubs
find_slip.py           the smallest change of a submission that makes it right, and its line
errors.py              what an exception of submitted code means
check_linear.py        the row of Linear;  check_step.py: its SGD step
check_activation.py    the rows of activations and of unknown layers
check_loss.py          the rows of losses;  loss_conventions.py: which loss a forward is
check_batches.py       a second, smaller batch and a second layer
check_together.py      what classes of one submission do to each other
definitions.py         layers and losses of newer years
catalogue.py           wrong formulas and how they are found;  mistakes_layers.py, mistakes_losses.py: the formulas
check_project.py       all rows of this project's own code
subprocess_runner.py   a submission from the outside: its process, its death
worker.py              that process
submission.py          a submission from the inside: its classes, found and made
loading.py             its files, run statement by statement
table.py               how rows are shown: table, list, JSON, CSV
starter.py             the two files that a student starts from
"""
