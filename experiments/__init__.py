"""What report.py needs: the figures as data, the runs and their store, the measures, the claims, the page."""
