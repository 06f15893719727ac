import numpy as np

step = 0
while step < 10:
    print("training step", step)
