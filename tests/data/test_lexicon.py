"""Lexicons against scikit-learn's, and text columns through training, prediction and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.data.preprocessing_text import read_preprocessing, written

TEXTS = ["The cat sat on the mat.", "the DOG sat: a cat_2 saw", "", "übermäßig große Katze, a b c", "dog dog cat"]


def docstring_texts() -> list[str]:
    import csv
    import gzip

    file = Path(ms.datasets.__file__).with_name("docstrings.csv.gz")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return [row["text"] for row in csv.DictReader(lines)]


@pytest.mark.parametrize("options", [{}, {"least": 3}, {"most": 100}], ids=str)
@pytest.mark.parametrize("source", ["small", "docstrings"])
def test_counts_and_weights_are_those_of_scikit_learn(options: dict[str, int], source: str) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text", reason="scikit-learn is the oracle of this test")
    texts = TEXTS if source == "small" else docstring_texts()[:500]
    if source == "small" and "least" in options:
        options = {"least": 2}
    names = {"least": "min_df", "most": "max_features"}
    theirs = {names[name]: value for name, value in options.items()}
    lexicon = ms.text.Lexicon.fit(texts, **options)  # type: ignore[arg-type]
    counts, weights = text.CountVectorizer(**theirs), text.TfidfVectorizer(**theirs)
    expected, weighted = counts.fit_transform(texts).toarray(), weights.fit_transform(texts).toarray()
    if "most" not in options or source == "small":  # which of equally common words count is their matter
        assert list(lexicon.words) == counts.get_feature_names_out().tolist()
        assert_array_equal(lexicon.counts(texts), expected)
        assert_allclose(lexicon.tfidf(texts), weighted, rtol=1e-6)
        assert_allclose(lexicon.idf, weights.idf_)
    else:
        assert len(lexicon) == 100 and lexicon.counts(texts).sum() == expected.sum()


def test_sequences_have_padding_and_unknown_words() -> None:
    lexicon = ms.text.Lexicon.fit(["cat sat", "cat ate"], form="sequences", length=4)
    assert lexicon.words == ("ate", "cat", "sat") and lexicon.vocabulary == 5
    expected = [[3, 1, 4, 0], [0, 0, 0, 0], [2, 2, 2, 2]]
    assert_array_equal(lexicon.apply(["Cat dog sat", "", "ate ate ate ate ate"]), expected)


def test_a_lexicon_is_read_from_json() -> None:
    lexicon = ms.text.Lexicon.fit(TEXTS, least=2, form="counts")
    assert ms.text.Lexicon.from_dict(json.loads(json.dumps(lexicon.to_dict()))) == lexicon


def reviews(tmp_path: Path) -> Path:
    file = tmp_path / "reviews.csv"
    good = ["a very good film, good fun", "good acting and a good film", "fun", ""]
    bad = ["bad bad film", "the acting was bad", "bad fun", "awful, and bad"]
    lines = [f'"{text}",{k},{label}' for label, texts in (("yes", good), ("no", bad)) for k, text in enumerate(texts)]
    file.write_text("review,stars,liked\n" + "\n".join(lines * 5) + "\n", encoding="utf-8")
    return file


def test_a_model_of_a_text_column_reads_raw_text(tmp_path: Path) -> None:
    data = ms.load(reviews(tmp_path), text="review", target="liked")
    assert data.columns == ("review",) and [d.kind for d in data.decisions] == ["text", "dropped", "target"]
    run = ms.train(ms.Network(ms.Linear(2)), data, optimizer=ms.Adam(0.1), epochs=10, seed=0)
    assert run.predict_labels(["a good film", "bad"]).tolist() == ["yes", "no"]
    run.save(tmp_path / "model.safetensors")
    again = ms.load_model(tmp_path / "model.safetensors")
    raw = {"review": np.array(["a good film", None, "what?"], object), "other": [1, 2, 3]}
    assert_array_equal(again.predict(raw), run.predict(["a good film", "", "what?"]))
    assert_array_equal(again.predict(tmp_path / "reviews.csv")[:4], run.predict(tmp_path / "reviews.csv")[:4])
    with pytest.raises(ms.DataError, match=r"the column that the model was trained on.*none called review"):
        again.predict({"other": [1, 2, 3]})


def test_a_damaged_lexicon_is_refused(tmp_path: Path) -> None:
    from minisgd.data.preprocessing import Preprocessing

    document = json.loads(written(Preprocessing.of(ms.load(reviews(tmp_path), text="review", target="liked"))))
    damages = {"words": [1], "idf": [1.0], "form": "hash", "length": True}
    for name, value in damages.items():
        broken = json.loads(json.dumps(document))
        broken["encoding"]["lexicon"][name] = value
        with pytest.raises(ms.DataError, match="as minisgd writes it"):
            read_preprocessing(json.dumps(broken))


def test_the_lexicon_knows_training_texts_only(tmp_path: Path) -> None:
    data = ms.datasets.docstrings(validation=0.2, seed=0)
    other = ms.datasets.docstrings(validation=0.2, seed=1)
    assert data.encoding is not None and other.encoding is not None
    assert data.encoding.to_dict() != other.encoding.to_dict()
    assert len(data.train) == 1600 and data.classes is not None and len(data.classes) == 8
    assert ms.load("docstrings").name == data.name


def test_docstrings_say_where_they_are_from() -> None:
    folder = Path(ms.datasets.__file__).parent
    assert "Python Software Foundation License Version 2" in (folder / "docstrings.LICENSE.md").read_text("utf-8")
    assert (folder / "docstrings.csv.gz").stat().st_size < 100_000


def test_wrong_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ms.DtypeError, match=r"texts must be a list of texts, got str"):
        ms.text.Lexicon.fit("a text")
    with pytest.raises(ms.DtypeError, match=r"texts must be a list of texts, got one with 3"):
        ms.text.Lexicon.fit(["a", 3])  # type: ignore[list-item]
    with pytest.raises(ms.DataError, match=r"words that occur in at least 1 texts"):
        ms.text.Lexicon.fit(["a", "b"])
    with pytest.raises(ms.ArgumentError, match=r"text"):
        ms.load(reviews(tmp_path), text="revue", target="liked")
    with pytest.raises(ms.ArgumentError, match=r"text must be left out for digits"):
        ms.load("digits", text="review")
