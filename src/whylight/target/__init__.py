"""What a method may ask for: a classifier's graph, a layer and a class in -> score, activation, derivatives, passes."""
