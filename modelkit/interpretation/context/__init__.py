"""What the sequence around a core motif does to a model's output (AgentBind, Zheng et al. 2021)."""
