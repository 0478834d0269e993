# tokbench in a container. The argument TORCH picks the build of torch, which brings its own CUDA:
#   docker build -t tokbench .                                  CPU
#   docker build -t tokbench:cuda --build-arg TORCH=cu128 .     GPU, run with `--gpus all`
#   docker run --rm -v "$PWD:/work" tokbench quick toy
FROM python:3.12-slim

ARG TORCH=cpu
RUN pip install --no-cache-dir --index-url "https://download.pytorch.org/whl/${TORCH}" "torch>=2.6"

WORKDIR /opt/tokbench
COPY pyproject.toml README.md LICENSE CHANGELOG.md CITATION.cff ./
COPY tokbench tokbench
RUN pip install --no-cache-dir ".[minilm,parquet,figures,tune]"

# Datasets, records and artifacts are the host's: mount a folder at /work.
WORKDIR /work
ENV TOKBENCH_DATA=/work/data TOKBENCH_CACHE=/work/.tokbench/cache
ENTRYPOINT ["tokbench"]
CMD ["--help"]
