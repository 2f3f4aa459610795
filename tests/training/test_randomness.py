import torch

from sitenet_sklearn.training.randomness import own_generator, seeded


def test_seeding_leaves_the_random_state_as_found():
    before = torch.get_rng_state()
    with seeded(1, torch.device("cpu")):
        first = torch.rand(3)
    with seeded(1, torch.device("cpu")):
        assert torch.equal(first, torch.rand(3))
    assert torch.equal(before, torch.get_rng_state())


def test_an_own_generator_goes_on_where_that_of_torch_is():
    with seeded(5, torch.device("cpu")):
        torch.rand(3)
        generator = own_generator(torch.device("cpu"))
        expected = torch.rand(4)
    torch.rand(7)
    assert torch.equal(torch.rand(4, generator=generator), expected)
