"""What report.py needs. In reading order:

figure_list.py   the figures as data: their titles and curves, extra runs, how a curve's name is read
store.py         results/: one file for each finished run, known by its settings, its data and RESULTS_VERSION
train_runs.py    which runs a report needs, and training them: on this machine's cores or on a cluster
timing.py        the timing pass: seconds per epoch of a few curves, measured one after the other
statistics.py    what is measured on a curve over its seeds (CurveStats), and all curves by name (RunTable)
compare.py       when one curve is better, faster or smoother than another, or like it
wording.py       numbers and findings in words
claims.py        the report's claims: what it says, what the report said, and the predicate that decides
questions.py     what the report did not try, figures 14 to 19, in the same form
draw.py          the pictures, into figures/
page.py          REPORT.md and its appendix TABLES.md
results/, figures/, TABLES.md    what report.py writes, besides REPORT.md
"""
