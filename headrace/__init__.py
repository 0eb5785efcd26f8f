"""The program: the command line and the demo. Wires the other packages together, with no rules of its own."""
