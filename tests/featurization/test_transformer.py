from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sitenet_sklearn import RaggedCrystals, SupercellFeaturizer


def test_pipelines_that_ask_for_data_frames_still_work(structures):
    pipeline = make_pipeline(SupercellFeaturizer(max_atoms=10)).set_output(transform="pandas")
    assert isinstance(pipeline.fit_transform(structures[:2]), RaggedCrystals)


def test_what_scikit_learn_asks_of_it():
    featurizer = SupercellFeaturizer(max_atoms=10)
    check_is_fitted(clone(featurizer))
    tags = get_tags(featurizer)
    assert [tags.requires_fit, tags.input_tags.two_d_array, *tags.transformer_tags.preserves_dtype] == [False, False]
    assert list(featurizer.get_feature_names_out()) == ["crystal"]
