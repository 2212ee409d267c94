# %% [markdown]
# # From one weight to a network
#
# Gradient descent is one rule, w ← w − lr · f′(w). This page follows it from a parabola to a network, and shows
# on the way where every number comes from: the learning rate at which it diverges, why some directions are slow,
# and what a batch changes.

# %% [markdown]
# ## One weight
#
# f(w) = λ/2 · (w − 3)² has the derivative λ (w − 3). A step multiplies the distance to the minimum by (1 − lr·λ).

# %%
import numpy as np


def descend(lr, curvature=2.0, w=0.0, steps=8):
    path = [w]
    for _ in range(steps):
        w = w - lr * curvature * (w - 3)
        path.append(w)
    return np.array(path)


for lr in [0.1, 0.5, 0.9, 1.0, 1.1]:
    print(f"lr {lr}: distance to the minimum", np.round(abs(descend(lr) - 3), 3))

# %% [markdown]
# With λ = 2, lr = 0.5 arrives in one step, lr = 1 jumps from side to side for ever, and lr = 1.1 diverges. The
# limit is |1 − lr·λ| < 1, that is **lr < 2/λ**. It is the most useful inequality of this page.

# %% [markdown]
# ## Two weights
#
# In f(w) = ½ (λ₁ w₁² + λ₂ w₂²) each coordinate shrinks by its own factor. The steepest one limits the learning
# rate, and the flattest one then takes the longest: λ₁/λ₂ is the condition number.

# %%
curvatures = np.array([10.0, 0.1])
w = np.array([1.0, 1.0])
lr = 1.9 / curvatures.max()
for step in range(31):
    if step % 10 == 0:
        print(step, np.round(w, 4))
    w = w - lr * curvatures * w

# %% [markdown]
# ## A line through points
#
# The loss is now a mean over examples, f(w) = 1/N Σ ½ (w·xᵢ − yᵢ)², and so is its gradient. A **batch** estimates
# that mean from some of the examples: right on average, with a variance that falls as 1/B.

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(256, 2)) * [2.0, 0.5]
y = x @ [1.0, -2.0] + 0.3 * rng.normal(size=256)


def gradient(w, rows):
    return x[rows].T @ (x[rows] @ w - y[rows]) / len(rows)


w = np.zeros(2)
full = gradient(w, np.arange(256))
for size in [1, 4, 16, 64]:
    estimates = [gradient(w, rng.choice(256, size, replace=False)) for _ in range(2000)]
    mean, variance = np.mean(estimates, axis=0), np.var(estimates, axis=0).sum()
    print(f"B = {size:2}: mean {np.round(mean, 2)} of {np.round(full, 2)}, B · variance = {size * variance:.1f}")

# %% [markdown]
# B · variance stays nearly the same, less at B = 64 only since those are a quarter of all examples. That is all a
# batch size does to a gradient; everything else about batch size follows from it.

# %% [markdown]
# ## The same by the engine
#
# A network with one dense layer and squared error is that line. One full-batch step of `ms.train` and one by hand
# agree. The engine's loss is the mean of (ŷ − y)², so its gradient is twice the one above.

# %%
import minisgd as ms

data = ms.Dataset.from_arrays(x, y[:, None], validation=None)
net = ms.Network(ms.Linear(1, bias=False)).build(2, dtype="float64")
before = net.vector.copy()
run = ms.train(net, data, optimizer=ms.SGD(lr=0.1), batch_size="full", steps=1, dtype="float64")
by_hand = before - 0.1 * 2 * gradient(before, np.arange(256))
print(run.network.vector, by_hand)
assert np.allclose(run.network.vector, by_hand)

# %% [markdown]
# ## And a network
#
# With more layers f is no parabola, but the rule is the same, and so is the limit: near a point, curvature is the
# largest eigenvalue λmax of the Hessian, and plain descent is stable while lr < 2/λmax.

# %%
digits = ms.datasets.digits(validation=0.2, seed=0)
net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))
for lr in [0.01, 0.1, 1.0]:
    run = ms.train(net, digits, optimizer=ms.SGD(lr=lr), batch_size="full", steps=200, seed=0)
    print(f"lr {lr}: 2/λmax = {2 / ms.sharpness(run.network, digits).lambda_max:.2f}, {run.evaluate()}")

# %% [markdown]
# Next: [what a training step of this network is, line by line](2_explain.py).
