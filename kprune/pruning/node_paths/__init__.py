"""Node-path balance: masks by the paths and nodes of each layer."""
