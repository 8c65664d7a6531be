"""Generated worlds, small enough to build in a test and eventful enough to be worth it."""
