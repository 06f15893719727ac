"""What predict.py needs, in reading order:

prepare.py  makes of any picture of a digit what MNIST holds
figures.py  draws pictures with their bars, mistakes, weights
page.py     one HTML file with a trained network inside
page.html   its template: drawing, the same preparation and the layers in plain JavaScript
"""
