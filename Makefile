# CMake builds (CMakePresets.json, into build/<preset>); this file names the things that people do.

PREFIX ?= /usr/local
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)

.PHONY: release help demo test debug asan tsan crash test-aarch64 test-integrations test-pythons
.PHONY: fuzz coverage bench format lint install clean
.NOTPARALLEL:

release: build-release ## build the library and the command into build/release (plain `make`)

help: ## this list
	@awk -F ':.*## ' '/^[a-z].*:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

demo: ## install what is missing, build, and ask the example store 40 questions
	@scripts/setup.sh --demo
	@$(MAKE) --no-print-directory build-release
	@examples/demo.sh build/release/npvec

test: ## install what is missing, and run all tests: C, C with sanitizers, Python, installation
	@scripts/setup.sh --test
	@$(MAKE) --no-print-directory debug asan
	scripts/pytest.sh build/debug
	scripts/original.sh

debug asan: ## build with assertions (asan: and with sanitizers) and run the C tests
	@$(MAKE) --no-print-directory build-$@
	ctest --preset $@ --parallel $(JOBS)

# Address space randomisation beyond 28 bits is more than older thread sanitizers can map.
tsan: build-tsan ## run the C tests that use threads under the thread sanitizer
	$(shell command -v setarch >/dev/null && echo setarch -R) ctest --preset tsan -L threads --parallel $(JOBS)

crash: build-debug ## kill a writer ROUNDS times (default 5000) and look for what it had acknowledged
	build/debug/tests/test_crash $(or $(ROUNDS),5000)

test-aarch64: ## run the kernel tests for aarch64 under qemu
	@scripts/setup.sh --aarch64
	@mkdir -p build
	@cmake -S tests/aarch64 -B build/aarch64 -G Ninja --toolchain $(CURDIR)/cmake/aarch64-linux-gnu.cmake \
		-DNPVEC_WERROR=$(NPVEC_WERROR) >build/aarch64.log
	@cmake --build build/aarch64 -- --quiet
	ctest --test-dir build/aarch64 --output-on-failure

test-integrations: ## test npvec.langchain, npvec.llama_index and npvec.haystack against their frameworks
	@scripts/setup.sh --test
	scripts/integrations.sh

test-pythons: ## install the Python package as users do, with every Python on PATH (PYTHONS=...), and test it there
	@scripts/setup.sh --test
	scripts/pythons.sh $(PYTHONS)

fuzz: ## run every fuzz target for SECONDS (default 60), two at a time
	@scripts/setup.sh --fuzz
	@$(MAKE) --no-print-directory build-fuzz
	@scripts/fuzz.sh $(or $(SECONDS),60)

coverage: ## say which lines and branches of the library the tests reach
	@scripts/setup.sh --test
	@$(MAKE) --no-print-directory build-coverage
	@scripts/coverage.sh

bench: build-release ## compare the speed with NumPy, FAISS and others (ARGS="--help" lists options)
	@scripts/bench.sh $(ARGS)

format: ## format all C sources
	@scripts/format.sh

lint: ## check the format, build with clang, run clang-tidy
	@scripts/setup.sh --lint
	@scripts/format.sh --check
	@$(MAKE) --no-print-directory build-clang
	@scripts/tidy.sh

install: ## build and install under PREFIX (default /usr/local)
	@cmake --preset release -DCMAKE_INSTALL_PREFIX:PATH="$(PREFIX)"
	@cmake --build --preset release
	@cmake --install build/release

clean: ## remove everything that was built
	rm -rf build

build-%:
	@echo "building $*"
	@mkdir -p build
	@cmake --preset $* >build/$*.log 2>&1 || { cat build/$*.log; exit 1; }
	@cmake --build --preset $* -- --quiet
