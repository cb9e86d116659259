"""bpAI-TAC of PyTorch's own modules, which other tools know the rules of."""

import torch
from torch import nn

from modelkit.models.bpaitac import BpAITAC, NetworkOptions

SMALL = {"tasks": 3, "length": 200, "window": 60, "window_start": 70, "channels": 6, "blocks": 3,
         "pools": (2, 3, 2)}  # fmt: skip
ACTIVATIONS = {"relu": nn.ReLU, "softplus": nn.Softplus, "none": nn.Identity}


class Block(nn.Module):
    def __init__(self, channels, dilation, *, residual=True):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(channels)
        self.relu = nn.ReLU()
        self.residual = residual

    def forward(self, x):
        z = self.relu(self.norm(self.conv(x)))
        return x + z if self.residual else z


class Twin(nn.Module):
    """(B, 4, P) to logits (B, T, W) and totals (B, T)."""

    def __init__(self, model):
        super().__init__()
        self.o = o = model.options
        self.stem = nn.Conv1d(4, o.channels, o.stem_width, padding="same")
        self.stem_relu = nn.ReLU() if o.stem_relu else nn.Identity()
        self.blocks = nn.ModuleList(Block(o.channels, 2 << i) for i in range(o.blocks))
        self.profile = nn.Conv1d(o.channels, o.tasks, o.head_width, padding="same")
        self.total = nn.Module()
        sizes = [pool.size for pool in model.total.pools]
        self.total.pools = nn.ModuleList(nn.MaxPool1d(size) for size in sizes)
        convs = [Block(o.channels, 1, residual=False) for _ in model.total.convs]
        self.total.convs = nn.ModuleList(convs)
        self.total.dense = nn.Linear(model.total.dense.in_features, o.tasks)
        self.total.activation = ACTIVATIONS[o.total_activation]()
        self.double().load_state_dict(model.state_dict())

    def forward(self, x):
        x = self.stem_relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        first = self.o.window_start
        logits = self.profile(x)[..., first : first + self.o.window]
        for i, pool in enumerate(self.total.pools):
            x = pool(x)
            x = self.total.convs[i](x) if len(self.total.convs) else x
        return logits, self.total.activation(self.total.dense(x.flatten(1)))


class Read(nn.Module):
    """One of the outputs: totals, or logits weighted by fixed probabilities."""

    def __init__(self, network, p_TW=None):
        super().__init__()
        self.network, self.p_TW = network, p_TW
        self.eval()

    def forward(self, x):
        logits, totals = self.network(x)
        if self.p_TW is None:
            return totals
        return ((logits - logits.mean(-1, keepdim=True)) * self.p_TW).sum(-1)


def twins(seed=0, **changes):
    """modelkit's network and its twin in float64, evaluating, with norms that do something."""
    torch.manual_seed(seed)
    model = BpAITAC(NetworkOptions(**(SMALL | changes))).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    if model.total is not None:
        nn.init.constant_(model.total.dense.bias, 20)  # ReLU lets all totals through
    return model, Twin(model).eval()


def bases(n, length, seed=0, unknown=()):
    """One-hot bases (n, 4, length), float64; none at the positions `unknown`."""
    codes = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(seed))
    x = nn.functional.one_hot(codes, 4).mT.double().contiguous()
    x[:, :, list(unknown)] = 0
    return x
