"""What it costs: against other libraries, against the bare matrix products, and over sizes."""
