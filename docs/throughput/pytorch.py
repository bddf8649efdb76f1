"""The U-Net of models/src/unet.rs in PyTorch, trained and sampled on synthetic images, to compare speeds with.

    flow-digits throughput recipes/mnist-unet.toml --against "python3 docs/throughput/pytorch.py"

or alone: python3 docs/throughput/pytorch.py recipes/mnist-unet.toml. Needs PyTorch and Python 3.11. The sizes, the batch and
the optimizer's settings come from the recipe. Each step does what the trainer's does: a batch on its path, forwards and
backwards, the norm of the whole gradient and clipping by it, AdamW, the average of the weights. With --json the last line is
what `flow-digits throughput` reads: {"name", "parameters", "threads", "train_ms": [...], "evaluation_ms": [...]}.
"""

import argparse
import json
import math
import statistics
import time
import tomllib

import torch
import torch.nn.functional as F
from torch import nn


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
        frequencies = 1000 * torch.exp(-math.log(10000) * torch.arange(half) / half)
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
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with open(args.recipe, "rb") as file:
        recipe = tomllib.load(file)
    if args.threads:
        torch.set_num_threads(args.threads)
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

    @torch.inference_mode()
    def evaluate():
        network(x, t, labels)

    train_ms = timed(step, args.steps, args.warm_up)
    evaluation_ms = timed(evaluate, args.steps, args.warm_up)
    found = {
        "name": f"PyTorch {torch.__version__}",
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
        median = statistics.median(times)
        print(f"{what}: {median:.1f} ms ({min(times):.1f} to {max(times):.1f}), {1000 * batch / median:.1f} images/s")


if __name__ == "__main__":
    main()
