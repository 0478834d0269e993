"""Networks, losses and training: tensors and arrays only, no catalogues, no files.

Plugins may import the names in `__all__` of these folders, from the folder
(`from tokbench.nn.kmeans import kmeans`); a test pins them with their signatures. What a folder
does not name may change at any time.

    tokbench.nn.kmeans         clusters: plain, of bounded size, residual
    tokbench.nn.quantizer      the autoencoder around a residual quantizer, its losses and training
    tokbench.nn.training       the trainer of everything that learns by gradient
    tokbench.nn.transformer    the encoder-decoder, its layers and micro-batches, beam search
    tokbench.nn.cooccurrence   `cooccurrences`: how often items stand near each other
    tokbench.nn.devices        where tensors live: `on_cuda`, `resident`, `seeded`, `sent`; what a
                               GPU asks for: `tokens_at_once`, `in_halves`,
                               `bias_learning_attention`

`tokbench.generators.network` makes a generator of a network, its batches and its loss. The folders
import torch: import them inside the methods that use them, so that listing components stays fast.
"""
