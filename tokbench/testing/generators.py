"""Rules for generators.

Axes: Q queries, B beams, M levels.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tokbench.api import Generator, GeneratorModel, Likelihood
from tokbench.pipeline import stages
from tokbench.pipeline.contracts import ROUNDING, check_beams, check_likelihood, check_model
from tokbench.pipeline.files import read_weights, write_weights
from tokbench.testing import worlds
from tokbench.testing.subject import Subject
from tokbench.types import Beams, Sequences, digest

ITEMS = 96
WIDTHS = (5, 200)  # the second is wider than there are tuples
DATASET = worlds.dataset(ITEMS)
SPLIT = stages.split(DATASET, "leave-one-out")
CATALOG = stages.catalog(DATASET, worlds.embeddings(ITEMS), None)
IDS = worlds.codes(ITEMS)
HISTORIES = Sequences.of([[], [3, 19], [5, 21, 38, 53]])


def beams_are_valid(subject: Subject) -> None:
    """Beams name existing tuples, each once, best first, and are padded with -1 at their end."""
    for width in WIDTHS:
        _require_valid(subject, _beams(subject, _trained(subject), width=width))


def same_seed_same_beams(subject: Subject) -> None:
    """The same data and seed give the same beams."""
    one, two = _beams(subject, _trained(subject)), _beams(subject, _train(subject))
    subject.require(
        digest(one) == digest(two),
        expected="the beams of the first training",
        found=_difference(one, two),
        remedy="draw all chance from `seed`: np.random.default_rng(seed), torch.Generator()",
    )


def state_restores_the_model(subject: Subject) -> None:
    """restore(state()), by way of a safetensors file, gives a model with the same beams."""
    model = _trained(subject)
    with TemporaryDirectory() as folder:
        write_weights(Path(folder), model.state())
        again = subject.build().restore(read_weights(Path(folder)), IDS)
    one, two = _beams(subject, model), _beams(subject, again)
    subject.require(
        digest(one) == digest(two),
        expected="the same beams from the restored model",
        found=_difference(one, two),
        remedy="put all that generate needs into state(), as arrays of numbers",
    )


def empty_history(subject: Subject) -> None:
    """A query without any history gets beams too."""
    beams = _beams(subject, _trained(subject), histories=HISTORIES)
    _require_valid(subject, beams)
    filled = (beams.codes[:, :1] >= 0).all(axis=(1, 2))  # padding stands at the end of a row
    subject.require(
        bool(filled.all()),
        expected="a beam at least for each query",
        found=f"none for row {int(np.argmin(filled))}",
        remedy="fall back on what is popular, or on the model's prior",
    )


def likelihood_is_a_distribution(subject: Subject) -> str:
    """Log-probabilities of items are finite and at most 0, those of all tuples sum to 1 at most,
    and where beams at full width are exact, their scores are the same."""
    model, generator = _trained(subject), subject.build()
    assert isinstance(generator, Generator)
    if not generator.is_distribution:
        subject.require(
            not isinstance(model, Likelihood),
            expected="is_distribution = True of a generator whose model has log_likelihood",
            found="False",
            remedy="set it in the class, or name the method otherwise",
        )
        return "no distribution: a run has no bits per item"
    tuples = len(IDS.groups()[0])
    beams = _beams(subject, model, width=tuples, histories=HISTORIES)
    codes = np.tile(IDS.groups()[0], (len(HISTORIES), 1))
    repeated = Sequences.of([HISTORIES[row // tuples] for row in range(len(codes))])
    found = check_likelihood(model, subject.name).log_likelihood(
        repeated, codes, runtime=subject.runtime
    )
    subject.require(
        bool(np.isfinite(found).all() and (found <= ROUNDING).all()),
        expected="finite log-probabilities, at most 0",
        found=f"from {found.min()} to {found.max()}",
        remedy="smooth the distribution, and take the natural logarithm",
    )
    mass = np.exp(found).reshape(-1, tuples).sum(axis=1)
    subject.require(
        bool((mass <= 1 + ROUNDING).all()),
        expected="probabilities that sum to 1 at most",
        found=f"{mass.max():.4f} over the {tuples} tuples that exist",
        remedy="normalise over all that the model could write",
    )
    if generator.exact_at_full_width:
        ranked = -np.sort(-found.reshape(-1, tuples), axis=1)
        off = float(np.abs(ranked - beams.scores).max())
        subject.require(
            off <= ROUNDING,
            expected="log-probabilities that are the scores of the beams",
            found=f"a difference of {off}",
            remedy="leave dropout, smoothing and temperature out of both, or of neither",
        )
    return f"{mass.min():.3f} to {mass.max():.3f} of the probability is on tuples that exist"


def inputs_unmodified(subject: Subject) -> None:
    """Catalogue, histories and ids are left as they were."""
    inputs = (CATALOG, SPLIT.histories, IDS, SPLIT.test.histories)
    before = digest(*inputs)
    _beams(subject, _train(subject))
    subject.require_unchanged(before, *inputs)


def _train(subject: Subject) -> GeneratorModel:
    generator = subject.build()
    model = generator.train(CATALOG, SPLIT.histories, IDS, seed=0, runtime=subject.runtime)
    return check_model(model, subject.name)


def _trained(subject: Subject) -> GeneratorModel:
    model: GeneratorModel = subject.once("trained", lambda: _train(subject))
    return model


def _beams(
    subject: Subject,
    model: GeneratorModel,
    *,
    width: int = WIDTHS[0],
    histories: Sequences = SPLIT.test.histories,
) -> Beams:
    beams = model.generate(histories, width=width, runtime=subject.runtime)
    return check_beams(beams, len(histories), IDS, width, subject.name)


def _difference(one: Beams, two: Beams) -> str:
    """How much of the second beams is not as in the first."""
    if one.codes.shape != two.codes.shape:
        return f"beams {list(two.codes.shape)} instead of {list(one.codes.shape)}"
    codes = (one.codes != two.codes).any(axis=(1, 2))
    scores = (one.scores != two.scores).any(axis=1)
    return f"different codes in {codes.sum()} and scores in {scores.sum()} of {len(one)} rows"


def _require_valid(subject: Subject, beams: Beams) -> None:
    """What `check_beams` leaves to the placement: padding, and tuples that exist."""
    padding = (beams.codes == -1).all(axis=2)
    known = {tuple(row) for row in IDS.codes.tolist()}
    invented = [row for row in beams.codes[~padding].tolist() if tuple(row) not in known]
    subject.require(
        not invented,
        expected="tuples that some item has",
        found=f"{len(invented)} that no item has, such as {invented[0] if invented else ''}",
        remedy="constrain decoding to the tuples of `ids.groups()`",
    )
    gaps = padding[:, :-1] & ~padding[:, 1:]
    subject.require(
        not gaps.any() and bool(np.isneginf(beams.scores[padding]).all()),
        expected="padding (codes -1, score -inf) at the end of a row only",
        found=f"{int(gaps.sum())} paddings before a tuple; padding with scores "
        f"{sorted(set(beams.scores[padding].tolist()))[:3]}",
        remedy="put the tuples first, best first",
    )
