# %% [markdown]
# # Batch size on your data
#
# From a table to a trained model, with the batch size measured on the way.

# %%
import numpy as np

import minisgd as ms

rng = np.random.default_rng(0)
n = 2000
size, rooms, age = rng.uniform(30, 150, n), rng.integers(1, 6, n), rng.uniform(0, 80, n)
city = rng.choice(["Graz", "Linz", "Wien"], n)
price = 2.1 * size + 8 * rooms - 0.6 * age + 40 * (city == "Wien") + rng.normal(0, 15, n)
data = ms.load({"size": size, "rooms": rooms, "age": age, "city": city, "price": price}, validation=0.2)
print(data)

# %% [markdown]
# ## Before training
#
# How noisy is a gradient? The noise scale B_simple = tr Σ / |G|² is the batch size at which the noise of a batch
# is as large as the gradient itself. It grows as training goes on, and the critical batch size with it.

# %%
net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(1))
run = ms.train(net, data, optimizer=ms.SGD(lr=0.05), batch_size=32, epochs=10, metrics=["r2", "mae"])
print("at the start:", ms.gradient_noise(net.build(data.input_shape), data).b_simple)
print("at the end:  ", ms.gradient_noise(run.network, data).b_simple)

# %% [markdown]
# ## The study
#
# At every batch size the learning rate is tuned; all learning rates and seeds of a batch size train stacked as
# one program. From the steps each needs, and from the seconds that a step takes on this machine, follows which is
# fastest.

# %%
study = ms.study(net, data, batch_sizes=[4, 16, 64, 256, "full"], seeds=3, budget="20s")
print(study.recommendation)

# %% [markdown]
# ## With that batch size
#
# The recommendation names its command and its call.

# %%
best = study.recommendation
net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(1))
optimizer = ms.SGD(lr=best.lr)
run = ms.train(net, data, optimizer=optimizer, batch_size=best.batch_size, steps=best.steps, metrics=["r2", "mae"])
print(run.evaluate())

# %% [markdown]
# The trained model keeps what it learned of the table, so raw rows go in and prices come out, with columns in any
# order.

# %%
print(run.predict({"city": ["Wien", "Graz"], "size": [80, 80], "rooms": [3, 3], "age": [10, 10]}))
