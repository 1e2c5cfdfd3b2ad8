"""Chains in a file: they go on to the same bits, and a file that was damaged or edited is refused."""

import numpy as np
import pytest

import fastrbm as fr
from fastrbm import gradient

u = fr.units
X = fr.datasets.load_digits()[:60, 20:30]
NAN = np.nan


def mixed(seed=0):
    """Bits, sites and real numbers side by side, with names."""
    rng = np.random.default_rng(seed)
    visible = [u.Bernoulli(3), u.Categorical(2, [3, 4]), u.Gaussian(2, mean=[5, -2], scale=[2, 0.5])]
    rbm = fr.RBM(rng.normal(0, 0.5, (12, 5)), visible=visible, hidden="spin")
    rbm._visible_names = tuple("abcdefg")
    return rbm


def bits(seed=0, hidden="bernoulli"):
    return fr.RBM(np.random.default_rng(seed).normal(0, 0.5, (10, 6)), np.full(10, 0.3), hidden=hidden)


def trained_pcd():
    pcd, rbm = gradient.PCD(9, seed=2), bits()
    pcd(rbm, X)
    return pcd.chains


CLAMP = [1, NAN, 0, 2, NAN, 6.5, NAN]
CHAINS = {
    "plain": lambda: fr.Chains(bits(), 9, seed=2**64 - 1),
    "one chain, one unit": lambda: fr.Chains(fr.RBM([[0.5]]), 1),
    "numbered, at betas": lambda: fr.Chains(bits(), 9, 3, beta=np.linspace(0, 1, 9), first_chain=7),
    "clamped": lambda: fr.Chains(bits(hidden="spin"), 9, clamp=[1, 0] + [NAN] * 8, clamp_hidden=[NAN] * 5 + [-1]),
    "clamped one by one": lambda: fr.Chains(bits(), 60, clamp=np.where(X[:, ::-1] == 1, X, NAN)),
    "real hidden": lambda: fr.Chains(bits(hidden=u.Gaussian(6)), 9, clamp_hidden=[0.7] + [NAN] * 5),
    "mixed": lambda: fr.Chains(mixed(), 9, clamp=CLAMP),
    "of PCD": trained_pcd,
    "tempered": lambda: fr.TemperedChains(bits(), 9, 4, seed=5),
    "tempered, given betas": lambda: fr.TemperedChains(mixed(), 9, betas=[1, 0.5, 0.3]),
    "one temperature": lambda: fr.TemperedChains(bits(), 9, 1, target_rate=None),
    "of Tempered": lambda: gradient_tempered(),
}


def gradient_tempered():
    tempered, rbm = gradient.Tempered(9, 3), bits()
    tempered(rbm, X)
    return tempered.chains


@pytest.mark.parametrize("kind", CHAINS)
def test_they_go_on_to_the_same_bits(tmp_path, kind):
    chains, path = CHAINS[kind](), tmp_path / "chains.npz"
    chains.sweep(5)
    chains.save(path)
    again = fr.load_chains(path)
    assert isinstance(again, fr.TemperedChains if "temper" in kind.lower() else fr.Chains)
    assert len(again) == len(chains) and again.n_sweeps_done == chains.n_sweeps_done
    assert again.rbm.visible_names == chains.rbm.visible_names
    assert np.array_equal(fr.load(path).weights, chains.rbm.weights)
    for n in (0, 1, 70):
        chains.sweep(n)
        again.sweep(n)
        assert np.array_equal(again.visible, chains.visible) and np.array_equal(again.hidden, chains.hidden)
    if kind == "mixed":
        known = ~np.isnan(CLAMP)
        assert (np.abs(again.visible[:, known] - np.array(CLAMP)[known]) < 1e-3).all()
    if isinstance(chains, fr.TemperedChains):
        assert np.array_equal(again.betas, chains.betas) and again.target_rate == chains.target_rate
        assert np.array_equal(again.swap_rates, chains.swap_rates, equal_nan=True)
        assert again.round_trip_rate == chains.round_trip_rate
    again.save(tmp_path / "again.npz")
    chains.save(path)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_what_is_no_file_of_chains(tmp_path):
    bits().save(tmp_path / "m.npz")
    with pytest.raises(ValueError, match=r"m.npz is not a file of fastrbm chains \(Chains.save and"):
        fr.load_chains(tmp_path / "m.npz")
    with pytest.raises(OSError, match="missing"):
        fr.load_chains(tmp_path / "missing.npz")
    chains = fr.TemperedChains(fr.sampling.Path(bits(), n_steps=2), 5)
    with pytest.raises(ValueError, match="chains of a path have a model on each rung"):
        chains.save(tmp_path / "c.npz")
    assert not (tmp_path / "c.npz").exists()


@pytest.mark.parametrize("kind", ["mixed", "tempered"])
def test_edited_files(tmp_path, kind):
    """Every entry is left out, cut, widened, put on its head: refused with the file's name, or chains that work."""
    path, refused = tmp_path / "c.npz", 0
    CHAINS[kind]().save(path)
    with np.load(path) as archive:
        good = dict(archive.items())
    names = [name for name in good if name.startswith("chains/")]
    for name in names:
        array = good[name]
        ways = [None, np.array("text"), np.array(-1), np.array(2**63), np.array(NAN), array.astype(np.float32)]
        ways += [array[..., :1], array[:0], array[None], array[:, :0], ~array] if array.ndim == 2 else []
        for way in ways:
            np.savez(path, **{k: v for k, v in good.items() if k != name}, **({} if way is None else {name: way}))
            try:
                chains = fr.load_chains(path)
            except ValueError as error:
                refused += 1
                assert str(error).startswith(f"{path} "), error
            else:
                try:
                    chains.sweep(2)
                except ValueError as error:
                    assert "2**32 - 1 sweeps" in str(error)
                assert chains.visible.shape[1] == chains.rbm.visible.n_columns
    assert refused > 3 * len(names)
