"""Guards against leaks, and leaks that the guards must find."""
