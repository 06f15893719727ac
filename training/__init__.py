"""What run_mlp.py needs beside the core: settings, flags, output, the probe."""
