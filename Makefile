# One-word commands. Each installs what it needs, from hash-locked lists; nothing is fetched at run time.

# Debian's own Python is built with optimisations that others lack, so it comes first; any from 3.11 on will do.
CANDIDATES := /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(shell for python in $(CANDIDATES); do $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
OURS := --build-deps-for editable setup.cfg

.PHONY: run test check journeys pages drills faults bench soak prices lock

run: .venv/run ## install what is missing, then serve
	$(BIN)/haze-proxy serve

test: .venv/test ## everything that takes minutes, not hours
	$(BIN)/pytest --numprocesses 2 --dist worksteal --ignore=tests/drills --ignore=tests/faults tests
	$(BIN)/pytest tests/drills/test_kill.py

check: .venv/test ## style, types, layers
	$(BIN)/ruff check haze_proxy tests
	$(BIN)/ruff format --check haze_proxy tests
	$(BIN)/mypy
	$(BIN)/lint-imports

journeys: .venv/test ## real SDKs and command lines on 127.0.0.1
	tests/journeys/run

pages: .venv/test ## the pages in a real browser on 127.0.0.1
	tests/pages/run

drills: .venv/test ## kills and races
	$(BIN)/pytest --timeout 600 tests/drills

faults: .venv/test ## everything that can go wrong with a channel; prints a table
	$(BIN)/pytest --timeout 60 tests/faults

bench: .venv/test ## what Haze costs beside a bare relay, and how long its pages take with a million requests; prints tables
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.pages

soak: .venv/test ## ten minutes of load, then: what has stayed behind? MINUTES=60 for longer
	$(BIN)/python -m tests.bench.soak --minutes $(or $(MINUTES),10)

prices: .venv/test ## write haze_proxy/money/prices.json anew; its diff is the review
	$(BIN)/python tests/tools/make_prices.py

lock: .venv/test ## choose newer libraries
	$(COMPILE) --upgrade --extra stripe --output-file requirements.txt $(OURS)
	$(COMPILE) --upgrade --extra dev --constraint requirements.txt --output-file tests/requirements.txt $(OURS)
	cd tests/journeys && ../../$(COMPILE) --upgrade --output-file requirements.txt requirements.in
	cd tests/journeys && npm install --package-lock-only
	cd tests/pages && ../../$(COMPILE) --upgrade --output-file requirements.txt requirements.in
	cd tests/pages && npm install --package-lock-only

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Haze needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/python requirements.txt setup.cfg
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test: .venv/run tests/requirements.txt
	$(PIP) install --require-hashes -r tests/requirements.txt
	@touch $@
