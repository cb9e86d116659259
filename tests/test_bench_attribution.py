"""The bench of attributions: ours and the peers' are of one network, and say the same."""

import pytest

from bench import attribution, attribution_alone, networks


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(networks, "FILTERS", 8)
    monkeypatch.setattr(networks, "LAYERS", 2)
    monkeypatch.setattr(attribution_alone, "SHUFFLES", 3)
    monkeypatch.setattr(attribution_alone, "STEPS", 6)


@pytest.mark.usefixtures("small")
@pytest.mark.filterwarnings("ignore::modelkit.interpretation.methods.explain.IncompleteWarning")
@pytest.mark.parametrize(("job", "peer"), [("deepshap", "tangermeme"), ("ig", "captum")])
def test_peers_agree_with_ours(job, peer):
    ours = attribution_alone.measure(job, "modelkit", 2)
    theirs = attribution_alone.measure(job, peer, 1)
    for fact in ("scores", "largest"):
        assert ours[fact] == theirs[fact]
    assert float(ours["scores"]) > 0
    assert float(ours["completeness error"]) < (1e-3 if job == "deepshap" else 0.5)
    assert ours["seconds"] > 0
    assert theirs["seconds"] > 0


@pytest.mark.usefixtures("small")
@pytest.mark.filterwarnings("ignore::modelkit.interpretation.methods.explain.IncompleteWarning")
def test_bfloat16_says_how_near_it_is(monkeypatch):
    found = attribution_alone.measure("ig", "modelkit-bfloat16", 1)
    assert float(found["correlation with float32"]) >= 0.999
    monkeypatch.setattr(attribution_alone, "CORRELATION", 1.1)
    with pytest.raises(RuntimeError, match="correlates with float32 at"):
        attribution_alone.measure("ig", "modelkit-bfloat16", 1)


def test_each_case_has_ours_and_a_peer_with_memory_kept_and_without(tmp_path):
    peers = {"deepshap": "tangermeme", "ig": "captum"}
    for case in attribution.CASES:
        if case.name not in peers:
            continue
        names = [provider.name for provider in case.providers]
        for by in ("modelkit", peers[case.name]):
            assert by in names
            assert f"{by} (memory kept)" in names
        for provider in case.providers:
            words = provider.command(tmp_path)
            kept = provider.name.endswith("(memory kept)")
            assert ("-u" in words) != kept
            assert words[-3] == case.name
            assert int(words[-1]) == case.work
