# Every target works alone: it makes .venv first where there is none.
PYTHON ?= python3
# Of the tests; each takes up to 2 GB of memory.
WORKERS ?= auto
RUN := .venv/bin/python
COMPLETE := .venv/.complete

.DEFAULT_GOAL := help
.PHONY: help setup demo test check check-report chaos soak bench clean

help: ## say what each target does
	@echo "usage: make TARGET [PYTHON=python3.12]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

setup: $(COMPLETE) ## make .venv with the exact versions of constraints.txt (once; needs git, python3, python3-venv)

$(COMPLETE): pyproject.toml constraints.txt tools/make_venv.sh
	@PYTHON="$(PYTHON)" sh tools/make_venv.sh

demo: $(COMPLETE) ## pretrain, hand over, fine-tune and judge on drawn images, 7 minutes on two cores; writes work_dirs/demo
	$(RUN) tools/prepare_data.py demo
	$(RUN) tools/ladder.py configs/ladder/demo.py --rerun-changed $(ARGS)
	$(RUN) tools/report.py work_dirs/demo

test: $(COMPLETE) ## run the tests, a worker per core; ARGS="-m slow" runs the slow ones, WORKERS=0 without workers
	$(RUN) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: $(COMPLETE) ## style, types, spelling, large files, merge markers
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/codespell
	SKIP=ruff,ruff-format,mypy,codespell .venv/bin/pre-commit run --all-files

check-report: $(COMPLETE) ## the pages in a real browser (apt-get install chromium); fails where there is none
	NEEDS_BROWSER=1 $(RUN) -m pytest -k in_browser tests/data_checks tests/ladder tests/run_report $(ARGS)

chaos: $(COMPLETE) ## 200 kills, 144 stops, spoilt files by the thousand; goes on where it was interrupted; ARGS=kills runs that part
	$(RUN) -m tests.chaos.run $(ARGS)

soak: $(COMPLETE) ## 20 minutes of runs with kills, a full disk and damaged files; as root, which mounts the disk; ARGS="--minutes 60"
	$(RUN) -m tests.chaos.soak $(ARGS)

bench: $(COMPLETE) ## us and the peers on the same work on this CPU, one table, in 15 minutes; ARGS=NAME runs one
	$(RUN) benchmarks/suite.py $(ARGS)

clean: ## remove .venv, caches and build outputs; data/ and work_dirs/ stay
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./data -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
