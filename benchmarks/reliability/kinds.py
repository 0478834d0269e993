"""Ways in which third-party code misbehaves, by name: the body of a function of a plugin.

`AT_WORK`: of a tokenizer's `tokenize`; `AT_IMPORT`: of the plugin's module; `OF_METRIC`: of a
metric's `score`; `OF_GENERATOR`: of a model's `generate`. MISERABLE are the ones that a limit ends.
`STORE` and `RESULTS` stand for the folders of the run.
"""

from __future__ import annotations

HEAD = """
import os, sys, time, signal, subprocess, ctypes, threading, warnings, json, shutil, pathlib
import numpy as np
from tokbench import (Beams, Generator, GeneratorModel, Metric, SemanticIds, Tokenizer, hookimpl)
STORE, RESULTS = pathlib.Path({store!r}), pathlib.Path({results!r})
HONEST = lambda n: SemanticIds(np.arange(n)[:, None] % 7, (7,))
"""
TOKENIZER = """
class Bad(Tokenizer):
    name = "bad"
    def tokenize(self, catalog, *, seed, runtime):
        n = len(catalog)
{body}
        return HONEST(n)

@hookimpl
def register_tokenizers():
    return [Bad]
"""
METRIC = """
class BadMetric(Metric):
    name = "bad-metric"
    def score(self, placement, ids, embeddings):
{body}

@hookimpl
def register_metrics():
    return [BadMetric]
"""
GENERATOR = """
class Model(GeneratorModel):
    def state(self):
        return {{"x": np.zeros(1)}}
    def generate(self, histories, *, width, runtime):
        q = len(histories)
{body}

class Bad(Generator):
    name = "bad"
    def train(self, catalog, histories, ids, *, seed, runtime):
        return Model()
    def restore(self, state, ids):
        return Model()

@hookimpl
def register_generators():
    return [Bad]
"""
AT_WORK = {
    "exit 0": "os._exit(0)",
    "exit 1": "os._exit(1)",
    "sys.exit": "sys.exit(0)",
    "BaseException": "raise type('Theirs', (BaseException,), {})('theirs')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "segmentation fault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGSTOP": "os.kill(os.getpid(), signal.SIGSTOP)",
    "sleeps": "time.sleep(10**6)",
    "loops": "while True: pass",
    "allocates": "kept = [bytearray(1 << 26) for _ in range(10**6)]",
    "exec": "os.execv('/bin/true', ['true'])",
    "exec with output": "os.execv('/bin/echo', ['echo', '{\"told\": 1}'])",
    "closes all files": "os.closerange(0, 4096)",
    "closes stdout": "sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)",
    "patches numpy": "np.argsort = np.unique = np.mean = lambda *a, **k: np.zeros(3)",
    "patches a random generator": "np.random.default_rng = lambda *a: np.random.Generator("
    "np.random.PCG64(0))",
    "patches scoring": "import tokbench.scoring.metrics as m; m.Recall.score = lambda *a: "
    "{'recall@10': 1.0}",
    "patches records": "import tokbench.schema.record as r; r.write_record = lambda *a: None",
    "torch's default type": "import torch; torch.set_default_dtype(torch.float16)",
    "numpy's error state": "np.seterr(all='raise')",
    "warnings as errors": "warnings.simplefilter('error'); warnings.warn('now')",
    "global seeds": "np.random.seed(0); import random; random.seed(0)",
    "deterministic torch": "import torch; torch.use_deterministic_algorithms(True); "
    "torch.set_num_threads(1)",
    "damages the store": "for p in STORE.rglob('*'):\n    p.is_file() and p.write_bytes(b'damage')",
    "rewrites the store": "for p in STORE.rglob('facts.json'):\n"
    "    f = json.loads(p.read_text()); f['digest'] = '0' * 64; p.write_text(json.dumps(f))",
    "removes the store": "shutil.rmtree(STORE)",
    "removes the results": "shutil.rmtree(RESULTS)",
    "writes records": "p = RESULTS / 'toy' / 'x_000000000000.json'; "
    "p.parent.mkdir(parents=True, exist_ok=True); p.write_text('{}')",
    "closes folders": "os.chmod(STORE, 0)",
    "leaves processes": "subprocess.Popen(['sleep', '987'], start_new_session=True)",
    "leaves a daemon": "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
    "        os.execv('/bin/sleep', ['sleep', '987'])\n    os._exit(0)",
    "kills its parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "kills its grandparent": "stat = open(f'/proc/{os.getppid()}/stat').read()\n"
    "os.kill(int(stat.rpartition(')')[2].split()[1]), signal.SIGKILL)",
    "stops its parent": "os.kill(os.getppid(), signal.SIGSTOP)",
    "leaves threads": "threading.Thread(target=time.sleep, args=(10**6,)).start()",
    "handlers at exit": "import atexit; atexit.register(os._exit, 3)",
    "deep recursion": "sys.setrecursionlimit(10**9); f = lambda f: f(f); f(f)",
    "None": "return None",
    "wrong type": "return [[1, 2]] * n",
    "wrong shape": "return SemanticIds(np.zeros((n - 1, 2), int), (4, 4))",
    "out of range": "return SemanticIds(np.full((n, 1), 4), (4,))",
    "NaN": "return SemanticIds(np.full((n, 1), np.nan), (4,))",
    "immense codes": "return SemanticIds(np.full((n, 1), 2**31 - 2), (2**31 - 1,))",
    "immense message": "raise ValueError('\\x1b[2J' + 'x' * 10**6)",
    "unspeakable error": "raise type('E', (Exception,), {'__str__': lambda s: 1 / 0})()",
    "writes into its input": "catalog.embeddings[0] = 0",
    "prints": "print('\\x1b[2Jx' * 10**6)",
    "environment": "os.environ.clear(); os.chdir('/'); os.umask(0o777)",
    "signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.alarm(1); time.sleep(5)",
    "poisons modules": "sys.modules['numpy'] = None; sys.modules['json'] = None; "
    "sys.path.insert(0, '/nowhere')",
    "logs NaN": "[runtime.log(loss=float('nan'), step=i) for i in range(1000)]",
    "logs words": "runtime.rows.append({'loss': 'low'})",
    "forges an answer": "f = pathlib.Path(os.environ['TMPDIR'])\n"
    "(f / 'answer.json').write_text('[' * 100000); os._exit(0)",
    "answers with a fifo": "f = pathlib.Path(os.environ['TMPDIR'])\n"
    "os.mkfifo(f / 'answer.json'); os._exit(0)",
}
AT_IMPORT = {
    "import: exit 0": "os._exit(0)",
    "import: sleeps": "time.sleep(10**6)",
    "import: raises": "raise RuntimeError('theirs')",
    "import: kills": "os.kill(os.getpid(), 9)",
    "import: patches the API": "Tokenizer.name = 'x'; Tokenizer.label = 'random'",
    "import: takes a name": "class Taken(Tokenizer):\n    name = 'random'\n"
    "    def tokenize(self, catalog, *, seed, runtime): return HONEST(len(catalog))\n"
    "Bad = Taken",
}
OF_METRIC = {
    "metric: raises": "raise ValueError('theirs')",
    "metric: exits": "os._exit(0)",
    "metric: takes a figure": "return {'recall@10': 1.0}",
    "metric: takes another": "return {'duplicate_rate': 0.5}",
    "metric: NaN": "return {'mine': float('nan')}",
    "metric: words": "return {'mine': 'good'}",
    "metric: shape": "return {'mine': np.zeros(3)}",
}
OF_GENERATOR = {
    "generator: exits": "os._exit(0)",
    "generator: NaN": "return Beams(np.zeros((q, 1, 3), int), np.full((q, 1), np.nan))",
    "generator: repeats": "return Beams(np.zeros((q, 2, 3), int), np.zeros((q, 2)))",
    "generator: None": "return None",
}
LIMITED = ("SIGSTOP", "sleeps", "loops", "allocates", "leaves threads", "import: sleeps",
           "stops its parent")  # fmt: skip
# Those that harm nobody, and whose own row may be done.
HARMLESS = ("patches", "torch", "numpy", "global", "deterministic", "leaves", "handlers", "prints",
            "environment", "poisons", "logs NaN", "closes stdout", "metric:", "damages", "rewrites",
            "import: takes", "import: patches", "writes records", "closes all")  # fmt: skip


def source(kind: str, store: str, results: str) -> str:
    """The plugin's file. An unknown kind is a KeyError."""
    head = HEAD.format(store=store, results=results)
    if kind in AT_IMPORT:
        return head + TOKENIZER.format(body="        pass") + AT_IMPORT[kind]
    for table, frame in ((AT_WORK, TOKENIZER), (OF_METRIC, METRIC), (OF_GENERATOR, GENERATOR)):
        if kind in table:
            body = "\n".join(f"        {line}" for line in table[kind].splitlines())
            return head + frame.format(body=body)
    raise KeyError(kind)


ALL = (*AT_WORK, *AT_IMPORT, *OF_METRIC, *OF_GENERATOR)
