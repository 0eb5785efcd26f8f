"""What is declared: the project's files as typed objects, their graph, and the state tables."""
