"""Which channels of a graph of layers stay and go together."""
