# make demo: the main job on a small simulated genome.  make test: all checks.
# make bench: measure, and write the README's table.  make gpu: the same on a CUDA device.
# make docs: the pages of docs/ as a site, in site/.
# make yeast: bpAI-TAC of real reads, from BAM to held-out chromosomes; writes docs/bpaitac.md.
# make PYTHON=python3.12 ... picks the Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

unexport PYTHONPATH PYTHONHOME

.PHONY: demo test docs bench yeast gpu clean

demo: $(VENV)/base.stamp
	$(BIN)/python -m kmerengine.demo

test: $(VENV)/test.stamp
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest

# The variable keeps the theme from telling, in every build, of the end of its maintenance.
docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(VENV)/bench.stamp
	$(BIN)/python -m bench.count
	$(BIN)/python -m bench.cuts
	$(BIN)/python -m bench.scan
	$(BIN)/python -m bench.sample
	$(BIN)/python -m bench.loader
	$(BIN)/python -m bench.models
	$(BIN)/python -m bench.attribution
	$(BIN)/python -m bench.seqlets
	$(BIN)/python -m bench.bindvae
	$(BIN)/python -m bench.table
	-$(BIN)/python -m bench.targets

yeast: $(VENV)/models.stamp
	$(BIN)/python -m bench.yeast

# The machine's own Python: nothing is installed, since PyTorch and CuPy must fit its driver.
gpu:
	@$(PYTHON) -m bench.gpu

clean:
	rm -rf $(VENV) build dist demo site bench/work *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was made from; without one, a half-made .venv is made again.
$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; give another with PYTHON=...")'
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/base.stamp: pyproject.toml constraints.txt | $(VENV)/made.stamp
	$(PIP) -e .
	touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(VENV)/made.stamp
	$(PIP) -e '.[test]'
	touch $(VENV)/base.stamp $@

$(VENV)/docs.stamp: pyproject.toml constraints.txt | $(VENV)/made.stamp
	$(PIP) -e '.[docs]'
	touch $(VENV)/base.stamp $@

$(VENV)/models.stamp: pyproject.toml constraints.txt | $(VENV)/made.stamp
	$(PIP) -e '.[models]'
	touch $(VENV)/base.stamp $@

# scikit-learn, bam2bw, captum, memelite, tangermeme and bpnet-lite are peers; kmc, jellyfish,
# samtools and bedtools are too, from the system's packages, if they are there. Of what bpnet-lite
# asks for, its networks need the packages named with it.
$(VENV)/bench.stamp: pyproject.toml constraints.txt | $(VENV)/made.stamp
	$(PIP) -e '.[models]' bam2bw captum memelite h5py pandas tangermeme tqdm
	$(PIP) --no-deps bpnet-lite==1.1.0
	touch $(VENV)/base.stamp $@
