"""Class names: a labels file or a model's metadata in -> the classes' names; a name in -> the class that it means.

``imagenet.txt`` has the 1000 classes of ILSVRC 2012 in the challenge's order, that of their ids in WordNet 3.0:
the lemmas of each synset, as timm (Apache License 2.0) lists them.
"""
