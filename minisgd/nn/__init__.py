"""Floor 2: layers, losses, and the network as a point in R^P."""

from __future__ import annotations

import minisgd.backend.dispatch as dispatch
from minisgd.nn import initializers as init
from minisgd.nn.adapters import Adapter, LoRA
from minisgd.nn.boltzmann import BoltzmannMachine
from minisgd.nn.declaration import Buffer, Declaration, Parameter, Statistic
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minisgd.nn.layers.attention import ScaledDotProduct
from minisgd.nn.layers.batch_norm import BatchNorm
from minisgd.nn.layers.boltzmann import RBM
from minisgd.nn.layers.conv import Conv2d
from minisgd.nn.layers.conv_transpose import ConvTranspose2d
from minisgd.nn.layers.dropout import Dropout
from minisgd.nn.layers.embedding import Embedding, PositionalEmbedding
from minisgd.nn.layers.flatten import Flatten, Reshape
from minisgd.nn.layers.gates import GELU, Hardswish, Mish, SiLU
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.layers.linear import Linear
from minisgd.nn.layers.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from minisgd.nn.layers.rectifiers import ELU, SELU, PReLU
from minisgd.nn.layers.rms_norm import RMSNorm
from minisgd.nn.layers.softmax import Softmax
from minisgd.nn.layers.sync_batch_norm import SyncBatchNorm
from minisgd.nn.layers.tied import TiedAutoencoder
from minisgd.nn.layers.upsample import Upsample
from minisgd.nn.losses.cross_entropy import BinaryCrossEntropy, SoftmaxCrossEntropy
from minisgd.nn.losses.energy import Energy
from minisgd.nn.losses.loss import Loss, LossDeclaration
from minisgd.nn.losses.regression import L1, Huber, MeanSquaredError
from minisgd.nn.losses.token_cross_entropy import TokenCrossEntropy
from minisgd.nn.network import Network
from minisgd.nn.sequential import Residual, Sequential
from minisgd.nn.transformer import Attention, TransformerBlock

__all__ = [
    "ELU",
    "GELU",
    "L1",
    "SELU",
    "Adapter",
    "Attention",
    "AvgPool2d",
    "BatchNorm",
    "BinaryCrossEntropy",
    "BoltzmannMachine",
    "Buffer",
    "Conv2d",
    "ConvTranspose2d",
    "Declaration",
    "Dropout",
    "Embedding",
    "Energy",
    "Flatten",
    "GlobalAvgPool2d",
    "Hardswish",
    "Huber",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LoRA",
    "Loss",
    "LossDeclaration",
    "MaxPool2d",
    "MeanSquaredError",
    "Mish",
    "Network",
    "PReLU",
    "Parameter",
    "PositionalEmbedding",
    "ReLU",
    "RBM",
    "RMSNorm",
    "Reshape",
    "Residual",
    "ScaledDotProduct",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Statistic",
    "SyncBatchNorm",
    "Tanh",
    "TiedAutoencoder",
    "TokenCrossEntropy",
    "TransformerBlock",
    "Upsample",
    "init",
]

dispatch.tuned_in("cpu", "minisgd.nn.cpu")
dispatch.tuned_in("cuda", "minisgd.nn.cuda")
