"""A process: its arithmetic and threads, our pool, Ctrl-C, states of long cells."""
