"""The U-Net of models/src/unet.rs in PyTorch, trained and sampled on synthetic images, to compare speeds with.

    flow-digits throughput recipes/mnist-unet.toml --against "python3 bench/torch_bench.py"

or alone: python3 bench/torch_bench.py recipes/mnist-unet.toml. Needs Python 3.11 and what bench/requirements-torch.txt lists. The
sizes, the batch and the optimizer's settings come from the recipe; with --weights the network that is evaluated is that of a
model file, and its answer to a fixed question comes along, for `flow-digits` to compare. Each step does what the trainer's
does: a batch on its path, forwards and backwards, the norm of the whole gradient and clipping by it, AdamW, the average of the
weights. With --json the last line is what `flow-digits throughput` reads: {"name", "parameters", "threads",
"train_ms": [...], "evaluation_ms": [...], "answer": [...]}.
"""

import argparse
import json
import math
import statistics
import time
import tomllib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from model_file import read_model


class Residual(nn.Module):
    def __init__(self, source, target, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, source)
        self.conv1 = nn.Conv2d(source, target, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, target, affine=False)
        self.conv2 = nn.Conv2d(target, target, 3, padding=1)
        self.project = nn.Conv2d(source, target, 1) if source != target else nn.Identity()
        self.width = 2 * target

    def forward(self, x, modulation):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (scale + 1) + shift
        return self.project(x) + self.conv2(F.silu(h))


