"""The program: the command line and the demo. Wires the other packages together; holds no rules of its own."""
