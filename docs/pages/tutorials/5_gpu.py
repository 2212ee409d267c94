# %% [markdown]
# # On a GPU
#
# The same code, another device. This page runs anywhere: `device="auto"` takes CUDA where it works, the CPU
# elsewhere.

# %%
import minisgd as ms

data = ms.datasets.digits(validation=0.2, seed=0)
net = ms.Network(ms.Linear(128), ms.BatchNorm(), ms.ReLU(), ms.Linear(10))
run = ms.train(net, data, optimizer=ms.SGD(lr=0.1, momentum=0.9), batch_size=32, epochs=5, device="auto")
print(run.device, run.evaluate())

# %% [markdown]
# `minisgd doctor` says what works, what is missing, and the command that installs it.
#
# ## What is different there
#
# **A step is a CUDA graph.** The recorded list of calls is captured once, and eight updates are one launch. On a
# small network most of a step on a GPU is the cost of starting kernels; a graph pays it once.
#
# **Layers are kernels.** A dense layer with its bias and activation is one kernel, batch normalisation two. Each
# is tested against the textbook layer that the CPU runs: see the [kernels](../kernels.md).
#
# **Data live on the device** if they fit the memory limit; otherwise batches are copied while the previous ones
# are computed.
#
# **Batches are the same.** Shuffles, initial weights and dropout masks are drawn on the host, so both devices see
# the same examples in the same order. Results agree to rounding, not to the bit, as sums are added in another
# order.
#
# **Products are exact float32** unless `precision="tf32"` asks for TensorFloat-32, which rounds operands to ten
# bits.
#
# ## Which batch size?
#
# A GPU moves the knee t0·r, the batch at which a step begins to take longer, far up; the critical batch size is a
# property of the data and the model and stays where it is. So the fastest batch on a GPU is larger, by about the
# square root of the ratio of knees:

# %%
critical = 80
for device, knee in [("one core", 30), ("a GPU, for example", 20_000)]:
    print(f"{device}: √(knee · Bcrit) = {(knee * critical) ** 0.5:.0f}")

# %% [markdown]
# `minisgd study --device cuda` measures both.
