"""Training steps of RQ-VAE and CoST against ResidualVQ of vector-quantize-pytorch, and the FLOPs.

The peer is put into the same autoencoder and trained as its examples do it: a shuffling DataLoader,
AdamW, and the losses shown after every step. Its codebook starts by k-means and moves by averages.
`FLOPs` counts the matrix products of a step (forward and backward) over the peak of a large one,
with all threads and with one: products of 256 rows are too small to gain much from a second thread,
so cells of a grid in processes of one thread each are the way to use all cores.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from importlib.metadata import version

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.catalogue.embeddings import ITEMS, table
from benchmarks.speed.harness import Row, Work, compare, interleaved, peak_flops
from tokbench.nn.quantizer.fit import OneStep, adam, start_codebooks
from tokbench.nn.quantizer.mlp import mlp
from tokbench.nn.training import Summed, run_epochs
from tokbench.tokenizers.cost import Cost
from tokbench.tokenizers.rqvae import RqVae

BATCH = 256


def measure(quick: bool) -> list[Row]:
    """Against the peer, where it is installed, and against the peak."""
    x = torch.from_numpy(table(4000 if quick else ITEMS))
    steps, rounds = (5, 1) if quick else (60, 7)
    rows = []
    for tokenizer in (RqVae.of(), Cost.of()):
        step = training(tokenizer, x)
        ours = in_order(step, x, steps)
        all_threads = torch.get_num_threads()
        shares = []
        for threads in sorted({all_threads, 1}, reverse=True):
            torch.set_num_threads(threads)
            name = f"{tokenizer.name}, {threads} threads"
            shares.append(flop_use(name, step, ours, steps, rounds))
        torch.set_num_threads(all_threads)
        try:
            theirs = peer(x, steps)
        except ImportError:
            print("vector-quantize-pytorch is missing (pip install -e '.[speed]')", file=sys.stderr)
        else:
            row = compare(
                f"{tokenizer.name} training, {len(x)} x {x.shape[1]}, batch {BATCH}",
                f"ResidualVQ of vector-quantize-pytorch {version('vector-quantize-pytorch')}",
                interleaved(ours, theirs, rounds=rounds),
                amount=steps,
                unit="steps/s",
                floor=1.8,
                aim=3.0,
            )
            at_peak = row.ratio / shares[0].ratio
            note = f"theirs minimises other losses; at sgemm peak it would be {at_peak:.1f}"
            rows.append(replace(row, note=note))
        rows += shares
    return rows


def training(tokenizer: RqVae, x: Tensor) -> OneStep:
    """The tokenizer's own step, codebooks made."""
    generator = torch.Generator().manual_seed(0)
    model = tokenizer.untrained(x.shape[1], generator)
    start_codebooks(model, x, torch.arange(BATCH), "residuals", generator)
    optimizer = adam(model, tokenizer.config.learning_rate)
    return OneStep(model, x, tokenizer.terms, optimizer, quantized=True)


def in_order(step: OneStep, x: Tensor, steps: int) -> Work:
    """So many steps over shuffled items, with the epoch's one reading of the losses."""

    def work() -> None:
        order = torch.randperm(len(x))
        rows = [order[at * BATCH % (len(x) - BATCH) :][:BATCH] for at in range(steps)]
        run_epochs(
            1,
            lambda epoch: rows,
            lambda batch: Summed(step(batch).losses, 1),
            after_epoch=lambda epoch, means: None,
        )

    return work


class Peer(nn.Module):
    """ResidualVQ between the same encoder and decoder."""

    def __init__(self, input_dim: int, config: RqVae.Config) -> None:
        from vector_quantize_pytorch import ResidualVQ

        super().__init__()
        generator = torch.Generator().manual_seed(0)
        sizes = [input_dim, *config.hidden, config.latent_dim]
        self.encoder = mlp(sizes, generator=generator)
        self.decoder = mlp(sizes[::-1], generator=generator)
        self.quantizer = ResidualVQ(
            dim=config.latent_dim,
            num_quantizers=config.levels,
            codebook_size=config.codebook_size,
            shared_codebook=True,
            kmeans_init=True,
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z_hat, codes, commitment = self.quantizer(self.encoder(x)[:, None])
        return self.decoder(z_hat[:, 0]), codes, commitment


def peer(x: Tensor, steps: int) -> Work:
    """So many steps of the peer's example loop."""
    model = Peer(x.shape[1], RqVae.of().config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x), batch_size=BATCH, shuffle=True, drop_last=True)

    def work() -> None:
        batches = itertools.chain.from_iterable(itertools.repeat(loader))
        for (batch,) in itertools.islice(batches, steps):
            optimizer.zero_grad()
            x_hat, codes, commitment = model(batch)
            reconstruction = (x_hat - batch).square().sum(dim=-1).mean()
            (reconstruction + 0.25 * commitment.sum()).backward()
            optimizer.step()
            _ = reconstruction.item(), commitment.sum().item(), codes.unique().numel()

    return work


def flop_use(name: str, step: OneStep, ours: Work, steps: int, rounds: int) -> Row:
    """FLOP/s of the products over those of a large product, in turns."""
    with FlopCounterMode(display=False) as counter:
        step(torch.arange(BATCH))
    per_step = counter.get_total_flops()
    peaks: list[float] = []
    pairs = interleaved(ours, lambda: peaks.append(peak_flops()), rounds=rounds)
    rates = [
        (steps * per_step / mine, peak) for (mine, _), peak in zip(pairs, peaks[1:], strict=True)
    ]
    ratios = sorted(mine / peak for mine, peak in rates)
    return Row(
        f"training step's FLOPs, batch {BATCH}: {name}",
        "sgemm peak with as many threads",
        "GFLOP/s",
        sorted(mine for mine, _ in rates)[rounds // 2] / 1e9,
        sorted(peak for _, peak in rates)[rounds // 2] / 1e9,
        ratios[rounds // 2],
        ratios[0],
        ratios[-1],
        0.5,
        0.65,
        f"{per_step / 1e9:.2f} GFLOP a step",
    )
