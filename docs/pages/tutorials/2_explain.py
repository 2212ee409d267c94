# %% [markdown]
# # A training step, line by line
#
# A training step of minisgd is a list of array operations, recorded once and then replayed. `ms.explain` prints
# it. This page reads that list for a small network, and recomputes its numbers.

# %%
import minisgd as ms

net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))
print(ms.explain(net, batch_size=32, input_shape=64, optimizer=ms.SGD(lr=0.1, momentum=0.9)))

# %% [markdown]
# ## Reading it
#
# **gather** copies the rows of the batch out of the data set: `x = data.x[index]`.
#
# **forward** is y = x W + b for each dense layer, with the ReLU between. A product of (B, I) with (I, O) takes
# 2·B·I·O floating-point operations, a multiplication and an addition for each triple:

# %%
batch, inputs, outputs = 32, 64, 32
print(f"first layer: {2 * batch * inputs * outputs:,} FLOP")

# %% [markdown]
# **loss** is softmax cross-entropy. Before exponentials are taken, the largest score is subtracted, so that none
# overflows; the value is ln Σ exp s − s_target.
#
# **backward** goes through the layers in reverse. It begins with the gradient of the loss with respect to the
# scores, which is *softmax − target*, divided by B because the loss is a mean. A dense layer then has three
# lines:
#
#     dW = xᵀ dy        db = Σ dy        dx = dy Wᵀ
#
# so a backward pass costs two products where a forward pass costs one. The first layer's dx is missing: nobody
# needs it.
#
# **update** is the optimizer on the vector of all parameters, v ← μ v + g and w ← w − lr·v. Its cost does not
# depend on B: with one example a step it is two fifths of the FLOPs, and most of the bytes.

# %%
parameters = 64 * 32 + 32 + 32 * 10 + 10
print(f"{parameters:,} parameters")
for batch in [1, 32, 1024]:
    products = 2 * batch * (64 * 32 + 32 * 10)  # of the forward pass
    print(f"B = {batch:5}: products {3 * products:>12,} FLOP, update {4 * parameters:,} FLOP")

# %% [markdown]
# ## Where time goes
#
# FLOPs are not seconds. Small operations are limited by the cost of starting them, large ones by memory or
# arithmetic. `ms.speed` times whole steps and fits t(B) = t0 + B/r: t0 is what a step costs before its first
# example, the update included; r is the rate at which examples then go through.

# %%
print(ms.speed(net, ms.datasets.digits(), batch_sizes=[1, 8, 64, 512], visits=3))

# %% [markdown]
# `minisgd explain --model mlp:32 --input 64 --batch-size 32 --time` times every line of the list.
#
# Next: [the backward pass by hand](3_backpropagation.py).
