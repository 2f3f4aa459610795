import io
import zipfile

import pytest

from sitenet_sklearn import load_pretrained
from sitenet_sklearn.server.answers import Answers


@pytest.fixture(scope="session")
def model():
    return load_pretrained("band_gap", device="cpu")


@pytest.fixture(scope="session")
def answers(model):
    return Answers(model)


@pytest.fixture
def make_zip():
    def make(members, **options):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, **options) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return stream.getvalue()

    return make
