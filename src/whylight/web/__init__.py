"""The page that explains without a server: a classifier in -> a folder, or one HTML file, that runs its explainer."""