class Attention(nn.Module):
    def __init__(self, channels, heads, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        self.heads = heads

    def forward(self, x):
        batch, channels, height, width = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        parts = self.query_key_value(tokens).reshape(batch, -1, 3, self.heads, channels // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        tokens = self.output(mixed.transpose(1, 2).reshape(batch, -1, channels))
        return x + tokens.transpose(1, 2).reshape(x.shape)


class UNet(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        channels, groups, width = sizes["channels"], sizes["groups"], sizes["embedding"]
        self.patch, self.width = sizes["patch"], width
        packed = sizes.get("image", [1, 28, 28])[0] * self.patch**2
        lowest = channels[-1]

        def blocks(widths):
            return nn.ModuleList(Residual(a, b, groups) for a, b in widths)

        self.time1, self.time2 = nn.Linear(width, width), nn.Linear(width, width)
        self.classes = nn.Embedding(sizes.get("classes", 10) + 1, width)
        self.input = nn.Conv2d(packed, channels[0], 3, padding=1)
        self.down = nn.ModuleList(blocks([(c, c)] * sizes["blocks"]) for c in channels)
        pairs = list(zip(channels, channels[1:]))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        heads = sizes["attention_heads"]
        self.attention = Attention(lowest, heads, groups) if heads else nn.Identity()
        self.middle = blocks([(lowest, lowest)] * sizes["middle_blocks"])
        self.grow = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in reversed(pairs))
        self.up = nn.ModuleList(
            blocks([(2 * c, c)] + [(c, c)] * (sizes["up_blocks"] - 1)) for c in reversed(channels[:-1])
        )
        self.norm = nn.GroupNorm(groups, channels[0])
        self.output = nn.Conv2d(channels[0], packed, 3, padding=1)
        widths = [block.width for block in self.modules() if isinstance(block, Residual)]
        self.modulation = nn.Linear(width, sum(widths))

    def forward(self, x, t, labels):
        half = self.width // 2
        frequencies = 1000 * torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / half)
        angles = t[:, None] * frequencies
        time = self.time2(F.silu(self.time1(torch.cat([angles.cos(), angles.sin()], dim=1))))
        modulations, at = self.modulation(F.silu(time + self.classes(labels))), 0

        def through(blocks, h):
            nonlocal at
            for block in blocks:
                h = block(h, modulations[:, at : at + block.width])
                at += block.width
            return h

        h, skips = self.input(F.pixel_unshuffle(x, self.patch)), []
        for i, level in enumerate(self.down):
            h = through(level, h)
            if i < len(self.shrink):
                skips.append(h)
                h = self.shrink[i](h)
        h = through(self.middle, self.attention(h))
        for grow, level in zip(self.grow, self.up):
            h = torch.cat([F.pixel_shuffle(grow(h), 2), skips.pop()], dim=1)
            h = through(level, h)
        return F.pixel_shuffle(self.output(F.silu(self.norm(h))), self.patch)


def load(network, path):
    """Puts a model file's weights (docs/model-format.md) into the network. Its linear layers are turned."""
    _, tensors = read_model(path)
    linear = {name for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    weights = {}
    for name, values in tensors.items():
        # down.0.blocks.1.conv1.weight is down.0.1.conv1.weight here; gamma and beta have other names, and the classes.
        name = name.replace(".blocks.", ".").replace(".gamma", ".weight").replace(".beta", ".bias")
        name = f"classes.{name.removeprefix('class.')}" if name.startswith("class.") else name
        turned = name.removesuffix(".weight") in linear and name.endswith(".weight")
        weights[name] = torch.from_numpy(np.ascontiguousarray(values.T if turned else values))
    network.load_state_dict(weights)


def question(count):
    """What `flow-digits` asks, too: throughput.rs."""
    numbers = np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    return numbers.astype(np.float32) / np.float32(2**30) - np.float32(2)


def timed(work, steps, warm_up):
    """Milliseconds of each of so many calls, after some that are not counted."""
    found = []
    for step in range(warm_up + steps):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return found[warm_up:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--weights", help="a model file of the recipe's network, to evaluate")
    parser.add_argument("--evaluations-only", action="store_true")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with open(args.recipe, "rb") as file:
        recipe = tomllib.load(file)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    torch.manual_seed(1)
    train, sizes = recipe["train"], recipe["architecture"]
    batch = args.batch or train["batch"]
    shape = [batch, *sizes.get("image", [1, 28, 28])]
    classes = sizes.get("classes", 10)
    network, decay = UNet(sizes), train["ema_decay"]
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(
        parameters, lr=train["learning_rate"], betas=train["betas"], eps=1e-8, weight_decay=train["weight_decay"]
    )

    def step():
        x0, x1, t = torch.randn(shape), torch.rand(shape) * 2 - 1, torch.sigmoid(torch.randn(batch))
        labels = torch.randint(0, classes + 1, [batch])
        along = t[:, None, None, None]
        loss = (network(along * x1 + (1 - along) * x0, t, labels) - (x1 - x0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, train["clip_norm"])
        optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - decay)
        loss.item()

    x, t, labels = torch.randn(shape), torch.full([batch], 0.5), torch.arange(batch) % classes

    # Read back to the host, as ours is.
    @torch.inference_mode()
    def evaluate():
        network(x, t, labels).cpu()

    train_ms = [] if args.evaluations_only else timed(step, args.steps, args.warm_up)
    answer = []
    if args.weights:
        load(network, args.weights)
        asked = torch.from_numpy(question(math.prod(shape))).reshape(shape).to(args.device)
        with torch.inference_mode():
            answer = network(asked, t, labels).flatten().tolist()
    evaluation_ms = timed(evaluate, args.steps, args.warm_up)
    on = "" if args.device == "cpu" else f", {torch.cuda.get_device_name()}"
    found = {
        "name": f"PyTorch {torch.__version__}{on}",
        "answer": answer,
        "parameters": sum(p.numel() for p in parameters),
        "threads": torch.get_num_threads(),
        "train_ms": train_ms,
        "evaluation_ms": evaluation_ms,
    }
    if args.json:
        print(json.dumps(found))
        return
    print(f"{found['name']}, {found['threads']} threads, {found['parameters']} parameters, batch {batch}")
    for what, times in [("training step", train_ms), ("evaluation", evaluation_ms)]:
        if not times:
            continue
        median = statistics.median(times)
        print(f"{what}: {median:.1f} ms ({min(times):.1f} to {max(times):.1f}), {1000 * batch / median:.1f} images/s")


if __name__ == "__main__":
    main()
